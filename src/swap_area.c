/* SPDX-License-Identifier: MIT */
/*
 * swap_area.c - owns areas of swap space: which there are, which slots are free, what a slot keeps.
 *
 *   areas[n] --> area --> root --> node (512 pointers) ... --> frame of three clusters
 *
 * The nodes are there from the beginning, the frames of clusters as slots are wanted: an area may
 * be much larger than what is ever in it. Slots are wanted when memory is short, so the next frame
 * is at hand before that (`spare`), and the one after it is taken from what is freed by way of it:
 * 192 pages.
 *
 * Invariants (mmk_swap_area_check):
 *   SA1 A slot's word is 0 exactly while it is free or out of use (bad), or on its way there.
 *   SA2 A cluster is in the list of whole ones if all its slots are free, in that of partial ones
 *       if some are, in none if none is; one that is to be discarded first is in that of stale
 *       ones, or, while that is done, has no free slot.
 *   SA3 `free` and `bad` of an area are the sums of its clusters' bits.
 *   SA4 counted_on is the sum of the slots of the areas that are not stopped.
 *   SA5 The first `made` frames are there, until the area goes; slots of the others are free.
 *
 * A word changes by one atomic operation, without a lock: whoever takes it to 0 has the slot to
 * himself, and gives it back under the area's lock. The next one gets it from there.
 *
 * Locks: the list of areas, then one area's. Slots are freed under table locks: both are spin locks
 * near the innermost.
 *
 * Rejected:
 * - Looking for a word that is 0 (Linux, long ago): a scan, and slots of one process strewn about.
 * - A lock a cluster, and each CPU its own (Linux today): a slot is an I/O, or a page compressed.
 * - An index tree for the swap cache: that needs memory just when pages go out. The slot has a word
 *   for its owner; while the page is in memory, that is the page, which knows the owner.
 */
#include "swap_area.h"

#include "frame.h"
#include "list.h"
#include "planted.h"
#include "slab.h"
#include "waiting.h"

#include <mmkit/stats.h>

#define PER_FRAME 3 /* clusters */
#define NODE_BITS 9 /* pointers in a frame of the directory */

_Static_assert(PER_FRAME * sizeof(struct mmk_swap_cluster) <= MMK_PAGE_SIZE,
               "clusters fit into a frame");

struct mmk_swap_area {
    struct mmk_spinlock lock;
    unsigned number;                            /* c */
    int priority;                               /* c */
    const struct mmk_swap_ops *ops;             /* c */
    void *device;                               /* c */
    uint64_t slots;                             /* c */
    struct mmk_a64 free, bad;                   /* A to write */
    struct mmk_list whole, partial, stale;      /* A: SA2 */
    struct mmk_swap_cluster *cpu[MMK_MAX_CPUS]; /* A: where its next page goes; NULL: anywhere */
    void *root;                                 /* c: highest node; as levels 0: the only frame */
    unsigned levels;                            /* c: of nodes above the frames of clusters */
    uint32_t frames;                            /* c: of clusters, in all */
    struct mmk_a32 made;                        /* A to write: SA5 */
    struct mmk_aptr spare;                      /* A to write: the next, all zero; NULL: none */
    struct mmk_a32 stopped;                     /* S to write, a: gives out none */
    struct mmk_a32 given;                       /* a: raised by puts, once it is stopped */
    struct mmk_list link;                       /* S */
    struct mmk_rcu_head rcu;                    /* whoever removes it */
};

static struct mmk_slab_cache area_cache;
static struct mmk_spinlock areas_lock;        /* S */
static struct mmk_list by_priority;           /* S: highest first */
static int least;                             /* S: priority of the last that got a default one */
static struct mmk_aptr areas[MMK_SWAP_AREAS]; /* S to write; whoever uses a slot of it reads */
static struct mmk_a64 counted_on;             /* S to write: slots of areas that are not stopped */
static struct mmk_a64 pages_in, pages_out;    /* a */

void mmk_swap_module_init(void)
{
    unsigned i;

    mmk_slab_cache_init(&area_cache, "swap_area", sizeof(struct mmk_swap_area));
    mmk_spin_init(&areas_lock);
    mmk_list_init(&by_priority);
    least = -1;
    for (i = 0; i < MMK_SWAP_AREAS; i++)
        mmk_aptr_store(&areas[i], NULL, MMK_RELAXED);
    mmk_a64_store(&counted_on, 0, MMK_RELAXED);
    mmk_a64_store(&pages_in, 0, MMK_RELAXED);
    mmk_a64_store(&pages_out, 0, MMK_RELAXED);
}

/* --- where a slot is ------------------------------------------------------------------------- */

static uint64_t clusters_of(const struct mmk_swap_area *area)
{
    return (area->slots + MMK_SWAP_CLUSTER - 1) / MMK_SWAP_CLUSTER;
}

