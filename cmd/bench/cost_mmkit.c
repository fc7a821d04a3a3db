/* SPDX-License-Identifier: MIT */
/*
 * cost_mmkit.c - mmkit's side of cost.h: one CPU of the machine, whose memory and swap space are
 * there before the clock starts. Swap is copied to and fro, and a file is made of memory as well.
 */
#include "cost.h"

#include <machine.h>
#include <mmkit/stats.h>
#include <mmkit/swap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LENGTH ((uint64_t)COST_PAGES * MMK_PAGE_SIZE)

static struct {
    struct mmk_mm *mm;
    struct mmk_object *file;
    struct mmk_swap_area *area;
    mmk_vaddr_t anon, mapped; /* private memory; the file, of the mixed pages */
    char *slots;
    const struct cost_content *content;
} own;

static int swap_read(void *device, uint64_t slot, void *const page[], unsigned count)
{
    unsigned i;

    (void)device;
    for (i = 0; i < count; i++)
        memcpy(page[i], own.slots + (slot + i) * MMK_PAGE_SIZE, MMK_PAGE_SIZE);
    return 0;
}

static int swap_write(void *device, uint64_t slot, const void *const page[], unsigned count)
{
    unsigned i;

    (void)device;
    for (i = 0; i < count; i++)
        memcpy(own.slots + (slot + i) * MMK_PAGE_SIZE, page[i], MMK_PAGE_SIZE);
    return 0;
}

static const struct mmk_swap_ops swap_ops = {.read = swap_read, .write = swap_write};

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memcpy(page, own.content->mixed[index], MMK_PAGE_SIZE);
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = read_page};

static bool complain(const char *what)
{
    fprintf(stderr, "mmkit bench: %s\n", what);
    return false;
}

