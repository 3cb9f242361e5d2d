/*
 * switch_to(from, to): pushes what a called function has to keep, exchanges the stack pointers, and
 * pops the other side's.  switch.c lays a fresh stack out so that the first switch pops its frame.
 */
#if defined(__x86_64__)

    .text
    .globl switch_to
    .hidden switch_to
    .type switch_to, @function
    .p2align 4
switch_to:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq (%rsp), %rax

    movq %rsp, (%rdi)
    movq (%rsi), %rsp

    /* Loading the control words is slow and they are the same nearly always.  MXCSR's lower six bits
       are status flags, which a call needn't keep, and the upper two of the eight bytes are unused. */
    xorq (%rsp), %rax
    movabsq $0x0000ffff0000ffc0, %rcx
    testq %rcx, %rax
    jz 1f
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
1:
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    /* Not `ret`: the processor would predict a return to whoever called last on the other stack. */
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    jmp *%rcx
    .cfi_endproc
    .size switch_to, . - switch_to

#elif defined(__aarch64__)

    .text
    .globl switch_to
    .hidden switch_to
    .type switch_to, %function
    .p2align 4
switch_to:
    .cfi_startproc
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]

    mov x10, sp
    str x10, [x0]
    ldr x10, [x1]
    mov sp, x10

    /* Writing the control register is slow and it is the same nearly always. */
    ldr x11, [sp, #160]
    cmp x11, x9
    b.eq 1f
    msr fpcr, x11
1:
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    .cfi_restore x29
    .cfi_restore x30
    br x30 /* not `ret`: it would be predicted to go back to the other stack's caller */
    .cfi_endproc
    .size switch_to, . - switch_to

#else
#error "no switch for this processor: configure with -Dco=ucontext"
#endif

    .section .note.GNU-stack, "", %progbits
