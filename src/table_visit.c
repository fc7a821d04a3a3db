/* SPDX-License-Identifier: MIT */
/*
 * table_visit.c - tables for walkers of the embedder's own: see <mmkit/table.h>.
 *
 * Going through all tables keeps nothing between two but an address and a level, which say what
 * comes next: the table of that level on the address's path, if there is one. So tables may come
 * and go around a visitor that sleeps.
 */
#include "table_pin.h"

#define TOP (MMK_PT_LEVELS - 1)

/*
 * Finds addr's entry in the table of `level` on its path, or the one where the path ends.
 * => the level of *entry
 */
static unsigned find_entry(const struct mmk_mm *mm, mmk_vaddr_t addr, unsigned level,
                           struct mmk_a64 **entry) MMK_REQUIRES_SHARED(mmk_rcu)
{
    unsigned at = TOP;
    mmk_pte_t pte;

    mmk_note_rcu(MMK_LOCK_CLASSES);
    *entry = &mm->top[mmk_pt_index(addr, TOP)];
    for (; at > level; at--) {
        pte = mmk_pte_read(*entry);
        if (mmk_pte_none(pte) || !mmk_pte_links(pte))
            break;
        *entry = &mmk_pte_entries(pte)[mmk_pt_index(addr, at - 1)];
    }
    return at;
}

/* An entry above the one that would link the table: why it leads to none. */
static enum mmk_table_got why_none(const struct mmk_a64 *entry)
{
    mmk_pte_t pte = mmk_pte_read(entry);

    return !mmk_pte_none(pte) && !mmk_pte_links(pte) ? MMK_TABLE_HUGE : MMK_TABLE_NONE;
}

static enum mmk_table_got pin_leaf(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_table_ref *ref)
{
    enum mmk_table_got got;
    struct mmk_a64 *pmd;

    ref->mm = mm;
    ref->level = 0;
    mmk_rcu_read_lock();
    if (find_entry(mm, addr, 1, &pmd) == 1)
        got = mmk_pte_try_get(pmd, &ref->table);
    else
        got = why_none(pmd);
    mmk_rcu_read_unlock();
    return got;
}

enum mmk_table_got mmk_table_pin(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_table_ref *ref)
{
    enum mmk_table_got got = MMK_TABLE_NONE;

    if (addr < MMK_USER_END)
        got = pin_leaf(mm, addr, ref);
    if (got == MMK_TABLE_PINNED)
        mmk_mm_hold(mm);
    return got;
}

void mmk_table_unpin(struct mmk_table_ref *ref)
{
    mmk_pte_put(ref->table);
    mmk_mm_drop(ref->mm);
}

/* --- entries --------------------------------------------------------------------------------- */

static enum mmk_entry_kind kind_of(mmk_pte_t pte, unsigned level)
{
    if (mmk_pte_none(pte))
        return MMK_ENTRY_NONE;
    if (level > 0 && mmk_pte_links(pte))
        return MMK_ENTRY_TABLE;
    if (mmk_pte_present(pte))
        return MMK_ENTRY_PAGE;
    if (level > 0)
        return MMK_ENTRY_NONE; /* is being collapsed */
    return mmk_pte_guard(pte) ? MMK_ENTRY_GUARD : MMK_ENTRY_SWAP;
}

static void describe(mmk_pte_t pte, mmk_vaddr_t addr, unsigned level, struct mmk_table_entry *entry)
{
    *entry = (struct mmk_table_entry){.kind = kind_of(pte, level)};
    entry->size = mmk_pt_entry_span(level);
    entry->addr = addr & ~(entry->size - 1);
    if (entry->kind == MMK_ENTRY_TABLE || entry->kind == MMK_ENTRY_PAGE)
        entry->phys = mmk_pte_pfn(pte) << MMK_PAGE_SHIFT;
    if (entry->kind != MMK_ENTRY_PAGE)
        return;
    entry->access = mmk_pte_accessible(pte);
    entry->write = mmk_pte_write(pte);
    entry->exec = mmk_pte_exec(pte);
    entry->young = mmk_pte_mkold(pte).v != pte.v;
    entry->dirty = mmk_pte_dirty(pte);
}

/* => false: the table is on addr's way no more */
static bool read_entry(const struct mmk_table_ref *ref, mmk_vaddr_t addr, mmk_pte_t *pte)
{
    struct mmk_a64 *entry;
    bool holds = false;

    mmk_rcu_read_lock();
    if (find_entry(ref->mm, addr, ref->level, &entry) == ref->level)
        holds = mmk_virt_to_page(entry) == ref->table;
    if (holds)
        *pte = mmk_pte_read(entry);
    mmk_rcu_read_unlock();
    return holds;
}

bool mmk_table_read(const struct mmk_table_ref *ref, mmk_vaddr_t addr,
                    struct mmk_table_entry *entry)
{
    mmk_pte_t pte;

