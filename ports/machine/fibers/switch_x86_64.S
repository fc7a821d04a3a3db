/* SPDX-License-Identifier: MIT */
/*
 * switch_x86_64.S - void fiber_swap(void **save_sp, void *load_sp)
 *
 * What the callee must keep goes onto the old stack, its pointer to *save_sp; the rest in reverse.
 * The floating-point control words are the same in all fibers: nobody here changes them.
 */
    .text
    .globl fiber_swap
    .type fiber_swap, @function
fiber_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size fiber_swap, . - fiber_swap
    .section .note.GNU-stack, "", @progbits