/* => the frame is made: who knows a slot of it has got to know that after it was */
static struct mmk_swap_cluster *cluster_at(const struct mmk_swap_area *area, uint32_t number)
{
    uint32_t frame = number / PER_FRAME;
    unsigned level = area->levels;
    void *node = area->root;

    while (level-- > 0)
        node = ((void **)node)[frame >> (level * NODE_BITS) & ((1u << NODE_BITS) - 1)];
    return (struct mmk_swap_cluster *)node + number % PER_FRAME;
}

/* How many slots the frames have that are made. => area's lock held, or nothing else runs */
static uint64_t slots_made(const struct mmk_swap_area *area)
{
    return mmk_min(area->slots,
                   (uint64_t)mmk_a32_load(&area->made, MMK_RELAXED) * PER_FRAME * MMK_SWAP_CLUSTER);
}

static struct mmk_swap_area *area_of(uint64_t slot)
{
    return (struct mmk_swap_area *)mmk_aptr_load(&areas[mmk_slot_area(slot)], MMK_RELAXED);
}

static struct mmk_swap_cluster *cluster_of(uint64_t slot)
{
    return cluster_at(area_of(slot), (uint32_t)(mmk_slot_offset(slot) / MMK_SWAP_CLUSTER));
}

struct mmk_a32 *mmk_slot_word(uint64_t slot)
{
    return &cluster_of(slot)->word[slot % MMK_SWAP_CLUSTER];
}

struct mmk_aptr *mmk_slot_owner(uint64_t slot)
{
    return &cluster_of(slot)->owner[slot % MMK_SWAP_CLUSTER];
}

uint64_t *mmk_slot_index(uint64_t slot)
{
    return &cluster_of(slot)->index[slot % MMK_SWAP_CLUSTER];
}

/* --- an area's clusters ---------------------------------------------------------------------- */

/* The bits of a cluster's slots: the last one of an area may have fewer. */
static uint64_t all_of(const struct mmk_swap_area *area, const struct mmk_swap_cluster *cluster)
{
    uint64_t left = area->slots - (uint64_t)cluster->number * MMK_SWAP_CLUSTER;

    return left >= MMK_SWAP_CLUSTER ? UINT64_MAX : ((uint64_t)1 << left) - 1;
}

/* SA3, SA4. => the lock held that writing takes */
static void add(struct mmk_a64 *sum, uint64_t delta)
{
    mmk_a64_store(sum, mmk_a64_load(sum, MMK_RELAXED) + delta, MMK_RELAXED);
}

/* SA2, after a bit has changed. => area's lock held */
static void relist(struct mmk_swap_area *area, struct mmk_swap_cluster *cluster)
{
    bool whole = (cluster->free | cluster->bad) == all_of(area, cluster);

    mmk_list_del(&cluster->link);
    if (cluster->free == 0)
        mmk_list_init(&cluster->link);
    else if (!whole)
        mmk_list_add_tail(&area->partial, &cluster->link);
    else
        mmk_list_add_tail(cluster->stale ? &area->stale : &area->whole, &cluster->link);
}

