#include "guest.h"

#define PORT 0x3f8

/* What a driver asks of a 16550: divisor latch, scratch, loopback, FIFO, modem lines; then echoes ECHO bytes. */

static void expect(const char *what, uint32_t value, uint32_t wanted)
{
    if (value != wanted) fail(what, value);
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot;
    (void)protocol;
    outb(PORT + 7, 0x5a);
    expect("scratch", inb(PORT + 7), 0x5a);

    outb(PORT + 3, 0x83);
    outb(PORT, 1);
    outb(PORT + 1, 2);
    expect("divisor low", inb(PORT), 1);
    expect("divisor high", inb(PORT + 1), 2);
    outb(PORT + 3, 3);
    expect("ier", inb(PORT + 1), 0);

    outb(PORT + 2, 1);
    expect("fifo on", inb(PORT + 2), 0xc1);
    outb(PORT + 2, 0);
    expect("fifo off", inb(PORT + 2), 1);
    expect("line", inb(PORT + 5), 0x60);
    expect("modem", inb(PORT + 6), 0xb0);

    outb(PORT + 4, 0x1a); /* loopback, RTS, OUT2 */
    expect("modem, looped", inb(PORT + 6), 0x90);
    outb(PORT, 'x');
    expect("line, looped", inb(PORT + 5), 0x61);
    outb(PORT, 'y'); /* no room without FIFOs */
    expect("overrun", inb(PORT + 5), 0x63);
    expect("overrun, read", inb(PORT + 5), 0x61);
    expect("looped", inb(PORT), 'x');
    expect("empty", inb(PORT + 5), 0x60);
    outb(PORT + 4, 8);
    pass();
}
