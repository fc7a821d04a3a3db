/* SPDX-License-Identifier: MIT */
/*
 * program.c - the first program, as the file that it is in: instructions, then text.
 *
 * It leaves with the number of the check that failed, or with 0. r0 to r6 are those of system
 * calls, BUFFER has the address of its pages, WANT what a check compares with.
 */
#include "kernel.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);

#define BUFFER 7
#define WANT   8

#define PAGE  ((int)MMK_PAGE_SIZE)
#define PAGES 6
#define SIZE  (PAGES * PAGE)
#define TEXT  (PROGRAM_START + PROGRAM_TEXT_OFFSET)
#define HEAP  PROGRAM_HEAP

#define SET(a, value)             CPU_INSTRUCTION(CPU_SET, a, 0, value)
#define COPY(a, b)                CPU_INSTRUCTION(CPU_COPY, a, b, 0)
#define ADD(a, b)                 CPU_INSTRUCTION(CPU_ADD, a, b, 0)
#define RAISE(a, value)           CPU_INSTRUCTION(CPU_RAISE, a, 0, value)
#define LOAD(a, base, offset)     CPU_INSTRUCTION(CPU_LOAD, a, base, offset)
#define STORE(a, base, offset)    CPU_INSTRUCTION(CPU_STORE, a, base, offset)
#define PUSH(a)                   CPU_INSTRUCTION(CPU_PUSH, a, 0, 0)
#define POP(a)                    CPU_INSTRUCTION(CPU_POP, a, 0, 0)
#define IF_SAME(a, b, distance)   CPU_INSTRUCTION(CPU_SAME, a, b, distance)
#define IF_DIFFER(a, b, distance) CPU_INSTRUCTION(CPU_DIFFER, a, b, distance)
#define JUMP(distance)            IF_SAME(0, 0, distance)
#define CALL(distance)            CPU_INSTRUCTION(CPU_CALL, 0, 0, distance)
#define RETURN                    CPU_INSTRUCTION(CPU_RETURN, 0, 0, 0)
#define SYSTEM(call)              SET(0, call), CPU_INSTRUCTION(CPU_SYSTEM, 0, 0, 0)

/* How many instructions these are. */
#define COUNT(...) ((int)(sizeof((uint64_t[]){__VA_ARGS__}) / CPU_INSTRUCTION_SIZE))

#define EXIT(status)          SET(1, status), SYSTEM(SYS_EXIT)
#define SAY(text)             SET(1, TEXT + (text)*TEXT_SIZE), SYSTEM(SYS_SAY)
#define CHECK(number, a, b)   IF_SAME(a, b, COUNT(EXIT(number)) + 1), EXIT(number)
#define EXPECT(number, value) SET(WANT, value), CHECK(number, 0, WANT)

#define MMAP(length, prot, flags, file)                                                            \
    SET(1, 0), SET(2, length), SET(3, prot), SET(4, flags), SET(5, file), SET(6, 0),               \
        SYSTEM(SYS_MMAP)

/* A child runs the instructions; its status is in r0 then. */
#define IN_CHILD(...)                                                                              \
    SYSTEM(SYS_FORK), SET(WANT, 0), IF_DIFFER(0, WANT, COUNT(__VA_ARGS__) + 1), __VA_ARGS__,       \
        SYSTEM(SYS_WAIT)

/* r0 = r0 + r1 + (r1 - 1) + ... + 1, 16 bytes of stack for each. WANT is 0. */
#define SUM ADD(0, 1), PUSH(1), RAISE(1, -1), IF_SAME(1, WANT, 2), CALL(-4), POP(1), RETURN

enum text { TEXT_HELLO, TEXT_CHILD, TEXT_STACK, TEXT_BYE, TEXTS };
#define TEXT_SIZE 32

static const char texts[TEXTS][TEXT_SIZE] = {
    [TEXT_HELLO] = "hello, all of my memory is lazy",
    [TEXT_CHILD] = "a page for a page",
    [TEXT_STACK] = "deeper",
    [TEXT_BYE] = "that is all",
};