/* Memory of the host's that is there already. */
static char *host_pages(uint64_t length)
{
    void *pages = mmap(NULL, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

static bool map_all(void)
{
    int64_t anon, mapped;

    if (mmk_swapon(&swap_ops, NULL, 2 * COST_PAGES, 0, &own.area) != 0 ||
        mmk_object_create(&file_ops, LENGTH, NULL, &own.file) != 0 || mmk_mm_create(&own.mm) != 0)
        return false;
    anon = mmk_mmap(own.mm, 0, LENGTH, MMK_PROT_READ | MMK_PROT_WRITE,
                    MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS, NULL, 0);
    mapped = mmk_mmap(own.mm, 0, LENGTH, MMK_PROT_READ, MMK_MAP_PRIVATE, own.file, 0);
    if (anon < 0 || mapped < 0)
        return false;
    own.anon = (mmk_vaddr_t)anon;
    own.mapped = (mmk_vaddr_t)mapped;
    machine_switch_mm(own.mm);
    return true;
}

bool cost_fits(void)
{
    return machine_format.user_bits > 30;
}

bool cost_mmkit_begin(const struct cost_content *content)
{
    struct machine_config config = {.memory = 8 * LENGTH, /* twice what is needed, and more */
                                    .cpus = 1,
                                    .populate = true,
                                    .mmkit = MMK_CONFIG_DEFAULT};

    own.content = content;
    own.slots = host_pages(2 * LENGTH);
    if (own.slots == NULL || machine_create(&config) != 0)
        return complain("the host lacks memory");
    machine_cpu_attach(0);
    return map_all() || complain("the machine lacks memory");
}

void cost_mmkit_end(void)
{
    machine_switch_mm(NULL);
    mmk_mm_put(own.mm);
    mmk_object_put(own.file);
    if (mmk_swapoff(own.area) != 0)
        complain("swap space is in use at the end");
    machine_cpu_detach();
    machine_destroy();
    munmap(own.slots, 2 * LENGTH);
}

/* => ns a page; below 0: it has failed */
static double advise(mmk_vaddr_t addr, int advice)
{
    double start = figure_now();
    int error = mmk_madvise(own.mm, addr, LENGTH, advice);

    return error ? -1 : (figure_now() - start) / COST_PAGES;
}

static double touch(void)
{
    double start = figure_now();
    uint64_t i;

    for (i = 0; i < COST_PAGES; i++)
        if (mmk_fault(own.mm, own.anon + i * MMK_PAGE_SIZE, MMK_ACCESS_READ) != MMK_FAULT_DONE)
            return -1;
    return (figure_now() - start) / COST_PAGES;
}

static bool write_all(uint64_t (*content)[COST_PAGE_WORDS])
{
    uint64_t i;

    for (i = 0; i < COST_PAGES; i++)
        if (machine_store(own.anon + i * MMK_PAGE_SIZE, content[i], MMK_PAGE_SIZE) !=
            MMK_FAULT_DONE)
            return false;
    return true;
}

static bool is_whole(mmk_vaddr_t addr, uint64_t (*content)[COST_PAGE_WORDS])
{
    uint64_t words[COST_PAGE_WORDS], i;

    for (i = 0; i < COST_PAGES; i++)
        if (machine_load(addr + i * MMK_PAGE_SIZE, words, MMK_PAGE_SIZE) != MMK_FAULT_DONE ||
            memcmp(words, content[i], MMK_PAGE_SIZE) != 0)
            return false;
    return true;
}

/* All of it must go, or a page's cost would be too small. */
static bool page_out(mmk_vaddr_t addr, double *ns)
{
    struct mmk_mm_stats stats;

    *ns = advise(addr, MMK_MADV_PAGEOUT);
    mmk_mm_stats(own.mm, &stats);
    return *ns >= 0 && (addr == own.anon ? stats.rss_anon : stats.rss_file) == 0;
}

/* Out and in. => false: something has failed */
static bool there_and_back(uint64_t (*content)[COST_PAGE_WORDS], double *out, double *in)
{
    if (!write_all(content) || !page_out(own.anon, out))
        return false;
    *in = advise(own.anon, MMK_MADV_POPULATE_READ);
    return *in >= 0 && is_whole(own.anon, content);
}

static uint64_t swapped_out(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.swap_out;
}

static bool private_pages(struct cost_round *round)
{
    double *ns = round->ns;
    uint64_t before;

    if (!there_and_back(own.content->mixed, &ns[COST_OUT_MIXED], &ns[COST_IN_MIXED]) ||
        !there_and_back(own.content->plain, &ns[COST_OUT_WRITTEN], &ns[COST_IN]))
        return false;
    before = swapped_out();
    if (!page_out(own.anon, &ns[COST_OUT_CLEAN]))
        return false;
    round->written = swapped_out() - before;
    ns[COST_IN_TOUCHED] = touch();
    return ns[COST_IN_TOUCHED] >= 0 && is_whole(own.anon, own.content->plain);
}

static bool file_pages(struct cost_round *round)
{
    double *ns = round->ns;

    if (advise(own.mapped, MMK_MADV_POPULATE_READ) < 0 || !page_out(own.mapped, &ns[COST_FILE_OUT]))
        return false;
    ns[COST_FILE_IN] = advise(own.mapped, MMK_MADV_POPULATE_READ);
    return ns[COST_FILE_IN] >= 0 && is_whole(own.mapped, own.content->mixed);
}

/* Of pages that no cache has, as in the writing of all of them. */
static double measure_copy(void)
{
    double start = figure_now();
    uint64_t i;

    for (i = 0; i < COST_PAGES; i++)
        memcpy(own.slots + i * MMK_PAGE_SIZE, own.content->mixed[i], MMK_PAGE_SIZE);
    return (figure_now() - start) / COST_PAGES;
}

bool cost_mmkit_round(struct cost_round *round)
{
    *round = (struct cost_round){.written = 0};
    if (private_pages(round) && file_pages(round)) {
        round->copy_ns = measure_copy(); /* the last: it leaves nothing in the slots as it was */
        return true;
    }
    return complain("mmkit's pages do not go, or do not come back as they were");
}
