#include "guest.h"

/* Says which way it came in. */
void guest_main(uintptr_t boot, int protocol)
{
    put("Hello from ring 0\n");
    put(protocol == BY_PVH ? "by PVH\n" : "by the 64-bit Linux boot protocol\n");
    put_line("boot", boot);
    reset();
}
