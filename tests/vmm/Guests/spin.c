#include "guest.h"

/* Counts in memory for ever; every processor does. With HALT it sleeps instead, woken by nothing. */

static volatile uint64_t counters[32 * 8];

void ap_main(uint32_t number)
{
#ifdef HALT
    (void)number;
    for (;;) halt();
#else
    for (;;) counters[(number + 1) * 8]++;
#endif
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    enable_lapic();
#ifdef OTHERS
    start_others();
#endif
    put("spinning\n");
#ifdef HALT
    for (;;) halt();
#else
    for (;;) counters[0]++;
#endif
}
