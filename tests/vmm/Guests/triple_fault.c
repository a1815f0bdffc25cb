#include "guest.h"

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) nothing = { 0, 0 };
    put("falling\n");
    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}
