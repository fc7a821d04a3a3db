/* SPDX-License-Identifier: MIT */
/*
 * agent_access.c - touches memory, and says what came of it.
 *
 * A signal takes the way out that the access has prepared. An instruction is run with the
 * processor's trap flag set: it traps behind each instruction, so that whatever the page holds no
 * more than one of it is run.
 */
#include "agent.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static sigjmp_buf way_out;
static volatile sig_atomic_t caught; /* enum access */
static uint64_t target;              /* of agent_exec() */
static uint64_t scratch;             /* what instruction 0, an addition, adds to */

static enum access tell(int signal, int code)
{
    if (signal == SIGSEGV && (code == SEGV_MAPERR || code == SI_KERNEL))
        return ACCESS_MAPERR; /* the processor itself refuses what is no address at all */
    if (signal == SIGSEGV && code == SEGV_ACCERR)
        return ACCESS_ACCERR;
    if (signal == SIGBUS && code == BUS_ADRERR)
        return ACCESS_BUS;
    return ACCESS_OTHER;
}

#if defined(__x86_64__)
/* Behind the jump the trap comes before the first instruction, which is to be run. */
static bool is_before_target(const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_RIP] == target;
}
#else
static bool is_before_target(const ucontext_t *context)
{
    (void)context;
    return false;
}
#endif

static void on_signal(int signal, siginfo_t *info, void *context)
{
    if (signal == SIGTRAP && is_before_target(context)) {
        target = 0;
        return;
    }
    caught = signal == SIGTRAP ? ACCESS_DONE : (sig_atomic_t)tell(signal, info->si_code);
    siglongjmp(way_out, 1);
}

void agent_catch_signals(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
    unsigned i;

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}

__attribute__((no_sanitize("address", "undefined"))) enum access agent_read(uint64_t addr,
                                                                            uint64_t *word)
{
    if (sigsetjmp(way_out, 0) != 0)
        return (enum access)caught;
    *word = *(const volatile uint64_t *)addr;
    return ACCESS_DONE;
}

/* A function of its own, as what it counts with is lost when it does not return. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static uint64_t hash_page(
    const volatile uint64_t *words)
{
    uint64_t hash = 0;
    unsigned i;

    for (i = 0; i < PAGE / sizeof(*words); i++)
        hash = hash_word(hash, words[i]);
    return hash;
}

enum access agent_hash(uint64_t page, uint64_t *hash)
{
    if (sigsetjmp(way_out, 0) != 0)
        return (enum access)caught;
    *hash = hash_page((const volatile uint64_t *)page);
    return ACCESS_DONE;
}

__attribute__((no_sanitize("address", "undefined"))) enum access agent_write(uint64_t addr,
                                                                             uint64_t word)
{
    if (sigsetjmp(way_out, 0) != 0)
        return (enum access)caught;
    *(volatile uint64_t *)addr = word;
    return ACCESS_DONE;
}

enum access agent_exec(uint64_t addr)
{
    target = addr;
    if (sigsetjmp(way_out, 0) != 0)
        return (enum access)caught;
#if defined(__x86_64__)
    __asm__ volatile("leaq 1f(%%rip), %%rcx\n\t"
                     "pushq %%rcx\n\t" /* where a return instruction leads */
                     "pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "jmpq *%0\n"
                     "1:\tnop\n\t"
                     :
                     : "d"(addr), "a"(&scratch)
                     : "rcx", "memory", "cc");
#endif
    return ACCESS_OTHER; /* the trap does not return here */
}
