/* SPDX-License-Identifier: MIT */
/*
 * generate.c - see generate.h.
 *
 * Operations do not depend on what those before have answered: one can be left out, and the rest
 * is still the same. Ranges meet because there are few pages (window.h), and because each range is
 * likely to begin or end where another one did.
 *
 * Left out, as docs/SEMANTICS.md says that they differ: protections other than READ, WRITE, EXEC;
 * MAP_HUGETLB, MAP_DROPPABLE; advice about huge pages, KSM and poison, which a Linux may or may not
 * be built with; in one sequence, MADV_FREE and what takes pages that were freed so, MADV_PAGEOUT
 * and mmkit's giving back of tables.
 */
#include "generate.h"

#include "files.h"
#include "possible.h"
#include "window.h"

#include <mmkit/limit.h>
#include <string.h>

#define EACH(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t next_random(struct generator *generator)
{
    uint64_t z = generator->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Choices of a fuzzer are small, so that each of its bytes matters. => `size` of them, or random */
static uint64_t next_bytes(struct generator *generator, size_t size)
{
    uint64_t value = 0;

    if (generator->left < size) {
        generator->left = 0;
        return next_random(generator);
    }
    generator->left -= size;
    while (size-- > 0)
        value = value << 8 | *generator->bytes++;
    return value;
}

static uint64_t next(struct generator *generator)
{
    return generator->left > 0 ? next_bytes(generator, 2) * 0x100010001u : next_random(generator);
}

static uint64_t below(struct generator *generator, uint64_t limit)
{
    if (generator->left > 0)
        return next_bytes(generator, limit <= 256 ? 1 : 2) % limit;
    return next_random(generator) % limit;
}

static bool one_in(struct generator *generator, unsigned n)
{
    return below(generator, n) == 0;
}

uint64_t generate_seed(uint64_t seed, uint64_t number)
{
    struct generator generator = {.state = seed};

    generator.state = next_random(&generator) ^ number * 0xd6e8feb86659fd93u;
    return next_random(&generator);
}

/* ---- arguments ------------------------------------------------------------------------------- */

/*
 * A page of an island, or, now and then, as far above one as stacks keep from what is below them.
 * Some are favoured: there ranges begin and end.
 */
static uint64_t page(struct generator *generator)
{
    static const uint8_t favoured[] = {0, 4, 8, 12, 15, 16, 17, 20, 24, 31};
    uint64_t which = below(generator, 128), from = islands[which % ISLANDS];

    if (generator->huge && one_in(generator, 6))
        return (from & ~(2 * MIB - 1)) + below(generator, 2) * 2 * MIB;
    if (which >= 128 - ISLANDS)
        from += STACK_GAP;
    if (one_in(generator, 2))
        return from + favoured[below(generator, EACH(favoured))] * PAGE;
    return from + below(generator, ISLAND_PAGES) * PAGE;
}

static uint64_t edge_address(struct generator *generator)
{
    static const uint64_t edges[] = {
        0,
        PAGE,
        0x8000,
        WINDOW_START,
        WINDOW_END - PAGE,
        WINDOW_END,
        ADDRESS_END - PAGE,
        ADDRESS_END,
        (uint64_t)1 << 47,
        (uint64_t)1 << 63,
        0 - PAGE,
        WINDOW_END - 1,
        ADDRESS_END - 1,
        ADDRESS_END + 1,
        0 - PAGE - 1,
    };

    return edges[below(generator, EACH(edges))];
}

static uint64_t address(struct generator *generator)
{
    if (one_in(generator, 50))
        return edge_address(generator);
    if (one_in(generator, 50))
        return page(generator) + below(generator, PAGE);
    return page(generator);
}

static uint64_t any_length(struct generator *generator)
{
    static const uint64_t odd[] = {
        0,
        1,
        PAGE - 1,
        PAGE + 1,
        2 * MIB,
        2 * MIB + 4 * PAGE,
        GIB,
        GIB + 2 * MIB,
        8 * MIB,
        (uint64_t)1 << 46,
        1ul << 47,
        1ul << 63,
        0 - PAGE,
        UINT64_MAX,
        0 - WINDOW_MIDDLE,
        ADDRESS_END - WINDOW_MIDDLE,
    };

    if (generator->huge && one_in(generator, 8))
        return (1 + below(generator, 2)) * 2 * MIB;
    if (one_in(generator, 25))
        return odd[below(generator, EACH(odd))];
    if (one_in(generator, 25))
        return below(generator, 8) * PAGE + below(generator, PAGE);
    if (one_in(generator, 4))
        return (1 + below(generator, ISLAND_PAGES)) * PAGE;
    return (1 + below(generator, 6)) * PAGE;
}

static uint64_t length(struct generator *generator)
{
    uint64_t bytes = any_length(generator);

    return generator->locks_all && bytes > LOCKED_MOST / 2 && bytes < ADDRESS_END ? 2 * MIB : bytes;
}

static uint64_t protection(struct generator *generator)
{
    static const uint8_t usual[] = {
        MMK_PROT_READ | MMK_PROT_WRITE,
        MMK_PROT_READ | MMK_PROT_WRITE,
        MMK_PROT_READ,
        MMK_PROT_NONE,
        MMK_PROT_READ | MMK_PROT_WRITE | MMK_PROT_EXEC,
    };

    if (one_in(generator, 3))
        return below(generator, 8);
    return usual[below(generator, EACH(usual))];
}

/* One in so many is opened for less than everything. */
static uint64_t some_file(struct generator *generator, unsigned restricted)
{
    static const uint8_t usual[] = {0, 1, FILE_STORED, FILE_DISK};

    return one_in(generator, restricted) ? below(generator, FILES)
                                         : usual[below(generator, EACH(usual))];
}

static uint64_t file_offset(struct generator *generator)
{
    if (generator->huge_files && one_in(generator, 3))
        return below(generator, 3) * 2 * MIB;
    if (one_in(generator, 60))
        return next(generator) << (below(generator, 2) * 12);
    if (one_in(generator, 30))
        return below(generator, 64) * PAGE + below(generator, PAGE);
    return below(generator, 24) * PAGE;
}

/* Its first byte is an instruction that is safe to run, and so is the one in the middle. */
static uint64_t word(struct generator *generator)
{
    return (next(generator) & 0xffffff00ffffff00) | 0xc3000000c3;
}

static uint64_t word_offset(struct generator *generator)
{
    static const uint16_t offsets[] = {0, 2040, 2048, 4088, 0, 4088, 4092, 16};

    return offsets[below(generator, EACH(offsets))];
}

static uint64_t word_address(struct generator *generator)
{
    if (one_in(generator, 100))
        return edge_address(generator);
    return page(generator) + word_offset(generator);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static uint64_t map_flags(struct generator *generator)
{
    static const unsigned rare[] = {
        MMK_MAP_32BIT,      MMK_MAP_ABOVE4G,   MMK_MAP_GROWSDOWN, MMK_MAP_DENYWRITE,
        MMK_MAP_EXECUTABLE, MMK_MAP_LOCKED,    MMK_MAP_NORESERVE, MMK_MAP_POPULATE,
        MMK_MAP_NONBLOCK,   MMK_MAP_STACK,     MMK_MAP_SYNC,      MMK_MAP_FIXED_NOREPLACE,
        MMK_MAP_POPULATE,   MMK_MAP_GROWSDOWN, MMK_MAP_LOCKED,
    };
    static const unsigned types[] = {MMK_MAP_PRIVATE, MMK_MAP_PRIVATE, MMK_MAP_SHARED};
    uint64_t flags = types[below(generator, EACH(types))];

    if (one_in(generator, 40))
        flags = below(generator, 8); /* DROPPABLE is not: 8 */
    if (!one_in(generator, 3))
        flags |= MMK_MAP_ANONYMOUS;
    if (!one_in(generator, 5))
        flags |= MMK_MAP_FIXED;
    while (one_in(generator, 4))
        flags |= rare[below(generator, EACH(rare))];
    return flags;
}

static void fill_mmap(struct generator *generator, uint64_t *args)
{
    args[2] = protection(generator);
    args[3] = map_flags(generator);
    args[4] = FILE_NONE;
    if ((args[3] & MMK_MAP_ANONYMOUS) == 0 || one_in(generator, 20)) {
        args[4] = some_file(generator, 2);
        args[5] = file_offset(generator);
    }
    if (generator->huge_files && one_in(generator, args[4] == FILE_NONE ? 6 : 2)) {
        args[0] &= ~(2 * MIB - 1);
        args[1] = (1 + below(generator, 2)) * 2 * MIB;
    }
    if (args[4] == FILE_STORED || args[4] == FILE_DISK)
        args[3] &= ~(uint64_t)MMK_MAP_SYNC; /* which a disk's file system refuses, last of all */
    if ((args[3] & MMK_MAP_FIXED) == 0 && one_in(generator, 2))
        args[0] = 0;
}

static void fill_mremap(struct generator *generator, uint64_t *args)
{
    args[2] = one_in(generator, 3) ? args[1] : length(generator);
    args[3] = MMK_MREMAP_MAYMOVE;
    if (one_in(generator, 2))
        args[3] |= MMK_MREMAP_FIXED;
    if (one_in(generator, 5))
        args[3] |= MMK_MREMAP_DONTUNMAP;
    if (args[3] & MMK_MREMAP_DONTUNMAP && !one_in(generator, 10))
        args[2] = args[1];
    if (one_in(generator, 5))
        args[3] = below(generator, 16);
    args[4] = address(generator);
}

static uint64_t advice(struct generator *generator)
{
    static const uint8_t often[] = {
        MMK_MADV_DONTNEED,       MMK_MADV_REMOVE,          MMK_MADV_FREE,
        MMK_MADV_DONTFORK,       MMK_MADV_WIPEONFORK,      MMK_MADV_POPULATE_READ,
        MMK_MADV_POPULATE_WRITE, MMK_MADV_DONTNEED_LOCKED, MMK_MADV_GUARD_INSTALL,
        MMK_MADV_GUARD_REMOVE,   MMK_MADV_DOFORK,          MMK_MADV_KEEPONFORK,
    };
    const struct flag_name *all = argument_names(ARG_ADVICE);
    unsigned count;
    uint64_t value;

    for (count = 0; all[count].name; count++)
        ;
    value = one_in(generator, 3) ? all[below(generator, count)].value
                                 : often[below(generator, EACH(often))];
    if (one_in(generator, 60))
        value = 200 + below(generator, 100); /* no advice at all */
    if (value == MMK_MADV_FREE && generator->reclaims)
        return MMK_MADV_PAGEOUT;
    if (value == MMK_MADV_PAGEOUT && !generator->reclaims)
        return MMK_MADV_FREE;
    return value;
}

static uint64_t hint(struct generator *generator)
{
    if (one_in(generator, 2))
        return MMK_MADV_COLD;
    return one_in(generator, 2) && generator->reclaims ? MMK_MADV_PAGEOUT : MMK_MADV_WILLNEED;
}

/* Of others only hints are allowed, to some. */
static void fill_process_madvise(struct generator *generator, struct op *op)
{
    uint64_t *args = op->args;

    args[2] = address(generator);
    args[3] = length(generator);
    if (args[3] % (3 * PAGE) == 0)
        args[3] = 0; /* then not even the address matters */
    args[4] = advice(generator);
    args[5] = op->process;
    if (one_in(generator, 12)) {
        args[5] = WHOM_NOBODY + below(generator, WHOMS - WHOM_NOBODY);
    } else if (one_in(generator, 2)) {
        args[5] = below(generator, generator->processes);
        if (args[5] != op->process && !one_in(generator, 4))
            args[4] = hint(generator);
    }
}

static void fill_limit(struct generator *generator, uint64_t *args)
{
    args[0] = below(generator, MMK_LIMITS);
    args[1] = below(generator, 64) * PAGE;
    if (args[1] % (7 * PAGE) == PAGE)
        args[1] += PAGE / 2; /* of no use, as a part of a page */
    if (args[0] != MMK_LIMIT_MEMLOCK && !one_in(generator, 3))
        args[1] = 4 * GIB; /* as good as none */
    if (generator->locks_all && one_in(generator, 3)) {
        args[0] = MMK_LIMIT_MEMLOCK;
        args[1] = MMK_LIMIT_INFINITY;
    }
}

/* Half of them are those few that are written, cut and punched again and again. */
static uint64_t file_page(struct generator *generator)
{
    static const uint8_t favoured[] = {0, 1, 3, 6};
    uint64_t which = below(generator, 240);

    if (generator->huge_files && one_in(generator, 2))
        return (1 + below(generator, 2)) * 2 * MIB / PAGE + which % 24;

    return which < 120 ? which % 24 : favoured[which % EACH(favoured)];
}

/*
 * The stored file ends with a page, always: to zero a part of one mmkit reads it in, and to write
 * one back it zeros what is beyond the end, as file systems on disks do; the file on Linux is none
 * of these.
 */
static void fill_file(struct generator *generator, struct op *op)
{
    bool in_parts = (op->args[0] = some_file(generator, 10)) != FILE_STORED;

    op->args[1] = file_page(generator) * PAGE;
    op->args[2] = 0;
    if (op->call == CALL_TRUNCATE && in_parts && one_in(generator, 2))
        op->args[1] += 2044;
    if (op->call == CALL_PWRITE) {
        op->args[1] += in_parts ? word_offset(generator) : PAGE - sizeof(uint64_t);
        op->args[2] = word(generator);
    }
    if (op->call == CALL_PUNCH) {
        op->args[2] = length(generator);
        if (!in_parts)
            op->args[2] &= ~(PAGE - 1);
        else if (one_in(generator, 2))
            op->args[1] += below(generator, PAGE);
    }
}

static uint64_t brk_address(struct generator *generator)
{
    uint64_t addr;

    if (one_in(generator, 8))
        return address(generator);
    addr = HEAP_START + below(generator, 20 * PAGE);
    return addr % 4 ? addr : addr & ~(PAGE - 1);
}

/* Another process, if there may be one more. => false: there may not */
static bool fill_fork(struct generator *generator, struct op *op)
{
    unsigned child;

    for (child = 1; child < generator->processes; child++)
        if (!generator->alive[child])
            break;
    if (child >= generator->processes)
        return false;
    op->args[0] = child;
    generator->alive[child] = true;
    return true;
}

static bool fill_exit(struct generator *generator, struct op *op)
{
    generator->alive[op->process] = op->process == 0;
    return op->process > 0;
}

static uint64_t some_bits(struct generator *generator, unsigned known)
{
    return below(generator, one_in(generator, 10) ? 4 * known : known);
}

/* Calls with a range and something else, or nothing. */
static void fill_third(struct generator *generator, struct op *op)
{
    switch (op->call) {
    case CALL_MPROTECT:
        op->args[2] = protection(generator);
        break;
    case CALL_MADVISE:
        op->args[2] = advice(generator);
        break;
    case CALL_MLOCK2:
        op->args[2] = some_bits(generator, 2);
        /* fall through */
    case CALL_MLOCK:
    case CALL_MUNLOCK:
        if (generator->locks_all && one_in(generator, 6)) {
            op->args[0] = WINDOW_START;
            op->args[1] = WINDOW_END - WINDOW_START;
        }
        break;
    case CALL_MLOCKALL:
        op->args[0] = some_bits(generator, 8);
        break;
    case CALL_MSYNC:
        op->args[2] = some_bits(generator, 8);
        break;
    case CALL_MSEAL:
        op->args[2] = one_in(generator, 20);
        break;
    default:
        break;
    }
}

/* => false: not now */
static bool fill(struct generator *generator, struct op *op)
{
    uint64_t *args = op->args;

    args[0] = address(generator);
    args[1] = length(generator);
    switch (op->call) {
    case CALL_MMAP:
        fill_mmap(generator, args);
        return true;
    case CALL_MREMAP:
        fill_mremap(generator, args);
        return true;
    case CALL_BRK:
        args[0] = brk_address(generator);
        return true;
    case CALL_FORK:
        return fill_fork(generator, op);
    case CALL_EXIT:
        return fill_exit(generator, op);
    case CALL_WRITE:
        args[1] = word(generator);
        args[0] = word_address(generator);
        return true;
    case CALL_READ:
        args[0] = word_address(generator);
        return true;
    case CALL_EXEC:
        args[0] = page(generator);
        return true;
    case CALL_COPY_IN:
    case CALL_COPY_OUT:
        args[0] = word_address(generator);
        args[1] = one_in(generator, 4) ? length(generator) : below(generator, 3 * PAGE);
        return true;
    case CALL_DEBUG:
        args[0] = word_address(generator);
        args[1] = one_in(generator, 2) ? 8 : below(generator, 3 * PAGE);
        args[2] = below(generator, 2);
        return true;
    case CALL_SWEEP:
        args[0] = page(generator);
        args[1] = (1 + below(generator, ISLAND_PAGES)) * PAGE;
        return true;
    case CALL_TRUNCATE:
    case CALL_PUNCH:
    case CALL_PWRITE:
        fill_file(generator, op);
        return true;
    case CALL_LIMIT:
        fill_limit(generator, args);
        return true;
    case CALL_PRIVILEGE:
        args[0] = !one_in(generator, 4);
        return generator->locks_all;
    case CALL_MDWE:
        args[0] = some_bits(generator, 4);
        return generator->is_strict;
    case CALL_PROCESS_MADVISE:
        fill_process_madvise(generator, op);
        return true;
    default:
        fill_third(generator, op);
        return true;
    }
}

/* ---- which call ------------------------------------------------------------------------------ */

static const uint8_t weights[CALLS] = {
    [CALL_MMAP] = 90,     [CALL_MUNMAP] = 30,
    [CALL_MPROTECT] = 60, [CALL_MREMAP] = 60,
    [CALL_MADVISE] = 80,  [CALL_MLOCK] = 8,
    [CALL_MLOCK2] = 8,    [CALL_MUNLOCK] = 15,
    [CALL_MLOCKALL] = 2,  [CALL_MUNLOCKALL] = 4,
    [CALL_MINCORE] = 10,  [CALL_MSYNC] = 8,
    [CALL_MSEAL] = 1,     [CALL_BRK] = 15,
    [CALL_FORK] = 10,     [CALL_EXIT] = 5,
    [CALL_READ] = 50,     [CALL_WRITE] = 90,
    [CALL_EXEC] = 20,     [CALL_SWEEP] = 15,
    [CALL_TRUNCATE] = 12, [CALL_PUNCH] = 8,
    [CALL_PWRITE] = 12,   [CALL_PRIVILEGE] = 6,
    [CALL_MDWE] = 3,      [CALL_PROCESS_MADVISE] = 15,
    [CALL_COPY_IN] = 15,  [CALL_COPY_OUT] = 15,
    [CALL_LIMIT] = 6,     [CALL_DEBUG] = 20,
};

static unsigned weight(const struct generator *generator, unsigned call)
{
    bool locks = call == CALL_MLOCKALL || call == CALL_LIMIT;

    if ((call == CALL_DEBUG || call == CALL_GIVE_BACK) && generator->bytes)
        return 0; /* inputs that fuzzers keep go on meaning what they did */
    if (call == CALL_GIVE_BACK)
        return generator->reclaims ? 20 : 0;
    if (call == CALL_MSEAL && generator->seals)
        return 10;
    return locks && generator->locks_all ? 12 : weights[call];
}

static uint8_t pick_call(struct generator *generator)
{
    unsigned total = 0, call;
    uint64_t at;

    for (call = 0; call < CALLS; call++)
        if (generator->allowed & 1u << call)
            total += weight(generator, call);
    at = below(generator, total);
    for (call = 0;; call++) {
        if ((generator->allowed & 1u << call) == 0)
            continue;
        if (at < weight(generator, call))
            return (uint8_t)call;
        at -= weight(generator, call);
    }
}

static uint8_t pick_process(struct generator *generator)
{
    unsigned process;

    do {
        process = (unsigned)below(generator, generator->processes);
    } while (!generator->alive[process]);
    return (uint8_t)process;
}

#define BIT(call) ((uint32_t)1 << CALL_##call)

/* Calls that some sequences have. */
static const uint32_t special = BIT(PRIVILEGE) | BIT(MDWE) | BIT(GIVE_BACK);

bool generate_can(uint32_t allowed)
{
    const uint32_t lives = BIT(FORK) | BIT(EXIT);

    return (allowed & ~(lives | BIT(CROWD))) != 0 || (allowed & lives) == lives;
}

void generate_begin(struct generator *generator, uint64_t seed, uint32_t allowed,
                    unsigned processes)
{
    *generator = (struct generator){
        .state = seed, .allowed = allowed, .processes = processes, .alive = {true}};
    generator->reclaims = one_in(generator, 4);
    generator->is_strict = one_in(generator, 6);
    generator->locks_all = one_in(generator, 4);
    generator->seals = one_in(generator, 8) || generator->is_strict;
    if (!generate_can(allowed & ~special))
        generator->locks_all = generator->is_strict = generator->reclaims = true;
}

void generate(struct generator *generator, struct op *op)
{
    do {
        memset(op, 0, sizeof(*op));
        op->call = pick_call(generator);
        op->process = pick_process(generator);
    } while (!fill(generator, op) || !op_is_possible(op));
}