static unsigned count_bits(uint64_t bits)
{
    unsigned count = 0;

    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

static unsigned lowest_bit(uint64_t bits)
{
    return count_bits((bits & (0 - bits)) - 1);
}

static struct mmk_swap_cluster *first_of(struct mmk_list *list)
{
    return mmk_list_empty(list) ? NULL : mmk_list_entry(list->next, struct mmk_swap_cluster, link);
}

/* A cluster that is to be discarded first leaves the lists, as if its slots were in use. */
static struct mmk_swap_cluster *claim_stale(struct mmk_swap_area *area)
{
    struct mmk_swap_cluster *cluster = first_of(&area->stale);

    if (!cluster)
        return NULL;
    add(&area->free, 0 - (uint64_t)count_bits(cluster->free));
    cluster->free = 0;
    relist(area, cluster);
    return cluster;
}

static void init_cluster(struct mmk_swap_area *area, uint32_t number)
{
    struct mmk_swap_cluster *cluster = cluster_at(area, number);

    cluster->number = number;
    cluster->free = all_of(area, cluster);
    mmk_list_init(&cluster->link);
    relist(area, cluster);
}

/* Where the directory has a frame of clusters. */
static void **link_of(struct mmk_swap_area *area, uint32_t frame)
{
    unsigned level = area->levels;
    void **link = &area->root;

    while (level-- > 0)
        link = (void **)*link + (frame >> (level * NODE_BITS) & ((1u << NODE_BITS) - 1));
    return link;
}

static bool wants_spare(const struct mmk_swap_area *area)
{
    return !mmk_aptr_load(&area->spare, MMK_RELAXED) &&
           mmk_a32_load(&area->made, MMK_RELAXED) < area->frames;
}

/* Three more clusters, whole ones. => area's lock held; false: no memory, or all are made */
static bool make_frame(struct mmk_swap_area *area)
{
    uint32_t made = mmk_a32_load(&area->made, MMK_RELAXED), i;
    void *spare = mmk_aptr_load(&area->spare, MMK_RELAXED);

    if (!spare)
        return false;
    *link_of(area, made) = spare;
    mmk_aptr_store(&area->spare, NULL, MMK_RELAXED);
    mmk_a32_store(&area->made, made + 1, MMK_RELAXED);
    for (i = made * PER_FRAME; i < (made + 1) * PER_FRAME && i < clusters_of(area); i++)
        init_cluster(area, i);
    return true;
}

/* What lies together is worth memory, as long as what there is is used, for the most part. */
static bool is_worth_a_frame(const struct mmk_swap_area *area)
{
    uint64_t made = slots_made(area), free = mmk_a64_load(&area->free, MMK_RELAXED);

    return (free - (area->slots - made)) * 2 <= made;
}

/* => area's lock held */
static struct mmk_swap_cluster *next_cluster(struct mmk_swap_area *area)
{
    struct mmk_swap_cluster *found = first_of(&area->whole);

    if (!found && is_worth_a_frame(area) && make_frame(area))
        found = first_of(&area->whole);
    if (!found)
        found = first_of(&area->partial);
    if (!found && make_frame(area))
        found = first_of(&area->whole);
    return found;
}

/* Where this CPU's next page goes; NULL: nowhere. *stale: one that should be discarded, or NULL */
static struct mmk_swap_cluster *choose_cluster(struct mmk_swap_area *area,
                                               struct mmk_swap_cluster **stale)
{
    struct mmk_swap_cluster **own = &area->cpu[mmk_cpu_id()];

    if (*own && (*own)->free != 0 && !(*own)->stale)
        return *own;
    *stale = claim_stale(area);
    *own = next_cluster(area);
    return *own;
}

/* => area's lock held; the cluster has a free slot */
static uint64_t take_slot(struct mmk_swap_area *area, struct mmk_swap_cluster *cluster, void *owner,
                          uint64_t index)
{
    bool cached = ((uintptr_t)owner & MMK_SLOT_OWNER) == MMK_SLOT_CACHED;
    unsigned bit = lowest_bit(cluster->free);

    cluster->free &= ~((uint64_t)1 << bit);
    add(&area->free, UINT64_MAX);
    relist(area, cluster);
    mmk_assert(mmk_a32_load(&cluster->word[bit], MMK_RELAXED) == 0, "SA1 a free slot is nobody's");
    cluster->index[bit] = index;
    mmk_aptr_store(&cluster->owner[bit], owner, MMK_RELAXED);
    /* Release: who looks at all slots, or at neighbours, finds whose it is. */
    mmk_a32_store(&cluster->word[bit], cached ? MMK_SLOT_IN_CACHE | 1 : 1, MMK_RELEASE);
    return (uint64_t)area->number << MMK_SLOT_AREA_AT |
           ((uint64_t)cluster->number * MMK_SWAP_CLUSTER + bit);
}

/* The opposite of take_slot(), with the word 0. => the area may be gone afterwards */
static void give_slot(struct mmk_swap_area *area, struct mmk_swap_cluster *cluster, unsigned bit,
                      bool bad)
{
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    *(bad ? &cluster->bad : &cluster->free) |= (uint64_t)1 << bit;
    add(bad ? &area->bad : &area->free, 1);
    if (cluster->written && (cluster->free | cluster->bad) == all_of(area, cluster))
        cluster->stale = 1;
    relist(area, cluster);
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
}

static bool is_stopped(const struct mmk_swap_area *area)
{
    return mmk_a32_load(&area->stopped, MMK_RELAXED) != 0;
}

/* => false: no memory */
static bool add_spare(struct mmk_swap_area *area, unsigned flags)
{
    struct mmk_page *page = mmk_page_alloc(0, flags | MMK_ALLOC_ZERO | MMK_ALLOC_STAYS);
    bool wanted;

    if (!page)
        return false;
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    wanted = wants_spare(area) || MMK_MISTAKE(SPARE_TWICE);
    if (wanted)
        mmk_aptr_store(&area->spare, mmk_page_virt(page), MMK_RELAXED);
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
    if (!wanted)
        mmk_page_put(page);
    return true;
}

bool mmk_swap_area_refill(void)
{
    struct mmk_swap_area *area = NULL;
    bool any = false;

    mmk_rcu_read_lock();
    while ((area = mmk_swap_area_next(area))) {
        if (is_stopped(area))
            continue;
        if (mmk_aptr_load(&area->spare, MMK_RELAXED)) /* by now, perhaps */
            any = true;
        else if (wants_spare(area))
            any = add_spare(area, MMK_ALLOC_NOWAIT | MMK_ALLOC_NORECLAIM) || any;
    }
    mmk_rcu_read_unlock();
    return any;
}

/*
 * Whoever swaps the area off may wait for this: he has been at the slot before us, or else finds
 * what we have left. If before, `stopped` has come to us with his put of the slot, or with the
 * area's lock. Relaxed: he who knows of `given` raised was not before us, for the same reason.
 */
static void tell_stopper(struct mmk_swap_area *area)
{
    if (!is_stopped(area))
        return;
    mmk_a32_fetch_add(&area->given, 1, MMK_RELAXED);
    mmk_host_wake(&area->given, UINT32_MAX);
}

bool mmk_slot_stopped(uint64_t slot)
{
    return is_stopped(area_of(slot));
}

/* Nobody gets a slot of the cluster meanwhile; then it is like new. */
static void discard_cluster(struct mmk_swap_area *area, struct mmk_swap_cluster *cluster)
{
    uint64_t all = all_of(area, cluster);

    area->ops->discard(area->device, (uint64_t)cluster->number * MMK_SWAP_CLUSTER, count_bits(all));
    mmk_rcu_read_lock(); /* keeps the area */
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    cluster->stale = cluster->written = 0;
    cluster->free = all & ~cluster->bad;
    add(&area->free, count_bits(cluster->free));
    relist(area, cluster);
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
    tell_stopper(area);
    mmk_rcu_read_unlock();
}

/* --- slots ----------------------------------------------------------------------------------- */

struct request {
    void *owner;
    uint64_t index, slot;
    bool full;                      /* the slot was the last of its cluster */
    struct mmk_swap_area *area;     /* where it is, or what is to be discarded */
    struct mmk_swap_cluster *stale; /* that is to be; NULL: nothing */
};

/* => true: the slot is one of the area's */
static bool alloc_in(struct mmk_swap_area *area, struct request *request)
{
    struct mmk_swap_cluster *cluster;

    request->area = area;
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    cluster = choose_cluster(area, &request->stale);
    if (cluster) {
        request->slot = take_slot(area, cluster, request->owner, request->index);
        request->full = cluster->free == 0;
    }
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
    return cluster != NULL;
}

static struct mmk_swap_area *of_link(struct mmk_list *link)
{
    return mmk_list_entry(link, struct mmk_swap_area, link);
}

/* Behind those of the same priority, if there are any. => areas_lock held */
static void take_turns(struct mmk_swap_area *area)
{
    struct mmk_list *at = area->link.next;

    while (at != &by_priority && of_link(at)->priority == area->priority)
        at = at->next;
    mmk_list_del(&area->link);
    mmk_list_add(at->prev, &area->link);
}

/* => as mmk_slot_alloc(); request->stale: this is to be discarded now */
static bool try_alloc(struct request *request)
{
    bool found = false;
    struct mmk_list *at;

    request->full = false;
    request->stale = NULL;
    mmk_spin_lock(&areas_lock, MMK_LOCK_SWAP);
    for (at = by_priority.next; at != &by_priority && !found && !request->stale; at = at->next)
        if (!is_stopped(of_link(at)))
            found = alloc_in(of_link(at), request);
    if (request->full)
        take_turns(request->area);
    mmk_spin_unlock(&areas_lock, MMK_LOCK_SWAP);
    return found;
}

bool mmk_slot_alloc(void *owner, uint64_t index, uint64_t *slot)
{
    struct request request = {.owner = owner, .index = index};
    bool found;

    do {
        found = try_alloc(&request);
        if (request.stale)
            discard_cluster(request.area, request.stale);
    } while (!found && (request.stale || mmk_swap_area_refill()));
    if (found && wants_spare(request.area))
        (void)add_spare(request.area, MMK_ALLOC_NOWAIT | MMK_ALLOC_NORECLAIM);
    *slot = request.slot;
    return found;
}

void mmk_slot_get(uint64_t slot)
{
    mmk_a32_fetch_add(mmk_slot_word(slot), 1, MMK_RELAXED);
}

/* One more, if the word has any of `bits` set already. Acquire: what was said of its owner. */
static bool get_if(uint64_t slot, uint32_t bits)
{
    struct mmk_a32 *word = mmk_slot_word(slot);
    uint32_t seen = mmk_a32_load(word, MMK_RELAXED);

    while ((seen & bits) != 0)
        if (mmk_a32_cmpxchg(word, &seen, seen + 1, MMK_ACQUIRE))
            return true;
    return false;
}

bool mmk_slot_get_neighbour(uint64_t slot)
{
    return mmk_slot_offset(slot) < area_of(slot)->slots && get_if(slot, MMK_SLOT_REFS);
}

/* Nobody has it, nor gets it: by the caller's doing. => the area stays meanwhile (RCU) */
static void free_slot(struct mmk_swap_area *area, struct mmk_swap_cluster *cluster, unsigned bit,
                      bool bad)
{
    char *owner = mmk_aptr_load(&cluster->owner[bit], MMK_RELAXED);
    uintptr_t kind = (uintptr_t)owner & MMK_SLOT_OWNER;

    mmk_assert(kind != MMK_SLOT_CACHED, "SC1 a page is cached as long as its slot says so");
    if (owner && kind == MMK_SLOT_KIN)
        mmk_kin_forget_orphan((struct mmk_kin *)(void *)owner);
    mmk_aptr_store(&cluster->owner[bit], NULL, MMK_RELAXED);
    mmk_a32_store(&cluster->word[bit], 0, MMK_RELAXED);
    give_slot(area, cluster, bit, bad);
    tell_stopper(area);
}

/* Release, acquire: what others have done with the slot is over when it is freed. */
bool mmk_slot_put(uint64_t slot)
{
    struct mmk_swap_cluster *cluster = cluster_of(slot);
    unsigned bit = (unsigned)(slot % MMK_SWAP_CLUSTER);
    struct mmk_swap_area *area = area_of(slot);
    uint32_t old;
    bool alone;

    mmk_rcu_read_lock();
    old = mmk_a32_fetch_sub(&cluster->word[bit], 1, MMK_ACQ_REL);
    mmk_assert((old & MMK_SLOT_REFS) != 0, "SA1 a slot is put once for each reference");
    alone = (old & ~MMK_SLOT_BAD) == (MMK_SLOT_IN_CACHE | 1);
    if ((old & ~MMK_SLOT_BAD) == 1)
        free_slot(area, cluster, bit, (old & MMK_SLOT_BAD) != 0);
    else if (alone)
        tell_stopper(area);
    mmk_rcu_read_unlock();
    return alone;
}

void mmk_slot_free(uint64_t slot)
{
    struct mmk_swap_cluster *cluster = cluster_of(slot);
    unsigned bit = (unsigned)(slot % MMK_SWAP_CLUSTER);
    struct mmk_swap_area *area = area_of(slot);
    uint32_t word = mmk_a32_load(&cluster->word[bit], MMK_RELAXED);

    mmk_assert((word & ~MMK_SLOT_BAD) == MMK_SLOT_GOING, "SA1 a slot is freed that is going");
    mmk_rcu_read_lock();
    free_slot(area, cluster, bit, (word & MMK_SLOT_BAD) != 0);
    mmk_rcu_read_unlock();
}

void mmk_slot_forget(uint64_t slot)
{
    mmk_aptr_store(mmk_slot_owner(slot), NULL, MMK_RELAXED);
    (void)mmk_slot_put(slot);
}

/* --- I/O ------------------------------------------------------------------------------------- */

int mmk_slot_read(uint64_t slot, struct mmk_page *const page[], unsigned count)
{
    const struct mmk_swap_area *area = area_of(slot);
    void *memory[MMK_SLOT_IO_MOST];
    unsigned i;
    int error;

    mmk_assert(count > 0 && count <= MMK_SLOT_IO_MOST, "swap: so many pages are read at once");
    for (i = 0; i < count; i++)
        memory[i] = mmk_page_virt(page[i]);
    error = area->ops->read(area->device, mmk_slot_offset(slot), memory, count);
    if (!error)
        mmk_a64_fetch_add(&pages_in, count, MMK_RELAXED);
    return error;
}

/* A cluster whose slots were only asked for, as of pages that had to stay, needs no discard. */
static void note_write(struct mmk_swap_area *area, uint64_t slot)
{
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    cluster_of(slot)->written = 1;
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
}

int mmk_slot_write(uint64_t slot, struct mmk_page *const page[], unsigned count)
{
    struct mmk_swap_area *area = area_of(slot);
    const void *memory[MMK_SLOT_IO_MOST];
    unsigned i;
    int error;

    mmk_assert(count > 0 && count <= MMK_SLOT_IO_MOST, "swap: so many pages are written at once");
    for (i = 0; i < count; i++) {
        memory[i] = mmk_page_virt(page[i]);
        if (MMK_FRAME_NOTES)
            mmk_note_written(mmk_page_phys(page[i]));
        if (area->ops->discard)
            note_write(area, slot + i);
    }
    error = area->ops->write(area->device, mmk_slot_offset(slot), memory, count);
    if (!error)
        mmk_a64_fetch_add(&pages_out, count, MMK_RELAXED);
    if (error == MMK_EIO && count == 1)
        mmk_a32_fetch_or(mmk_slot_word(slot), MMK_SLOT_BAD, MMK_RELAXED);
    return error;
}

/* --- areas ----------------------------------------------------------------------------------- */

static void free_nodes(void *node, unsigned levels)
{
    unsigned i;

    if (!node)
        return;
    for (i = 0; levels > 0 && i < 1u << NODE_BITS; i++)
        free_nodes(((void **)node)[i], levels - 1);
    mmk_page_put(mmk_virt_to_page(node));
}

static void *new_node(void)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_ZERO | MMK_ALLOC_STAYS);

    return page ? mmk_page_virt(page) : NULL;
}

