/* SPDX-License-Identifier: MIT */
/*
 * hardware.c - console, power switch and memory of the mini kernel's machine. Another machine has
 * its own in this place: nothing else knows that this is a Linux process.
 */
#include "hardware.h"

static unsigned char ram[HARDWARE_RAM_SIZE] __attribute__((aligned(4096)));

/* Reset: the stack pointer is aligned to 16 here, and nobody to return to. */
__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    call kernel_main\n"
        "    ud2\n");

#define LINUX_WRITE 1
#define LINUX_EXIT  60

static long linux_call(long number, long first, const void *second, size_t third)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return result;
}

void hardware_write(const char *text, size_t size)
{
    while (size > 0) {
        long written = linux_call(LINUX_WRITE, 1, text, size);

        if (written <= 0)
            hardware_off(3);
        text += written;
        size -= (size_t)written;
    }
}

void hardware_off(int status)
{
    linux_call(LINUX_EXIT, status, NULL, 0);
    __builtin_trap();
}

uint64_t hardware_ram_start(void)
{
    return (uint64_t)(uintptr_t)ram;
}
