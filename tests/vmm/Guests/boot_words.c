#include "guest.h"

/* Prints the command line, and sums the initrd up. */
void guest_main(uintptr_t boot, int protocol)
{
    const char *line;
    uint64_t address, length;
    if (protocol == BY_PVH) {
        line = (const char *)*(uint64_t *)(boot + 24);
        uint64_t module = *(uint64_t *)(boot + 16);
        address = *(uint32_t *)(boot + 12) ? *(uint64_t *)module : 0;
        length = address ? *(uint64_t *)(module + 8) : 0;
    } else {
        line = (const char *)(uintptr_t)*(uint32_t *)(boot + 0x228);
        address = *(uint32_t *)(boot + 0x218);
        length = *(uint32_t *)(boot + 0x21c);
    }

    put("[");
    put(line);
    put("]\n");
    put_line("initrd", address);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < length; i++) sum += *(uint8_t *)(address + i);
    put_line("sum", sum);
    pass();
}
