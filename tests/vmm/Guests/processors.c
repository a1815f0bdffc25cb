#include "guest.h"

/* Starts all others, waits for CPUS of them in all, and says each one's APIC id. */

#ifndef CPUS
#define CPUS 1
#endif

static volatile uint32_t ids[32], ready;

static uint32_t apic_id(void)
{
    uint32_t r[4];
    cpuid(1, 0, r);
    return r[1] >> 24;
}

void ap_main(uint32_t number)
{
    ids[number + 1] = apic_id();
    __asm__ volatile("lock incl %0" : "+m"(ready));
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    enable_lapic();
    ids[0] = apic_id();
    start_others();
    while (ready + 1 < CPUS) pause();
    uint32_t seen = 0;
    for (int i = 0; i < CPUS; i++) seen |= 1u << ids[i];
    put_line("seen", seen);
    pass();
}
