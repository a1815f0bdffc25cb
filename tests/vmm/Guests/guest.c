#include "guest.h"

#define SERIAL 0x3f8

void *memset(void *to, int value, size_t count)
{
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return result;
}

void *memcpy(void *to, const void *from, size_t count)
{
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const uint8_t *x = a, *y = b;
    for (; count; count--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

void put_char(char c) { outb(SERIAL, (uint8_t)c); }

void put(const char *text)
{
    while (*text) put_char(*text++);
}

void put_hex(uint64_t value)
{
    bool begun = false;
    put("0x");
    for (int shift = 60; shift >= 0; shift -= 4) {
        int digit = (value >> shift) & 15;
        if (!digit && !begun && shift) continue;
        begun = true;
        put_char("0123456789abcdef"[digit]);
    }
}

void put_number(uint64_t value)
{
    char digits[20];
    int count = 0;
    do digits[count++] = '0' + value % 10;
    while (value /= 10);
    while (count) put_char(digits[--count]);
}

void put_line(const char *label, uint64_t value)
{
    put(label);
    put_char('=');
    put_hex(value);
    put_char('\n');
}

void reset(void)
{
    outb(0x64, 0xfe);
    for (;;) halt();
}

void fail(const char *why, uint64_t value)
{
    put("FAIL: ");
    put_line(why, value);
    reset();
}

void pass(void)
{
    put("PASS\n");
    reset();
}

struct gate { uint16_t low, selector; uint8_t ist, type; uint16_t middle; uint32_t high, zero; };

static struct gate idt[256];

void set_handler(int vector, void (*handler)(struct frame *))
{
    uintptr_t address = (uintptr_t)handler;
    idt[vector] = (struct gate){ (uint16_t)address, 0x08, 0, 0x8e, (uint16_t)(address >> 16), (uint32_t)(address >> 32), 0 };
}

void load_idt(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint64_t)idt };
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void enable_lapic(void) { write32(LAPIC + 0xf0, 0x1ff); }

static void ioapic(uint32_t index, uint32_t value)
{
    write32(IOAPIC, index);
    write32(IOAPIC + 0x10, value);
}

void route(int gsi, int vector)
{
    ioapic(0x11 + gsi * 2, 0);
    ioapic(0x10 + gsi * 2, vector);
}

void mask_pic(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

extern const uint8_t ap_start[], ap_end[];

void start_others(void)
{
    memcpy((void *)0x8000, ap_start, ap_end - ap_start);
    write32(LAPIC + 0x310, 0);
    write32(LAPIC + 0x300, 0xc4500); /* INIT, to all but this one */
    for (int i = 0; i < 100; i++) inb(0x61);
    write32(LAPIC + 0x300, 0xc4608); /* SIPI, page 8 */
}
