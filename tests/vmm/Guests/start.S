/*
 * Both ways into a freestanding guest. _start is the 64-bit Linux boot protocol's entry (RSI: zero page); with PVH
 * defined the ELF also carries the note that makes start_pvh its entry (EBX: hvm_start_info). Either way guest_main runs
 * in long mode with the first 4 GiB mapped one to one, interrupts off.
 */
    .section .text.start, "ax"
    .code64
    .globl _start
_start:
    mov     %rsi, %rdi
    mov     $0, %esi
enter_main:
    lea     boot_stack_end(%rip), %rsp
    lgdt    gdt_pointer(%rip)
    mov     $page_directory, %eax
    mov     %rax, %cr3
    push    $0x08
    lea     1f(%rip), %rax
    push    %rax
    lretq
1:  mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %ebp, %ebp
    call    guest_main
2:  cli
    hlt
    jmp     2b

    .code32
    .globl start_pvh
start_pvh:
    mov     $page_directory, %eax
    mov     %eax, %cr3
    mov     %cr4, %eax
    or      $0x20, %eax
    mov     %eax, %cr4
    mov     $0xc0000080, %ecx
    rdmsr
    or      $0x100, %eax
    wrmsr
    mov     %cr0, %eax
    or      $0x80000001, %eax
    mov     %eax, %cr0
    lgdt    gdt_pointer
    ljmp    $0x08, $3f
    .code64
3:  mov     %ebx, %edi
    mov     $1, %esi
    jmp     enter_main

/* Where a SIPI sends an application processor: copied to a page below 1 MiB by guest code that wants it. */
    .code16
    .globl ap_start, ap_end
ap_start:
    cli
    xor     %ax, %ax
    mov     %ax, %ds
    lgdtl   %cs:(ap_gdt_pointer - ap_start)
    mov     %cr0, %eax
    or      $1, %eax
    mov     %eax, %cr0
    ljmpl   $0x18, $ap_protected
    .balign 8
ap_gdt_pointer:
    .word   gdt_end - gdt - 1
    .long   gdt
ap_end:

    .code32
ap_protected:
    mov     $0x20, %eax
    mov     %eax, %ds
    mov     %eax, %ss
    mov     $page_directory, %eax
    mov     %eax, %cr3
    mov     %cr4, %eax
    or      $0x20, %eax
    mov     %eax, %cr4
    mov     $0xc0000080, %ecx
    rdmsr
    or      $0x100, %eax
    wrmsr
    mov     %cr0, %eax
    or      $0x80000001, %eax
    mov     %eax, %cr0
    ljmp    $0x08, $4f
    .code64
4:  mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    /* One stack each: 4 KiB by turn. */
    mov     $1, %eax
    lock xadd %eax, ap_count(%rip)
    mov     %eax, %edi
    inc     %eax
    shl     $12, %eax
    lea     ap_stacks(%rip), %rsp
    add     %rax, %rsp
    xor     %ebp, %ebp
    call    ap_main
5:  cli
    hlt
    jmp     5b

    .weak   ap_main
ap_main:
    ret

#ifdef PVH
    .section .note.pvh, "a", @note
    .balign 4
    .long   4, 4, 18
    .asciz  "Xen"
    .long   start_pvh
#endif

    .section .data
    .balign 8
    .globl  gdt
gdt:
    .quad   0
    .quad   0x00af9b000000ffff      /* 0x08: 64-bit code */
    .quad   0x00cf93000000ffff      /* 0x10: data */
    .quad   0x00cf9b000000ffff      /* 0x18: 32-bit code */
    .quad   0x00cf93000000ffff      /* 0x20: 32-bit data */
gdt_end:
gdt_pointer:
    .word   gdt_end - gdt - 1
    .quad   gdt

/* Static tables: filling them at run time would take as long as the rest of a guest where ring 0 is emulated. */
    .balign 4096
page_directory:
    .quad   page_pointers + 3
    .fill   511, 8, 0
page_pointers:
    .quad   page_entries + 3, page_entries + 0x1003, page_entries + 0x2003, page_entries + 0x3003
    .fill   508, 8, 0
page_entries:
    .set    address, 0
    .rept   2048
    .quad   address + 0x83
    .set    address, address + 0x200000
    .endr

    .section .bss
    .balign 16
    .skip   16384
boot_stack_end:
    .balign 16
ap_stacks:
    .skip   32 * 4096
    .globl  ap_count
    .balign 4
ap_count:
    .skip   4
