#include "guest.h"

/*
 * Counts: interrupts of the interval timer and, where there is one, of the local APIC's deadline timer; loops on every other
 * processor; a pattern over PATTERN words of memory. After Ctrl-Alt-Del it looks whether all of it goes on and is whole.
 */

#ifndef CPUS
#define CPUS 1
#endif
#ifndef PATTERN
#define PATTERN 4096
#endif

#define MSR_TSC_DEADLINE 0x6e0
#define DEADLINE_STEP 10000000 /* cycles: some milliseconds */

static volatile uint64_t ticks, deadlines, loops[32], pattern[PATTERN];
static bool has_deadline;

static uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

INTERRUPT on_tick(struct frame *f) { (void)f; ticks++; end_of_interrupt(); }

INTERRUPT on_deadline(struct frame *f)
{
    (void)f;
    deadlines++;
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + DEADLINE_STEP);
    end_of_interrupt();
}

void ap_main(uint32_t number)
{
    for (;;) loops[number + 1]++;
}

static uint64_t value(uint32_t i) { return (i + 1) * 0x9e3779b97f4a7c15ull; }

static void check(void)
{
    for (uint32_t i = 0; i < PATTERN; i++)
        if (pattern[i] != value(i)) fail("pattern", i);
}

static void goes_on(void)
{
    uint64_t from = ticks, due = deadlines;
    while (ticks < from + 3 || (has_deadline && deadlines < due + 3)) wait_for_interrupt();
    for (int i = 1; i < CPUS; i++)
        for (uint64_t seen = loops[i]; loops[i] == seen;) pause();
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    uint32_t r[4];
    cpuid(1, 0, r);
    has_deadline = r[2] >> 24 & 1;
    set_handler(0x30, on_tick);
    set_handler(0x31, on_deadline);
    load_idt();
    mask_pic();
    enable_lapic();
    route(0, 0x30);
    outb(0x43, 0x34);
    outb(0x40, 0);
    outb(0x40, 0x10); /* 4096 ticks of 1.193182 MHz: 3.4 ms */
    if (has_deadline) {
        write32(LAPIC + 0x320, 2 << 17 | 0x31);
        __sync_synchronize();
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + DEADLINE_STEP);
    }
    if (CPUS > 1) start_others();
    for (uint32_t i = 0; i < PATTERN; i++) pattern[i] = value(i);
    goes_on();
    uint64_t began = rdtsc();
    put("ready\n");
    while (!(inb(0x64) & 1)) wait_for_interrupt();
    uint64_t before = ticks;
    check();
    goes_on();
    if (rdtsc() < began) fail("the counter went back", rdtsc());
    if (before == 0) fail("ticks", before);
    pass();
}
