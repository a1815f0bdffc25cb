#include "guest.h"

/* Waits for a key combination, printing the scan codes as they come. */

static volatile int codes;

INTERRUPT on_keyboard(struct frame *f)
{
    (void)f;
    put_hex(inb(0x60));
    put_char(' ');
    codes++;
    end_of_interrupt();
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    set_handler(0x35, on_keyboard);
    load_idt();
    mask_pic();
    enable_lapic();
    route(1, 0x35);
    put("ready\n");
    while (codes < 11) wait_for_interrupt();
    pass();
}
