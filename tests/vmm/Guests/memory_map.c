#include "guest.h"

/* Prints the memory map it was given, checks that what it calls usable is memory, and that nothing answers elsewhere. */

static void check(uint64_t start, uint64_t length, uint32_t type)
{
    put_hex(start);
    put_char(' ');
    put_hex(length);
    put_char(' ');
    put_number(type);
    put_char('\n');
    /* Only what is mapped, and not where we or the boot data are. */
    if (type != 1 || start < 0x100000 || start + length > 0x100000000) return;
    volatile uint64_t *last = (volatile uint64_t *)(start + length - 8);
    *last = 0x123456789abcdef0;
    if (*last != 0x123456789abcdef0) fail("last word", *last);
}

void guest_main(uintptr_t boot, int protocol)
{
    if (protocol == BY_PVH) {
        uint64_t entry = *(uint64_t *)(boot + 40);
        for (uint32_t n = *(uint32_t *)(boot + 48); n; n--, entry += 24)
            check(*(uint64_t *)entry, *(uint64_t *)(entry + 8), *(uint32_t *)(entry + 16));
    } else {
        uintptr_t entry = boot + 0x2d0;
        for (int n = *(uint8_t *)(boot + 0x1e8); n; n--, entry += 20)
            check(*(uint64_t *)entry, *(uint64_t *)(entry + 8), *(uint32_t *)(entry + 16));
    }

    if (read32(0xd0000000) != 0xffffffff) fail("hole", read32(0xd0000000));
    if (inl(0x5678) != 0xffffffff) fail("port", inl(0x5678));
    outb(0x80, 1);
    pass();
}
