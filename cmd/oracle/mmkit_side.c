/* SPDX-License-Identifier: MIT */
/* mmkit_side.c - see mmkit_side.h: the life of address spaces, and the calls. */
#include "mmkit_side.h"

#include "files.h"
#include "possible.h"
#include "store.h"

#include <error.h>
#include <machine.h>
#include <machine_swap.h>
#include <mmkit/huge.h>
#include <mmkit/port/directmap.h>
#include <string.h>
#include <sys/mman.h>

/* More than the window: what Linux refuses of it is not for want of memory. */
#define MEMORY (GIB + 512 * MIB)

/* What a first write maps at once where there is no room for a larger page: likewise. */
#define BLOCK (64 << 10)

/* Tables that are looked at, to have larger pages take their places: with --huge. */
#define COLLAPSED_MOST 64

/* What MADV_PAGEOUT takes goes there; Linux here may have no swap: nobody may notice. */
#define SWAP_SLOTS 4096

static struct machine_swap *swap_device;
static struct mmk_swap_area *swap;
static struct mmk_mm *spaces[PROCESSES], *loaded;
static struct mmk_mm *kernel; /* the files, for those who write without mapping */
static struct mmk_object *objects[FILES], *beyond;
static uint64_t base_virt; /* mapped beyond the window */
static uint64_t free_at_start, lowest;
static enum mmk_huge_policy huge;
static bool may_advise; /* others */
static bool may_lock;   /* whatever they want */
static uint64_t memlock_max;

/* process_madvise(2) takes so much at a time: MAX_RW_COUNT of Linux. */
#define RANGES_BYTES_MAX (((uint64_t)1 << 31) - PAGE)

#define KERNEL_FILE(file) (WINDOW_START + (file)*64 * MIB)

/* ---- the machine ----------------------------------------------------------------------------- */

void mmkit_side_set_huge(enum mmk_huge_policy policy)
{
    huge = policy;
}

bool mmkit_side_has_huge(void)
{
    return huge != MMK_HUGE_NEVER;
}

/* A slot's own memory stays once it was used: so that frames are as many after each sequence. */
static bool use_all_slots(void)
{
    const unsigned flags = MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_FIXED;
    const uint64_t bytes = SWAP_SLOTS * PAGE;
    struct mmk_mm *mm;
    bool used;

    if (mmk_mm_create(&mm) != 0)
        return false;
    used = mmk_mmap(mm, WINDOW_START, bytes, MMK_PROT_READ | MMK_PROT_WRITE, flags, NULL, 0) > 0 &&
           mmk_madvise(mm, WINDOW_START, bytes, MMK_MADV_POPULATE_WRITE) == 0 &&
           mmk_madvise(mm, WINDOW_START, bytes, MMK_MADV_PAGEOUT) == 0;
    mmk_mm_put(mm);
    return used;
}

bool mmkit_side_create(const struct linux_constants *constants)
{
    struct machine_config config = {.memory = MEMORY, .cpus = 1, .mmkit = MMK_CONFIG_DEFAULT};

    lowest = constants->mmap_min_addr;
    config.mmkit.huge = huge;
    config.mmkit.huge_shared = mmkit_side_has_huge();
    config.mmkit.anon_block = BLOCK;
    may_advise = constants->may_advise;
    may_lock = constants->may_lock;
    memlock_max = constants->memlock_max;
    config.mmkit.mmap_min_addr = lowest;
    config.mmkit.max_map_count = (unsigned)constants->max_map_count;
    config.mmkit.overcommit = (enum mmk_overcommit)constants->overcommit;
    if (mmk_map_window() != ADDRESS_END || mmk_address_end() != ADDRESS_END) {
        error(0, 0, "this page-table format has other addresses than Linux here");
        return false;
    }
    if (machine_create(&config) != 0) {
        error(0, 0, "no memory for the machine");
        return false;
    }
    /* processes on Linux are to have little of their own, as they may lock all of it */
    madvise((void *)machine_ram_base, MEMORY, MADV_DONTFORK);
    machine_cpu_attach(0);
    swap_device = machine_swap_memory(SWAP_SLOTS);
    if (!swap_device || mmk_swapon(&machine_swap_ops, swap_device, SWAP_SLOTS, 0, &swap) != 0) {
        error(0, 0, "no memory for swap");
        return false;
    }
    if (!use_all_slots()) {
        error(0, 0, "mmkit does not swap");
        return false;
    }
    return true;
}