/* The nodes above the frame of clusters number `frame`. => false: no memory */
static bool add_nodes_above(struct mmk_swap_area *area, uint32_t frame)
{
    unsigned level = area->levels;
    void **link = &area->root;

    while (level > 0) {
        if (!*link)
            *link = new_node();
        if (!*link)
            return false;
        level--;
        link = (void **)*link + (frame >> (level * NODE_BITS) & ((1u << NODE_BITS) - 1));
    }
    return true;
}

/* => 0 or MMK_ENOMEM, with what there is to be freed by free_area() */
static int add_directory(struct mmk_swap_area *area)
{
    uint64_t frame;

    area->frames = (uint32_t)((clusters_of(area) + PER_FRAME - 1) / PER_FRAME);
    while (area->frames - 1 >= (uint64_t)1 << (area->levels * NODE_BITS))
        area->levels++;
    for (frame = 0; frame < area->frames; frame += 1u << NODE_BITS)
        if (!add_nodes_above(area, (uint32_t)frame))
            return MMK_ENOMEM;
    return 0;
}

/* The first frame, so that little takes no more memory later, and the next. => as add_directory()
 */
static int add_first_frames(struct mmk_swap_area *area)
{
    if (!add_spare(area, MMK_ALLOC_NORMAL))
        return MMK_ENOMEM;
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    (void)make_frame(area);
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
    return !wants_spare(area) || add_spare(area, MMK_ALLOC_NORMAL) ? 0 : MMK_ENOMEM;
}