static const uint64_t instructions[] = {
    SAY(TEXT_HELLO),

    /* Demand paging: into each page its own address. */
    MMAP(SIZE, MMK_PROT_READ | MMK_PROT_WRITE, MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS, 0),
    COPY(BUFFER, 0),
    COPY(2, BUFFER),
    COPY(3, BUFFER),
    RAISE(3, SIZE),
    STORE(2, 2, 0),
    RAISE(2, PAGE),
    IF_DIFFER(2, 3, -2),
    LOAD(4, BUFFER, 0),
    CHECK(1, 4, BUFFER),

    /* Copy on write: what the child writes the parent does not see. */
    IN_CHILD(SAY(TEXT_CHILD), LOAD(0, BUFFER, 0), CHECK(2, 0, BUFFER), SET(2, 7),
             STORE(2, BUFFER, 0), STORE(2, BUFFER, PAGE), LOAD(1, BUFFER, PAGE), SYSTEM(SYS_EXIT)),
    EXPECT(3, 7),
    LOAD(4, BUFFER, 0),
    CHECK(4, 4, BUFFER),
    STORE(4, BUFFER, 0),

    /* Memory goes back, and is zero when it is used again. */
    COPY(1, BUFFER),
    SET(2, SIZE),
    SET(3, MMK_MADV_DONTNEED),
    SYSTEM(SYS_MADVISE),
    EXPECT(5, 0),
    LOAD(0, BUFFER, 0),
    EXPECT(6, 0),

    /* A file: its words are their offsets; behind its end are zeros, then nothing. */
    MMAP(SIZE, MMK_PROT_READ, MMK_MAP_PRIVATE, FILE_NUMBERS),
    COPY(2, 0),
    LOAD(0, 2, 2 * PAGE + 64),
    EXPECT(7, 2 * PAGE + 64),
    LOAD(0, 2, NUMBERS_SIZE),
    EXPECT(8, 0),
    IN_CHILD(LOAD(0, 2, (PAGES - 1) * PAGE), EXIT(0)),
    EXPECT(9, STATUS_OF_SIGNAL(SIGNAL_BUS)),

    /* What is not mapped, and what is but may not be written. */
    IN_CHILD(SET(2, 0), LOAD(0, 2, 0), EXIT(0)),
    EXPECT(10, STATUS_OF_SIGNAL(SIGNAL_SEGV)),
    IN_CHILD(SET(2, TEXT), STORE(0, 2, 0), EXIT(0)),
    EXPECT(11, STATUS_OF_SIGNAL(SIGNAL_SEGV)),

    /* The heap. */
    SET(1, HEAP + 2 * PAGE),
    SYSTEM(SYS_BRK),
    EXPECT(12, HEAP + 2 * PAGE),
    STORE(0, 0, -8),
    LOAD(0, 0, -8),
    EXPECT(13, HEAP + 2 * PAGE),
    SET(1, HEAP),
    SYSTEM(SYS_BRK),
    EXPECT(14, HEAP),

    /* The stack grows: a function that calls itself. */
    SAY(TEXT_STACK),
    JUMP(COUNT(SUM) + 1),
    SUM,
    SET(0, 0),
    SET(1, 1000),
    SET(WANT, 0),
    CALL(-COUNT(SUM) - 3),
    EXPECT(15, 500500),

    COPY(1, BUFFER),
    SET(2, SIZE),
    SYSTEM(SYS_MUNMAP),
    EXPECT(16, 0),
    SAY(TEXT_BYE),
    EXIT(0),
};

_Static_assert(sizeof(instructions) <= PROGRAM_TEXT_OFFSET, "instructions end before the text");

void program_fill(uint64_t index, void *page)
{
    memset(page, 0, MMK_PAGE_SIZE);
    if (index == 0)
        memcpy(page, instructions, sizeof(instructions));
    else
        memcpy(page, texts, sizeof(texts));
}