static uint64_t free_frames(void)
{
    struct mmk_stats stats;

    mmk_drain();
    mmk_stats_read(&stats);
    return stats.frames_free;
}

static void load(struct mmk_mm *mm)
{
    if (loaded != mm)
        machine_switch_mm(mm);
    loaded = mm;
}

/* ---- episodes -------------------------------------------------------------------------------- */

/* Pieces of one object that do not follow each other: each stays a mapping. */
static bool take(struct mmk_mm *mm, uint64_t start, uint64_t length)
{
    return mmk_mmap(mm, start, length, MMK_PROT_NONE, MMK_MAP_SHARED | MMK_MAP_FIXED, beyond, 0) ==
               (int64_t)start &&
           mmk_mseal(mm, start, length, 0) == 0;
}

static bool take_beyond(struct mmk_mm *mm, uint64_t base_count)
{
    uint64_t pieces = ADDRESS_END - (base_count - 2) * PAGE, at;
    struct mmk_mm_stats stats;

    if (!take(mm, lowest, WINDOW_START - lowest) || !take(mm, WINDOW_END, pieces - WINDOW_END))
        return false;
    for (at = pieces; at < ADDRESS_END; at += PAGE)
        if (!take(mm, at, PAGE))
            return false;
    mmk_mm_stats(mm, &stats);
    base_virt = stats.virt_bytes;
    return true;
}

static bool fill_first(void)
{
    uint64_t i, word;

    for (i = 0; i < FILE_FILLED / sizeof(word); i++) {
        word = file_word(i);
        if (mmk_mm_write(kernel, KERNEL_FILE(0) + i * sizeof(word), &word, sizeof(word),
                         MMK_MM_ALLOWED) != sizeof(word))
            return false;
    }
    return true;
}

/* One of them, mapped by the kernel. */
static bool create_file(unsigned i)
{
    if (mmk_object_create(store_of(i) ? &store_ops : NULL, files[i].size, store_of(i),
                          &objects[i]) != 0)
        return false;
    if (mmkit_side_has_huge())
        mmk_object_offer_huge(objects[i]);
    return mmk_mmap(kernel, KERNEL_FILE(i), 64 * MIB, MMK_PROT_READ | MMK_PROT_WRITE,
                    MMK_MAP_SHARED | MMK_MAP_FIXED, objects[i], 0) >= 0;
}

static bool create_files(void)
{
    unsigned i;

    if (mmk_object_create(NULL, 0, NULL, &beyond) != 0 || mmk_mm_create(&kernel) != 0)
        return false;
    for (i = 0; i < FILES; i++) {
        if (files[i].same_as != i) {
            objects[i] = objects[files[i].same_as];
            continue;
        }
        if (!create_file(i))
            return false;
    }
    return fill_first();
}

bool mmkit_side_start(uint64_t base_count)
{
    store_clear_all();
    free_at_start = free_frames();
    return create_files() && mmk_mm_create(&spaces[0]) == 0 && take_beyond(spaces[0], base_count) &&
           mmk_set_limit(spaces[0], MMK_LIMIT_MEMLOCK, FIRST_MEMLOCK) == 0 &&
           mmk_set_limit(spaces[0], MMK_LIMIT_STACK, FIRST_STACK) == 0 &&
           mmk_set_brk(spaces[0], HEAP_START) == 0;
}

static void end(unsigned process)
{
    if (!spaces[process])
        return;
    load(NULL);
    mmk_mm_put(spaces[process]);
    spaces[process] = NULL;
}

bool mmkit_side_stop(void)
{
    struct mmk_swap_stats stats;
    unsigned i;

    for (i = 0; i < PROCESSES; i++)
        end(i);
    load(NULL);
    mmk_mm_put(kernel);
    mmk_object_put(beyond);
    for (i = 0; i < FILES; i++)
        if (files[i].same_as == i)
            mmk_object_put(objects[i]);
    mmk_swap_check();
    mmk_swap_stats(swap, &stats);
    return free_frames() == free_at_start && stats.used == 0;
}

bool mmkit_side_has(unsigned process)
{
    return spaces[process] != NULL;
}

void mmkit_side_check(unsigned process)
{
    mmk_check(spaces[process]);
}