static void free_area(struct mmk_swap_area *area)
{
    void *spare = mmk_aptr_load(&area->spare, MMK_RELAXED);

    free_nodes(area->root, area->levels);
    if (spare)
        mmk_page_put(mmk_virt_to_page(spare));
    mmk_slab_free(&area_cache, area);
}

static struct mmk_swap_area *new_area(const struct mmk_swap_ops *ops, void *device, uint64_t slots)
{
    struct mmk_swap_area *area = mmk_slab_alloc(&area_cache, MMK_ALLOC_ZERO);

    if (!area)
        return NULL;
    mmk_spin_init(&area->lock);
    area->ops = ops;
    area->device = device;
    area->slots = slots;
    mmk_a64_store(&area->free, slots, MMK_RELAXED);
    mmk_list_init(&area->whole);
    mmk_list_init(&area->partial);
    mmk_list_init(&area->stale);
    if (!add_directory(area) && !add_first_frames(area))
        return area;
    free_area(area);
    return NULL;
}

/* Into the list, behind those of the same priority. => areas_lock held */
static void insert_by_priority(struct mmk_swap_area *area)
{
    struct mmk_list *at = by_priority.next;

    while (at != &by_priority && of_link(at)->priority >= area->priority)
        at = at->next;
    mmk_list_add(at->prev, &area->link);
}

