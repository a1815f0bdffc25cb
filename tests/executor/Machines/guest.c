/*
 * The smallest guest that shows what an engine does: no kernel, no driver, booted by the PVH protocol
 * (docs/misc/pvh.pandoc of Xen) straight into 32-bit code. What it does is said on its command line by guest=...
 *   hello  one line on the console, then a reset
 *   loop   one line, then halted for ever
 *   bytes  every byte value once, then halted
 *   flood  64 KiB of lines that say their number, "last", then halted
 * Build: gcc -m32 -ffreestanding -nostdlib -static -no-pie -fno-pic -fno-stack-protector -Os -Wl,-Ttext-segment=0x100000,-e,start guest.c
 */
typedef unsigned int u32;
typedef unsigned char u8;

/* XEN_ELFNOTE_PHYS32_ENTRY = 18: where to enter, in 32-bit mode with paging off and EBX -> hvm_start_info. */
__asm__(
    ".section .note.pvh, \"a\", @note\n"
    ".long 4, 4, 18\n .asciz \"Xen\"\n .long start\n"
    ".text\n .globl start\n start:\n"
    "mov $stack_top, %esp\n push %ebx\n call run\n"
    "halt: hlt\n jmp halt\n"
    ".bss\n .balign 16\n .skip 8192\n stack_top:\n .text\n");

static void out(unsigned short port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static u8 in(unsigned short port) { u8 value; __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port)); return value; }

static void put(u8 value)
{
    while (!(in(0x3f8 + 5) & 0x20)) { }   /* line status: transmitter empty */
    out(0x3f8, value);
}

static void say(const char *text) { while (*text) put(*text++); }

static void number(u32 value)
{
    char digits[11];
    int i = 10;
    digits[10] = 0;
    do { digits[--i] = '0' + value % 10; value /= 10; } while (value);
    say(digits + i);
}

static int asks(const char *line, const char *word)
{
    for (; *line; line++) {
        int i = 0;
        while (word[i] && line[i] == word[i]) i++;
        if (!word[i]) return 1;
    }
    return 0;
}

static void reset(void)
{
    struct { unsigned short limit; u32 base; } __attribute__((packed)) empty = { 0, 0 };
    __asm__ volatile("lidt %0\n int3" : : "m"(empty));   /* a triple fault */
}

__attribute__((used)) void run(const u32 *start_info)
{
    const char *line = (const char *)start_info[6];   /* cmdline_paddr, low half */
    if (asks(line, "guest=bytes")) {
        for (u32 value = 0; value < 256; value++) put(value);
        return;
    }
    if (asks(line, "guest=flood")) {
        for (u32 i = 0; i < 6000; i++) { say("line "); number(i); put('\n'); }
        say("last\n");
        return;
    }
    say("hello from the guest\n");
    if (asks(line, "guest=hello")) reset();
}