    if (addr >= MMK_USER_END)
        return false;
    for (;;) {
        if (!read_entry(ref, addr, &pte))
            return false;
        if (mmk_likely(!mmk_pte_split(pte)))
            break;
        mmk_cpu_relax();
    }
    describe(pte, addr, ref->level, entry);
    return true;
}

/* What is left of a range. */
struct look {
    mmk_vaddr_t addr, end;
    int (*visit)(const struct mmk_table_entry *entry, void *arg);
    void *arg;
};

static int look_at(struct look *look, mmk_pte_t pte, unsigned level)
{
    struct mmk_table_entry entry;

    describe(pte, look->addr, level, &entry);
    look->addr = entry.addr + entry.size;
    return entry.kind == MMK_ENTRY_NONE ? 0 : look->visit(&entry, look->arg);
}

/*
 * What one walk leads to: the entries of a leaf table, or one above. If a table has come since the
 * walk ended there, or is about to, in a larger page's place (huge.h): nothing, look again.
 */
static int look_on(const struct mmk_mm *mm, struct look *look) MMK_REQUIRES_SHARED(mmk_rcu)
{
    mmk_vaddr_t end = mmk_pt_base(look->addr, 0) + mmk_pt_table_span(0);
    struct mmk_a64 *entry;
    unsigned level = find_entry(mm, look->addr, 0, &entry);
    mmk_pte_t pte = mmk_pte_read(entry);
    int answer;

    if (level > 0 && (mmk_pte_links(pte) || mmk_pte_split(pte)))
        return 0;
    answer = look_at(look, pte, level);
    if (level == 0)
        while (look->addr < mmk_min(end, look->end) && !answer)
            answer = look_at(look, mmk_pte_read(++entry), 0);
    return answer;
}

int mmk_for_each_entry(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                       int (*visit)(const struct mmk_table_entry *entry, void *arg), void *arg)
{
    struct look look = {mmk_page_down(start), mmk_min(end, MMK_USER_END), visit, arg};
    int answer = 0;

    if (start >= end)
        return 0;
    while (look.addr < look.end && !answer) {
        mmk_vaddr_t from = look.addr;

        mmk_rcu_read_lock();
        answer = look_on(mm, &look);
        mmk_rcu_read_unlock();
        if (mmk_unlikely(look.addr == from))
            mmk_cpu_relax();
    }
    return answer;
}

/* --- all tables ------------------------------------------------------------------------------ */

/* What comes next: the table of `level` on addr's path. */
struct cursor {
    mmk_vaddr_t addr;
    unsigned level;
};

/* Below it, if it was there and has something below; else what begins behind it. */
static void go_on(struct cursor *cursor, bool was_there)
{
    if (was_there && cursor->level > 0) {
        cursor->level--;
        return;
    }
    cursor->addr = mmk_pt_base(cursor->addr, cursor->level) + mmk_pt_table_span(cursor->level);
    while (cursor->level + 1 < TOP && mmk_pt_base(cursor->addr, cursor->level + 1) == cursor->addr)
        cursor->level++;
}

/*
 * The cursor's table, with a visitor more, and locked. => NULL: there is none, nothing is locked
 * => inside an RCU read section
 */
static struct mmk_page *pin_and_lock(struct mmk_mm *mm, const struct cursor *cursor)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_NO_TSA
{
    struct mmk_page *table = mm->root;
    struct mmk_a64 *pmd;

    if (cursor->level == TOP) {
        mmk_table_lock(table);
        table->table.pins++;
        return table;
    }
    if (find_entry(mm, cursor->addr, cursor->level + 1, &pmd) != cursor->level + 1)
        return NULL;
    return mmk_pte_tryget_map_lock(pmd, cursor->addr, &table) ? table : NULL;
}

/* Pins the cursor's table, and says what it is, all in one hold of its lock. => false: none */
static bool pin_and_describe(struct mmk_mm *mm, const struct cursor *cursor,
                             struct mmk_table_view *view) MMK_NO_TSA
{
    struct mmk_page *table;

    mmk_rcu_read_lock();
    table = pin_and_lock(mm, cursor);
    if (table) {
        view->ref = (struct mmk_table_ref){mm, table, cursor->level};
        view->start = mmk_pt_base(cursor->addr, cursor->level);
        view->size = cursor->level == TOP ? MMK_USER_END : mmk_pt_table_span(cursor->level);
        view->live = mmk_table_live(table);
        view->pins = table->table.pins - 1;
        mmk_table_unlock(table);
    }
    mmk_rcu_read_unlock();
    return table != NULL;
}

int mmk_for_each_table(struct mmk_mm *mm,
                       int (*visit)(const struct mmk_table_view *view, void *arg), void *arg)
{
    struct cursor cursor = {0, TOP};
    struct mmk_table_view view;
    int answer = 0;
    bool there;

    while (cursor.addr < MMK_USER_END && !answer) {
        there = pin_and_describe(mm, &cursor, &view);
        if (there) {
            answer = visit(&view, arg);
            mmk_pte_put(view.ref.table);
        }
        go_on(&cursor, there);
    }
    return answer;
}