/* Gives it a number, and lets others see it. => false: there is none left */
static bool publish(struct mmk_swap_area *area, int priority)
{
    unsigned number = 0;

    mmk_spin_lock(&areas_lock, MMK_LOCK_SWAP);
    while (number < MMK_SWAP_AREAS && mmk_aptr_load(&areas[number], MMK_RELAXED))
        number++;
    if (number < MMK_SWAP_AREAS) {
        area->number = number;
        area->priority = priority < 0 ? --least : priority;
        mmk_aptr_store(&areas[number], area, MMK_RELEASE);
        insert_by_priority(area);
        add(&counted_on, area->slots);
    }
    mmk_spin_unlock(&areas_lock, MMK_LOCK_SWAP);
    return number < MMK_SWAP_AREAS;
}

/* The directory: else all that can be reclaimed would be, for nothing. */
static bool may_fit(uint64_t slots)
{
    return slots / MMK_SWAP_CLUSTER / PER_FRAME >> NODE_BITS < mmk_frames_total();
}

int mmk_swapon(const struct mmk_swap_ops *ops, void *device, uint64_t slots, int priority,
               struct mmk_swap_area **area_out)
{
    struct mmk_swap_area *area;

    if (slots == 0 || slots > MMK_SWAP_SLOTS_MAX || priority > MMK_SWAP_PRIORITY_MAX)
        return MMK_EINVAL;
    if (!may_fit(slots))
        return MMK_ENOMEM;
    area = new_area(ops, device, slots);
    if (!area)
        return MMK_ENOMEM;
    if (ops->discard)
        ops->discard(device, 0, slots);
    if (!publish(area, priority)) {
        free_area(area);
        return MMK_EPERM;
    }
    *area_out = area;
    return 0;
}