/* ---- accesses -------------------------------------------------------------------------------- */

static enum access tell(enum mmk_fault_result result)
{
    switch (result) {
    case MMK_FAULT_DONE:
        return ACCESS_DONE;
    case MMK_FAULT_SEGV_MAPERR:
        return ACCESS_MAPERR;
    case MMK_FAULT_SEGV_ACCERR:
        return ACCESS_ACCERR;
    case MMK_FAULT_BUS:
        return ACCESS_BUS;
    default:
        return ACCESS_OTHER;
    }
}

static void do_sweep(const struct op *op, struct outcome *outcome)
{
    unsigned i;

    outcome->pages = (unsigned)((op->args[1] + PAGE - 1) / PAGE);
    for (i = 0; i < outcome->pages; i++) {
        outcome->words[i] = 0;
        outcome->page[i] =
            (uint8_t)tell(machine_load(op->args[0] + i * PAGE, &outcome->words[i], 8));
    }
}

/* All of it or nothing, as on hardware: what is across two pages must be possible on both. */
static enum access store(struct mmk_mm *mm, uint64_t addr, const uint64_t *word)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;

    if ((addr ^ (addr + 7)) & MMK_PAGE_MASK) {
        do {
            result = mmk_fault(mm, addr, MMK_ACCESS_WRITE);
            if (result == MMK_FAULT_DONE)
                result = mmk_fault(mm, addr + 7, MMK_ACCESS_WRITE);
        } while (result == MMK_FAULT_RETRY);
    }
    return tell(result == MMK_FAULT_DONE ? machine_store(addr, word, 8) : result);
}

