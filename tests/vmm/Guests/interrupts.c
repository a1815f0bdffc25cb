#include "guest.h"

/* Every way a timer or a device interrupts: PIT through the IOAPIC, local APIC timer, serial port, keyboard. */

static volatile int pit, lapic, serial, keyboard;

INTERRUPT on_pit(struct frame *f) { (void)f; pit++; end_of_interrupt(); }
INTERRUPT on_lapic(struct frame *f) { (void)f; lapic++; end_of_interrupt(); }
INTERRUPT on_serial(struct frame *f) { (void)f; if ((inb(0x3fa) & 0xf) == 2) serial++; end_of_interrupt(); }
INTERRUPT on_keyboard(struct frame *f) { (void)f; if (inb(0x60) == 0xfa) keyboard++; end_of_interrupt(); }

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    set_handler(0x30, on_pit);
    set_handler(0x31, on_lapic);
    set_handler(0x34, on_serial);
    set_handler(0x35, on_keyboard);
    load_idt();
    mask_pic();
    enable_lapic();

    route(0, 0x30);
    outb(0x43, 0x34);
    outb(0x40, 0);
    outb(0x40, 0x10); /* 4096 ticks of 1.193182 MHz: 3.4 ms */
    while (pit < 3) wait_for_interrupt();
    route(0, 0x10030);
    put("pit ok\n");

    write32(LAPIC + 0x3e0, 0xb);
    write32(LAPIC + 0x320, 0x31);
    write32(LAPIC + 0x380, 100000);
    while (!lapic) wait_for_interrupt();
    put("lapic ok\n");

    route(4, 0x34);
    outb(0x3f9, 2);
    while (!serial) wait_for_interrupt();
    outb(0x3f9, 0);
    put("serial ok\n");

    route(1, 0x35);
    outb(0x60, 0xf4);
    while (!keyboard) wait_for_interrupt();
    put("keyboard ok\n");
    pass();
}
