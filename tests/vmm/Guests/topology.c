#include "guest.h"

/* Prints the leaves that tests look at. */

static void leaf(uint32_t leaf, uint32_t subleaf)
{
    uint32_t r[4];
    cpuid(leaf, subleaf, r);
    put_hex(leaf);
    put_char('.');
    put_number(subleaf);
    for (int i = 0; i < 4; i++) {
        put_char(' ');
        put_hex(r[i]);
    }
    put_char('\n');
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    leaf(0, 0);
    leaf(1, 0);
    leaf(0xb, 0);
    leaf(0xb, 1);
    leaf(0x40000000, 0);
    leaf(0x80000002, 0);
    leaf(0x80000008, 0);
    put_line("misc", rdmsr(0x1a0));
    put_line("mtrr", rdmsr(0x2ff));
    pass();
}
