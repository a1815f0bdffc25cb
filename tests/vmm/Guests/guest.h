/* What freestanding guests share: ports, registers, memory, the console, the end. No libc, no floating point. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BY_LINUX64 0 /* boot is the zero page */
#define BY_PVH 1     /* boot is hvm_start_info */

/* Each guest has this one. When it returns, the processor halts for good. */
void guest_main(uintptr_t boot, int protocol);

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint16_t inw(uint16_t port) { uint16_t v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint32_t inl(uint16_t port) { uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* Registers: one access of exactly this width, by plain moves that every KVM can emulate. */
static inline void write8(uintptr_t a, uint8_t v) { __asm__ volatile("movb %0, (%1)" : : "r"(v), "r"(a) : "memory"); }
static inline void write32(uintptr_t a, uint32_t v) { __asm__ volatile("movl %0, (%1)" : : "r"(v), "r"(a) : "memory"); }
static inline uint32_t read32(uintptr_t a) { uint32_t v; __asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(a) : "memory"); return v; }
static inline uint8_t read8(uintptr_t a) { uint8_t v; __asm__ volatile("movb (%1), %0" : "=r"(v) : "r"(a) : "memory"); return v; }

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return ((uint64_t)high << 32) | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr));
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
}

static inline void barrier(void) { __asm__ volatile("" : : : "memory"); }
static inline void pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void halt(void) { __asm__ volatile("hlt" : : : "memory"); }

/* Interrupts on and one instruction later halted: none can come between. */
static inline void wait_for_interrupt(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count);
int memcmp(const void *a, const void *b, size_t count);

/* The console: 16550 at 0x3f8. */
void put_char(char c);
void put(const char *text);
void put_hex(uint64_t value);  /* 0x... */
void put_number(uint64_t value);
void put_line(const char *label, uint64_t value); /* label=0x...\n */

/* Ends the machine by the keyboard controller's reset line. */
__attribute__((noreturn)) void reset(void);

/* Prints FAIL and the reason, and ends the machine. Tests look for PASS. */
__attribute__((noreturn)) void fail(const char *why, uint64_t value);
__attribute__((noreturn)) void pass(void);

/* Interrupts. */
struct frame { uint64_t ip, cs, flags, sp, ss; };
#define INTERRUPT __attribute__((interrupt, target("general-regs-only"))) static void

void set_handler(int vector, void (*handler)(struct frame *));
void load_idt(void); /* on each processor */

#define LAPIC 0xfee00000ul
#define IOAPIC 0xfec00000ul

static inline void end_of_interrupt(void) { write32(LAPIC + 0xb0, 0); }
void enable_lapic(void);

/* An edge on this line of the IOAPIC becomes this vector on processor 0. */
void route(int gsi, int vector);

/* The legacy PIC keeps quiet from now on. */
void mask_pic(void);

/* INIT, SIPI to all others: they run ap_main(n), n from 0 by turn. */
extern volatile uint32_t ap_count;
void start_others(void);

#endif