/* => areas_lock held */
static void set_stopped(struct mmk_swap_area *area, bool stop)
{
    if (is_stopped(area) == stop)
        return;
    mmk_a32_store(&area->stopped, stop ? 1 : 0, MMK_RELAXED);
    add(&counted_on, stop ? 0 - area->slots : area->slots);
}

void mmk_swap_area_stop(struct mmk_swap_area *area, bool stop)
{
    mmk_spin_lock(&areas_lock, MMK_LOCK_SWAP);
    set_stopped(area, stop);
    mmk_spin_unlock(&areas_lock, MMK_LOCK_SWAP);
}

uint64_t mmk_swap_slots(void)
{
    return mmk_a64_load(&counted_on, MMK_RELAXED);
}

uint32_t mmk_swap_area_given(const struct mmk_swap_area *area)
{
    return mmk_a32_load(&area->given, MMK_RELAXED);
}

void mmk_swap_area_wait(struct mmk_swap_area *area, uint32_t given)
{
    mmk_host_wait(&area->given, given);
}

bool mmk_swap_area_used(struct mmk_swap_area *area)
{
    struct mmk_swap_stats stats;

    /* Under the lock: who has given the last one back has done with the area. */
    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT);
    mmk_swap_stats(area, &stats);
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
    return stats.used != 0;
}

/* What it has made of its clusters counts; the directory is little beside that. */
static uint64_t bytes_of(const struct mmk_swap_area *area)
{
    return sizeof(*area) + (uint64_t)mmk_a32_load(&area->made, MMK_RELAXED) * MMK_PAGE_SIZE;
}

static void free_area_rcu(struct mmk_rcu_head *head)
{
    char *start = (char *)head - offsetof(struct mmk_swap_area, rcu);
    struct mmk_swap_area *area = (struct mmk_swap_area *)(void *)start;
    uint64_t bytes = bytes_of(area);

    free_area(area);
    mmk_waiting_done(MMK_WAITING_OTHERS, bytes);
}

/* After a grace period: who has put a slot's last reference may still look at it. */
void mmk_swap_area_remove(struct mmk_swap_area *area)
{
    mmk_assert(!mmk_swap_area_used(area), "SA1 an area that goes has no slot in use");
    mmk_spin_lock(&areas_lock, MMK_LOCK_SWAP);
    set_stopped(area, true);
    mmk_list_del(&area->link);
    mmk_aptr_store(&areas[area->number], NULL, MMK_RELAXED);
    mmk_spin_unlock(&areas_lock, MMK_LOCK_SWAP);
    mmk_waiting_add(MMK_WAITING_OTHERS, bytes_of(area));
    if (MMK_MISTAKE(AREA_WITHOUT_GRACE))
        free_area_rcu(&area->rcu);
    else
        mmk_host_call_rcu(&area->rcu, free_area_rcu);
}

/* --- looking --------------------------------------------------------------------------------- */

struct mmk_swap_area *mmk_swap_area_next(const struct mmk_swap_area *area)
{
    unsigned i = area ? area->number + 1 : 0;
    struct mmk_swap_area *next = NULL;

    while (i < MMK_SWAP_AREAS && !next)
        next = (struct mmk_swap_area *)mmk_aptr_load(&areas[i++], MMK_ACQUIRE);
    return next;
}

int mmk_slot_for_each(struct mmk_swap_area *area, mmk_slot_visitor visit, void *arg)
{
    uint64_t slot = (uint64_t)area->number << MMK_SLOT_AREA_AT, end;
    int result = 0;

    mmk_spin_lock(&area->lock, MMK_LOCK_SLOT); /* then the frames are seen, too */
    end = slot + slots_made(area);
    mmk_spin_unlock(&area->lock, MMK_LOCK_SLOT);
    for (; slot < end && !result; slot++)
        if (get_if(slot, MMK_SLOT_REFS | MMK_SLOT_IN_CACHE))
            result = visit(slot, arg);
    return result;
}

void mmk_swap_stats(struct mmk_swap_area *area, struct mmk_swap_stats *stats)
{
    uint64_t free = mmk_a64_load(&area->free, MMK_RELAXED), others;

    stats->slots = area->slots;
    stats->bad = mmk_a64_load(&area->bad, MMK_RELAXED);
    others = free + stats->bad; /* of two moments: a slot may be in both */
    stats->used = others < area->slots ? area->slots - others : 0;
    stats->priority = area->priority;
}