static void do_access(const struct op *op, struct outcome *outcome)
{
    uint64_t addr = op->args[0];

    load(spaces[op->process]);
    if (op->call == CALL_SWEEP)
        do_sweep(op, outcome);
    else if (op->call == CALL_READ)
        outcome->access = tell(machine_load(addr, &outcome->word, 8));
    else if (op->call == CALL_WRITE)
        outcome->access = store(spaces[op->process], addr, &op->args[1]);
    else
        outcome->access = tell(machine_fetch(addr));
    if (outcome->access != ACCESS_DONE)
        outcome->word = 0; /* a part of it may have come */
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int64_t do_mmap(struct mmk_mm *mm, const struct op *op, uint64_t chosen)
{
    const uint64_t *args = op->args;
    unsigned file = args[4] < FILES ? (unsigned)args[4] : 0;
    bool anonymous = (args[3] & MMK_MAP_ANONYMOUS) != 0;

    return mmk_mmap_file(mm, chosen ? chosen : args[0], args[1], (unsigned)args[2],
                         (unsigned)args[3], anonymous ? NULL : objects[file], args[5],
                         anonymous ? MMK_OPEN_ALL : files[file].mode);
}

/* Linux has moved it: then it cannot have been possible in its place, nor is it here. */
static int64_t do_mremap(struct mmk_mm *mm, const struct op *op, uint64_t chosen)
{
    const uint64_t *args = op->args;
    unsigned flags = (unsigned)args[3];
    int64_t in_place;

    if (!chosen)
        return mmk_mremap(mm, args[0], args[1], args[2], flags, args[4]);
    if ((flags & MMK_MREMAP_DONTUNMAP) == 0) {
        in_place = mmk_mremap(mm, args[0], args[1], args[2], flags & ~MMK_MREMAP_MAYMOVE, 0);
        if (in_place >= 0)
            return in_place;
    }
    return mmk_mremap(mm, args[0], args[1], args[2], flags | MMK_MREMAP_FIXED, chosen);
}

static int64_t do_mincore(struct mmk_mm *mm, const struct op *op, struct outcome *outcome)
{
    static uint8_t vector[(WINDOW_END - WINDOW_START) / PAGE + 1];
    uint64_t pages = (op->args[1] + PAGE - 1) / PAGE;

    outcome->pages = (unsigned)(pages < sizeof(outcome->page) ? pages : sizeof(outcome->page));
    memset(vector, 2, outcome->pages);
    outcome->result = mmk_mincore(mm, op->args[0], op->args[1], vector);
    memcpy(outcome->page, vector, outcome->pages);
    return outcome->result;
}

static int64_t do_limit(struct mmk_mm *mm, const struct op *op)
{
    uint64_t base = op->args[0] == MMK_LIMIT_AS ? base_virt : 0;

    if (op->args[0] == MMK_LIMIT_MEMLOCK && op->args[1] > memlock_max)
        return MMK_EINVAL; /* beyond the hard limit, which is a kernel's to know */
    return mmk_set_limit(mm, (enum mmk_limit)op->args[0], base + op->args[1]);
}

/* Before a file on a disk grows, what was stored beyond its end goes. */
static int64_t resize(uint64_t file, uint64_t size)
{
    struct mmk_object *object = objects[file];
    int64_t error = 0;

    if (file == FILE_DISK && size > mmk_object_size(object))
        error = mmk_object_resize(object, mmk_object_size(object));
    return error ? error : mmk_object_resize(object, size);
}

/* pwrite(2): beyond the end the file grows first. */
static int64_t do_pwrite(const struct op *op)
{
    struct mmk_object *object = objects[op->args[0]];
    unsigned file = files[op->args[0]].same_as;
    uint64_t end = op->args[1] + 8;
    int64_t error;

    if (end > mmk_object_size(object)) {
        error = resize(op->args[0], end);
        if (error)
            return error;
    }
    return (int64_t)mmk_mm_write(kernel, KERNEL_FILE(file) + op->args[1], &op->args[2], 8,
                                 MMK_MM_ALLOWED);
}

/* The store forgets, too: before the object does, which may read the last page in again. */
static int64_t do_truncate(const struct op *op)
{
    struct store *store = store_of((unsigned)op->args[0]);
    int64_t error = resize(op->args[0], op->args[1]);

    if (!error && store)
        store_zero(store, op->args[1], FILE_MAX);
    return error;
}

static int64_t do_file(const struct op *op)
{
    unsigned mode = files[op->args[0]].mode;

    if (op->call == CALL_TRUNCATE)
        return mode & MMK_OPEN_WRITE ? do_truncate(op) : MMK_EINVAL;
    if (op->call == CALL_PUNCH && (op->args[2] == 0 || (int64_t)op->args[2] < 0))
        return MMK_EINVAL;
    if ((mode & MMK_OPEN_WRITE) == 0)
        return -9; /* EBADF, which is not mmkit's to say */
    if (op->call == CALL_PWRITE)
        return do_pwrite(op);
    return mmk_object_punch_hole(objects[op->args[0]], op->args[1], op->args[2]);
}

static int64_t do_lock(struct mmk_mm *mm, const struct op *op)
{
    const uint64_t *args = op->args;

    switch (op->call) {
    case CALL_MLOCK:
        return mmk_mlock(mm, args[0], args[1]);
    case CALL_MLOCK2:
        return mmk_mlock2(mm, args[0], args[1], (unsigned)args[2]);
    case CALL_MUNLOCK:
        return mmk_munlock(mm, args[0], args[1]);
    case CALL_MLOCKALL:
        return mmk_mlockall(mm, (unsigned)args[0]);
    default:
        return mmk_munlockall(mm);
    }
}

/* The second time, also what was used before the first. */
void mmkit_side_give_back(unsigned process)
{
    (void)mmk_shrink_tables(spaces[process], UINT64_MAX);
    (void)mmk_shrink_tables(spaces[process], UINT64_MAX);
    (void)mmk_collapse(spaces[process], COLLAPSED_MOST);
}

/* Page by page, no two alike. */
static int64_t do_crowd(struct mmk_mm *mm, const struct op *op)
{
    const unsigned flags = MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_FIXED;
    uint64_t at = op->args[0], left = op->args[1];
    unsigned prot = MMK_PROT_NONE;

    for (; at < WINDOW_END; at += PAGE, prot ^= MMK_PROT_READ)
        if (mmk_mmap(mm, at, PAGE, prot, flags, NULL, 0) < 0)
            break;
    for (; left > 0 && at > op->args[0]; left--, at -= PAGE)
        if (mmk_munmap(mm, at - PAGE, PAGE) != 0)
            break;
    return (int64_t)((at - op->args[0]) / PAGE);
}

/* Which ranges, whose, and whether one may is a kernel's to look at. */
static int64_t do_process_madvise(struct mmk_mm *mm, const struct op *op)
{
    uint64_t whom = op->args[5], all = RANGES_BYTES_MAX;
    struct mmk_iovec ranges[RANGES_MAX] = {{op->args[0], mmk_min(op->args[1], all)},
                                           {op->args[2], op->args[3]}};
    struct mmk_mm *target = whom < PROCESSES ? spaces[whom] : mm;
    int advice = (int)op->args[4];
    int64_t error = 0;

    ranges[1].length = mmk_min(ranges[1].length, all - ranges[0].length);
    if (whom == WHOM_FLAGGED || whom == WHOM_TOO_MANY)
        return MMK_EINVAL;
    if (whom == WHOM_NOBODY)
        return -9; /* EBADF */
    if (!target)
        return -3; /* ESRCH */
    if (target != mm)
        error = mmk_madvise_vector(target, NULL, 0, advice, true);
    if (target != mm && !error && !may_advise)
        error = MMK_EPERM;
    return error ? error
                 : mmk_madvise_vector(target, ranges, whom == WHOM_MANY ? RANGES_MAX : 2, advice,
                                      target != mm);
}

/* As system calls do: the bytes before one that cannot be copied, or the error. */
static void do_copy(struct mmk_mm *mm, const struct op *op, struct outcome *outcome)
{
    static uint8_t bytes[COPY_MAX];
    uint64_t length = op->args[1], left;

    load(mm);
    memset(bytes, COPY_BYTE, length);
    left = op->call == CALL_COPY_IN ? mmk_copy_from_user(mm, bytes, op->args[0], length)
                                    : mmk_copy_to_user(mm, op->args[0], bytes, length);
    outcome->result = length > 0 && left == length ? MMK_EFAULT : (int64_t)(length - left);
    if (op->call == CALL_COPY_IN && outcome->result > 0)
        outcome->word = hash_bytes(bytes, length - left);
}

/* As /proc/PID/mem: what the program may not is forced. */
static void do_debug(struct mmk_mm *mm, const struct op *op, struct outcome *outcome)
{
    static uint8_t bytes[COPY_MAX];
    uint64_t addr = op->args[0];
    size_t length = op->args[1], done;

    memset(bytes, COPY_BYTE, length);
    done = op->args[2] ? mmk_mm_write(mm, addr, bytes, length, MMK_MM_FORCE)
                       : mmk_mm_read(mm, addr, bytes, length, MMK_MM_FORCE);
    outcome->result = done > 0 ? (int64_t)done : -5; /* EIO */
    if (!op->args[2] && done > 0)
        outcome->word = hash_bytes(bytes, done);
}

static int64_t do_call(struct mmk_mm *mm, const struct op *op, uint64_t chosen)
{
    const uint64_t *args = op->args;

    switch (op->call) {
    case CALL_MMAP:
        return do_mmap(mm, op, chosen);
    case CALL_MUNMAP:
        return mmk_munmap(mm, args[0], args[1]);
    case CALL_MPROTECT:
        return mmk_mprotect(mm, args[0], args[1], (unsigned)args[2]);
    case CALL_MREMAP:
        return do_mremap(mm, op, chosen);
    case CALL_MADVISE:
        return mmk_madvise(mm, args[0], args[1], (int)args[2]);
    case CALL_MSYNC:
        return mmk_msync(mm, args[0], args[1], (unsigned)args[2]);
    case CALL_MSEAL:
        return mmk_mseal(mm, args[0], args[1], (unsigned)args[2]);
    case CALL_BRK:
        return (int64_t)mmk_brk(mm, args[0]);
    case CALL_FORK:
        return mmk_fork(mm, &spaces[args[0]]);
    case CALL_GIVE_BACK:
        mmkit_side_give_back(op->process);
        return 0;
    case CALL_EXIT:
        end(op->process);
        return 0;
    case CALL_LIMIT:
        return do_limit(mm, op);
    case CALL_CROWD:
        return do_crowd(mm, op);
    case CALL_PRIVILEGE:
        if (args[0] && !may_lock)
            return MMK_EPERM;
        mmk_set_lock_privilege(mm, args[0] != 0);
        return 0;
    case CALL_MDWE:
        return mmk_set_mdwe(mm, (unsigned)args[0]);
    case CALL_PROCESS_MADVISE:
        return do_process_madvise(mm, op);
    case CALL_TRUNCATE:
    case CALL_PUNCH:
    case CALL_PWRITE:
        return do_file(op);
    default:
        return do_lock(mm, op);
    }
}

void mmkit_side_do(const struct op *op, uint64_t chosen, struct outcome *outcome)
{
    struct mmk_mm *mm = spaces[op->process];

    outcome->result = 0;
    outcome->pages = 0;
    outcome->word = 0;
    outcome->access = ACCESS_DONE;
    if (op->call >= CALL_READ && op->call <= CALL_SWEEP)
        do_access(op, outcome);
    else if (op->call == CALL_COPY_IN || op->call == CALL_COPY_OUT)
        do_copy(mm, op, outcome);
    else if (op->call == CALL_DEBUG)
        do_debug(mm, op, outcome);
    else if (op->call == CALL_MINCORE)
        do_mincore(mm, op, outcome);
    else
        outcome->result = do_call(mm, op, chosen);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int note_mapping(const struct mmk_mapping *mapping, void *argument)
{
    static const struct {
        unsigned from, to;
    } flags[] = {
        {MMK_MAPPING_SHARED, MAPPING_SHARED},       {MMK_MAPPING_LOCKED, MAPPING_LOCKED},
        {MMK_MAPPING_ONFAULT, MAPPING_ONFAULT},     {MMK_MAPPING_GROWSDOWN, MAPPING_GROWSDOWN},
        {MMK_MAPPING_NORESERVE, MAPPING_NORESERVE}, {MMK_MAPPING_SEALED, MAPPING_SEALED},
        {MMK_MAPPING_DONTFORK, MAPPING_DONTFORK},   {MMK_MAPPING_WIPEONFORK, MAPPING_WIPEONFORK},
    };
    struct observation *seen = argument;
    struct mapping *to = &seen->mapping[seen->mappings];
    unsigned i;

    if (seen->mappings == MAPPINGS_MAX)
        return 1;
    seen->mappings++;
    *to = (struct mapping){.start = mapping->start,
                           .end = mapping->end,
                           .object = (uint64_t)(uintptr_t)mapping->object,
                           .offset = mapping->offset,
                           .prot = mapping->prot};
    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (mapping->flags & flags[i].from)
            to->flags |= flags[i].to;
    return 0;
}

static void look_at_page(struct mmk_mm *mm, struct observation *seen, unsigned page)
{
    static uint64_t words[PAGE / sizeof(uint64_t)];
    uint8_t in_core;
    unsigned i;

    seen->page[page] = 0;
    if (mmk_mincore(mm, island_page(page), PAGE, &in_core) != 0)
        return;
    seen->page[page] = (uint8_t)(PAGE_KNOWN | (in_core ? PAGE_IN_CORE : 0));
    if (mmk_copy_from_user_nofault(mm, words, island_page(page), PAGE) != 0)
        return;
    seen->page[page] |= PAGE_READABLE;
    for (i = 0; i < WORDS; i++)
        seen->words[page][i] = words[word_offsets[i] / sizeof(uint64_t)];
    seen->hash[page] = 0;
    for (i = 0; i < PAGE / sizeof(uint64_t) && seen->full; i++)
        seen->hash[page] = hash_word(seen->hash[page], words[i]);
}

void mmkit_side_look(unsigned process, struct observation *seen, bool full)
{
    struct mmk_mm *mm = spaces[process];
    struct mmk_mm_stats stats;
    unsigned i;

    load(mm);
    seen->full = full;
    seen->mappings = 0;
    if (mmk_for_each_mapping(mm, WINDOW_START, WINDOW_END, note_mapping, seen) != 0)
        seen->mappings = MAPPINGS_MAX;
    for (i = 0; i < ISLANDS_PAGES; i++)
        look_at_page(mm, seen, i);
    mmk_mm_stats(mm, &stats);
    seen->anonymous = stats.rss_anon + stats.swapped; /* Linux here swaps nothing */
    seen->sizes = (struct sizes){.virt = stats.virt_bytes - base_virt,
                                 .data = stats.data_bytes,
                                 .stack = stats.stack_bytes,
                                 .locked = stats.locked_bytes};
}

uint64_t mmkit_side_file_size(unsigned file)
{
    return mmk_object_size(objects[file]);
}

unsigned mmkit_side_file(uint64_t object)
{
    unsigned i;

    for (i = 0; i < FILES; i++)
        if ((uint64_t)(uintptr_t)objects[i] == object)
            break;
    return i;
}
