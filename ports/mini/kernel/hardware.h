/* SPDX-License-Identifier: MIT */
/*
 * hardware.h - the machine that the mini kernel runs on: a console, a power switch, memory, and a
 * CPU. The first two are system calls of the Linux process that all of this is. The CPU runs
 * programs: in a toy instruction set, but through page tables of x86-64 and a TLB.
 *
 * Physical addresses are those of the process. The kernel itself is not translated.
 */
#ifndef MINI_HARDWARE_H
#define MINI_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the kernel begins, on a stack, with nothing initialised but its data. */
void kernel_main(void) __attribute__((noreturn));

void hardware_write(const char *text, size_t size);
void hardware_off(int status) __attribute__((noreturn));

#define HARDWARE_RAM_SIZE ((uint64_t)8 << 20)
uint64_t hardware_ram_start(void);

/*
 * The page-table register: loading it drops every translation, as without PCIDs. 0: no table, all
 * accesses fault.
 */
void cpu_load_root(uint64_t root);
uint64_t cpu_root(void);
void cpu_flush_page(uint64_t addr);

enum cpu_access { CPU_READ, CPU_WRITE, CPU_EXECUTE };

/* What a program's access to addr would reach. => false: a page fault */
bool cpu_translate(uint64_t addr, enum cpu_access access, uint64_t *phys);

#define CPU_REGISTERS 16
#define CPU_SP        15 /* the stack pointer */

struct cpu_registers {
    uint64_t r[CPU_REGISTERS];
    uint64_t pc;
};

/*
 * An instruction is one aligned word: operation, registers a and b, and a value with a sign.
 * Jumps are counted in instructions from the one that jumps.
 */
#define CPU_INSTRUCTION_SIZE 8
#define CPU_INSTRUCTION(operation, a, b, value)                                                    \
    ((uint64_t)(operation) | (uint64_t)(a) << 8 | (uint64_t)(b) << 16 |                            \
     (uint64_t)(uint32_t)(int32_t)(value) << 32)

enum cpu_operation {
    CPU_ILLEGAL, /* zeros are no program */
    CPU_SET,     /* a = value */
    CPU_COPY,    /* a = b */
    CPU_ADD,     /* a = a + b */
    CPU_RAISE,   /* a = a + value */
    CPU_LOAD,    /* a = the word at b + value */
    CPU_STORE,   /* the word at b + value = a */
    CPU_PUSH,    /* a */
    CPU_POP,     /* a */
    CPU_SAME,    /* jump by value if a == b */
    CPU_DIFFER,  /* jump by value if a != b */
    CPU_CALL,    /* push the next pc, jump by value */
    CPU_RETURN,  /* pop the pc */
    CPU_SYSTEM,  /* ask the kernel */
};

enum cpu_trap_kind { CPU_TRAP_SYSTEM, CPU_TRAP_PAGE, CPU_TRAP_ILLEGAL };

struct cpu_trap {
    enum cpu_trap_kind kind;
    enum cpu_access access; /* of a page fault */
    uint64_t addr;          /* of a page fault */
};

/* Runs a program until it traps; pc is that of the instruction that did, which has done nothing. */
struct cpu_trap cpu_run(struct cpu_registers *registers);

#endif