void mmk_swap_area_stats(struct mmk_stats *stats)
{
    struct mmk_swap_area *area = NULL;
    struct mmk_swap_stats one;

    mmk_rcu_read_lock();
    while ((area = mmk_swap_area_next(area))) {
        mmk_swap_stats(area, &one);
        stats->swap_slots += one.slots;
        stats->swap_used += one.used;
        stats->swap_bad += one.bad;
    }
    mmk_rcu_read_unlock();
    stats->swap_in = mmk_a64_load(&pages_in, MMK_RELAXED);
    stats->swap_out = mmk_a64_load(&pages_out, MMK_RELAXED);
}

void mmk_swap_area_room(bool *any, bool *room)
{
    struct mmk_swap_area *area = NULL;

    *any = *room = false;
    mmk_rcu_read_lock();
    while (!*room && (area = mmk_swap_area_next(area))) {
        *any = true;
        *room = !is_stopped(area) && mmk_a64_load(&area->free, MMK_RELAXED) > 0;
    }
    mmk_rcu_read_unlock();
}

unsigned mmk_swap_area_count(void)
{
    struct mmk_swap_area *area = NULL;
    unsigned count = 0;

    while ((area = mmk_swap_area_next(area)))
        count++;
    return count;
}

/* SA1, SA2 */
static void check_cluster(const struct mmk_swap_area *area, const struct mmk_swap_cluster *cluster)
{
    uint64_t all = all_of(area, cluster);
    unsigned bit;
    bool used;

    mmk_assert(((cluster->free | cluster->bad) & ~all) == 0 && !(cluster->free & cluster->bad),
               "SA2 a cluster's free and bad slots are its own");
    mmk_assert(mmk_list_empty(&cluster->link) == (cluster->free == 0),
               "SA2 a cluster with a free slot is in a list");
    mmk_assert(!cluster->stale || (cluster->written && (cluster->free | cluster->bad) == all),
               "SA2 what is to be discarded is unused, and was written");
    for (bit = 0; bit < MMK_SWAP_CLUSTER && all >> bit & 1; bit++) {
        used = ((cluster->free | cluster->bad) >> bit & 1) == 0;
        mmk_assert((mmk_a32_load(&cluster->word[bit], MMK_RELAXED) != 0) == used,
                   "SA1 a slot's word is 0 while it is free");
        mmk_assert(used || !mmk_aptr_load(&cluster->owner[bit], MMK_RELAXED),
                   "SA1 a free slot is nobody's");
    }
}

static uint64_t check_list(const struct mmk_swap_area *area, const struct mmk_list *list)
{
    const struct mmk_swap_cluster *cluster;
    const struct mmk_list *at;
    uint64_t free = 0;
    bool whole;

    for (at = list->next; at != list; at = at->next) {
        cluster = (const struct mmk_swap_cluster *)(const void *)((const char *)at -
                                                                  offsetof(struct mmk_swap_cluster,
                                                                           link));
        whole = (cluster->free | cluster->bad) == all_of(area, cluster);
        mmk_assert(whole == (list != &area->partial), "SA2 a cluster is in the list it belongs to");
        mmk_assert((cluster->stale != 0) == (list == &area->stale), "SA2 likewise");
        free += count_bits(cluster->free);
    }
    return free;
}

static void check_area(const struct mmk_swap_area *area)
{
    uint64_t free = 0, bad = 0, listed;
    const struct mmk_swap_cluster *cluster;
    uint32_t i;

    for (i = 0; (uint64_t)i * MMK_SWAP_CLUSTER < slots_made(area); i++) {
        cluster = cluster_at(area, i);
        mmk_assert(cluster->number == i, "SA2 a cluster knows where it is");
        check_cluster(area, cluster);
        free += count_bits(cluster->free);
        bad += count_bits(cluster->bad);
    }
    listed = check_list(area, &area->whole);
    listed += check_list(area, &area->partial);
    listed += check_list(area, &area->stale);
    mmk_assert(listed == free, "SA2 each cluster is in one list");
    mmk_assert(mmk_a32_load(&area->made, MMK_RELAXED) <= area->frames, "SA5 so many frames");
    free += area->slots - slots_made(area);
    mmk_assert(mmk_a64_load(&area->free, MMK_RELAXED) == free &&
                   mmk_a64_load(&area->bad, MMK_RELAXED) == bad,
               "SA3, SA5 sums over the clusters, and what is not made");
}

void mmk_swap_area_check(void)
{
    struct mmk_swap_area *area = NULL;
    uint64_t slots = 0;

    while ((area = mmk_swap_area_next(area))) {
        check_area(area);
        slots += is_stopped(area) ? 0 : area->slots;
    }
    mmk_assert(mmk_swap_slots() == slots, "SA4 sum over the areas that are not stopped");
}
