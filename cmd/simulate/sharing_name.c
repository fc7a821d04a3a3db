/* SPDX-License-Identifier: MIT */
/* sharing_name.c - see sharing_name.h. */
#include "sharing_name.h"

#include "family.h"
#include "frame.h"
#include "lines.h"
#include "mm.h"
#include "object.h"
#include "pairs.h"
#include "slab.h"
#include "symbols.h"
#include "vma.h"

#include <stdio.h>
#include <string.h>

struct field {
    size_t at;
    const char *name;
};

/* By where they are; each reaches to the next. Nested ones are told apart where they matter. */
#define FIELD(type, member)                                                                        \
    {                                                                                              \
        offsetof(struct type, member), #member                                                     \
    }
#define END                                                                                        \
    {                                                                                              \
        SIZE_MAX, NULL                                                                             \
    }

static const struct field mm_fields[] = {
    FIELD(mmk_mm, root),
    FIELD(mmk_mm, top),
    FIELD(mmk_mm, context),
    FIELD(mmk_mm, kin),
    FIELD(mmk_mm, group),
    FIELD(mmk_mm, cpu),
    FIELD(mmk_mm, notifiers),
    FIELD(mmk_mm, killed),
    FIELD(mmk_mm, flush_unasked),
    FIELD(mmk_mm, vmas.root),
    FIELD(mmk_mm, vmas.spare),
    FIELD(mmk_mm, vmas.count),
    FIELD(mmk_mm, mmap_lock),
    FIELD(mmk_mm, vma_seq),
    FIELD(mmk_mm, brk_start),
    FIELD(mmk_mm, brk),
    FIELD(mmk_mm, mmap_base),
    FIELD(mmk_mm, anon_source),
    FIELD(mmk_mm, def_flags),
    FIELD(mmk_mm, usage),
    FIELD(mmk_mm, charged),
    FIELD(mmk_mm, limit),
    FIELD(mmk_mm, lock_privilege),
    FIELD(mmk_mm, mdwe),
    FIELD(mmk_mm, ops),
    FIELD(mmk_mm, private_data),
    FIELD(mmk_mm, users),
    FIELD(mmk_mm, holds),
    FIELD(mmk_mm, rcu),
    FIELD(mmk_mm, lock),
    FIELD(mmk_mm, sleepers),
    FIELD(mmk_mm, notify_epoch),
    FIELD(mmk_mm, notify_gen),
    FIELD(mmk_mm, notifying),
    FIELD(mmk_mm, reap_next),
    FIELD(mmk_mm, in_ring),
    FIELD(mmk_mm, shrink_next),
    FIELD(mmk_mm, collapse_next),
    FIELD(mmk_mm, huge_zero),
    FIELD(mmk_mm, flush_pending),
    FIELD(mmk_mm, cpus),
    FIELD(mmk_mm, tlb_gen),
    FIELD(mmk_mm, tables),
    END,
};

static const struct field vma_fields[] = {
    FIELD(mmk_vma, start),  FIELD(mmk_vma, end),
    FIELD(mmk_vma, seq),    FIELD(mmk_vma, flags),
    FIELD(mmk_vma, users),  FIELD(mmk_vma, origin),
    FIELD(mmk_vma, shift),  FIELD(mmk_vma, anon),
    FIELD(mmk_vma, object), FIELD(mmk_vma, mm),
    FIELD(mmk_vma, moved),  FIELD(mmk_vma, interval),
    FIELD(mmk_vma, next),   END,
};

static const struct field object_fields[] = {
    FIELD(mmk_object, size),        FIELD(mmk_object, pages),
    FIELD(mmk_object, ops),         FIELD(mmk_object, private_data),
    FIELD(mmk_object, committed),   FIELD(mmk_object, has_frames),
    FIELD(mmk_object, offers_huge), FIELD(mmk_object, interval_lock),
    FIELD(mmk_object, vmas),        FIELD(mmk_object, refs),
    FIELD(mmk_object, rcu),         FIELD(mmk_object, invalidate),
    FIELD(mmk_object, index_lock),  END,
};

static const struct field kin_fields[] = {
    FIELD(mmk_kin, lock),
    FIELD(mmk_kin, moved),
    FIELD(mmk_kin, orphans),
    FIELD(mmk_kin, family),
    FIELD(mmk_kin, parent),
    FIELD(mmk_kin, children),
    FIELD(mmk_kin, sibling),
    FIELD(mmk_kin, mm),
    FIELD(mmk_kin, reap_next),
    FIELD(mmk_kin, rcu),
    END,
};

static const struct field family_fields[] = {
    FIELD(mmk_family, lock),
    FIELD(mmk_family, refs),
    FIELD(mmk_family, rcu),
    END,
};

static const struct field user_fields[] = {
    FIELD(mmk_page, flags),         FIELD(mmk_page, refs),
    FIELD(mmk_page, user.mapcount), FIELD(mmk_page, user.pins),
    FIELD(mmk_page, user.kin),      FIELD(mmk_page, user.index),
    FIELD(mmk_page, user.slot),     FIELD(mmk_page, user.charged),
    FIELD(mmk_page, share),         END,
};

static const struct field table_fields[] = {
    FIELD(mmk_page, flags),
    FIELD(mmk_page, refs),
    FIELD(mmk_page, table.lock),
    FIELD(mmk_page, table.live),
    FIELD(mmk_page, table.above),
    FIELD(mmk_page, table.pins),
    FIELD(mmk_page, table.level),
    FIELD(mmk_page, table.parent),
    FIELD(mmk_page, table.vma),
    FIELD(mmk_page, table.next),
    FIELD(mmk_page, table.upper),
    FIELD(mmk_page, share),
    END,
};

static const struct field slab_fields[] = {
    FIELD(mmk_page, flags),     FIELD(mmk_page, refs),
    FIELD(mmk_page, slab.link), FIELD(mmk_page, slab.cache),
    FIELD(mmk_page, slab.free), FIELD(mmk_page, slab.used),
    FIELD(mmk_page, share),     END,
};

static const struct field share_fields[] = {
    FIELD(mmk_mm_cpu, count),
    FIELD(mmk_mm_cpu, tlb_gen),
    FIELD(mmk_mm_cpu, lazy),
    END,
};

static const struct {
    const char *cache;
    const struct field *fields;
} kinds[] = {
    {"mm", mm_fields},   {"vma", vma_fields},       {"object", object_fields},
    {"kin", kin_fields}, {"family", family_fields}, {NULL, NULL},
};

/* ---- putting it into words --------------------------------------------------------------------
 */

static void say(struct sharing_name *name, const char *object)
{
    snprintf(name->object, sizeof(name->object), "%s", object);
}

static void say_offset(struct sharing_name *name, size_t at)
{
    snprintf(name->field, sizeof(name->field), "+%zu", at);
}

static void say_field(struct sharing_name *name, const struct field *fields, size_t at)
{
    const char *field;

    while (fields[1].at <= at)
        fields++;
    field = strchr(fields->name, '.'); /* user., table.: what is before is the object's name */
    if (strncmp(fields->name, "vmas", 4) == 0)
        field = NULL;
    snprintf(name->field, sizeof(name->field), "%s", field ? field + 1 : fields->name);
}

/* Of an object that is in a frame of a slab cache's. */
static void name_small(struct sharing_name *name, const struct mmk_page *page, size_t offset)
{
    const struct mmk_slab_cache *cache = page->slab.cache;
    size_t at = offset % cache->size, i;

    say(name, cache->name);
    say_offset(name, at);
    for (i = 0; kinds[i].cache; i++)
        if (strcmp(kinds[i].cache, cache->name) == 0)
            say_field(name, kinds[i].fields, at);
}

static void name_table(struct sharing_name *name, const struct mmk_page *page)
{
    char text[SHARING_NAME];

    name->leaf = page->table.level == 0;
    snprintf(text, sizeof(text), "table of level %u", page->table.level);
    say(name, name->leaf ? "leaf table" : text);
}

/* => true: it is a CPU's share of an address space */
static bool name_share(struct sharing_name *name, uintptr_t address)
{
    unsigned space;
    uintptr_t offset;

    for (space = 0; space < FLAT_SPACES; space++) {
        if (!pair_run.mm[space])
            continue;
        offset = address - (uintptr_t)pair_run.mm[space]->cpu;
        if (offset >= MMK_MAX_CPUS * sizeof(struct mmk_mm_cpu))
            continue;
        say(name, "mm.cpu");
        say_field(name, share_fields, offset % sizeof(struct mmk_mm_cpu));
        return true;
    }
    return false;
}

/* Of what is in a frame. */
static void name_contents(struct sharing_name *name, const struct mmk_page *page, size_t offset)
{
    switch (mmk_page_type(page)) {
    case MMK_PAGE_SLAB:
        name_small(name, page, offset);
        break;
    case MMK_PAGE_TABLE:
        name_table(name, page);
        snprintf(name->field, sizeof(name->field), "entry %zu", offset / 8);
        break;
    default:
        say(name, "contents of a frame");
        say_offset(name, offset);
        break;
    }
}

static void name_descriptor(struct sharing_name *name, const struct mmk_page *page, size_t at)
{
    switch (mmk_page_type(page)) {
    case MMK_PAGE_TABLE:
        name_table(name, page);
        say_field(name, table_fields, at);
        break;
    case MMK_PAGE_ANON:
    case MMK_PAGE_OBJECT:
        say(name, mmk_page_type(page) == MMK_PAGE_ANON ? "private page" : "file page");
        say_field(name, user_fields, at);
        break;
    case MMK_PAGE_SLAB:
        say(name, "slab page");
        say_field(name, slab_fields, at);
        break;
    default:
        say(name, "frame"); /* free by now, or the one of zeros */
        say_field(name, user_fields, at);
        break;
    }
}

static void name_ram(struct sharing_name *name, uintptr_t address)
{
    mmk_pfn_t pfn = (mmk_pfn_t)((address - machine_ram_base) >> MMK_PAGE_SHIFT);
    const struct mmk_page *map = mmk_ranges[0].map;
    size_t in_map = address - (uintptr_t)map;

    if (in_map / sizeof(*map) < mmk_ranges[0].end - mmk_ranges[0].start) {
        name_descriptor(name, &map[in_map / sizeof(*map)], in_map % sizeof(*map));
        return;
    }
    if (name_share(name, address))
        return;
    if (mmk_range_of_slow(pfn)) {
        name_contents(name, mmk_pfn_to_page(pfn), address % MMK_PAGE_SIZE);
        return;
    }
    say(name, "memory");
    say_offset(name, address - machine_ram_base);
}

void sharing_name(uintptr_t address, struct sharing_name *name)
{
    const struct symbol *symbol;

    *name = (struct sharing_name){.leaf = false};
    if (lines_in_ram(address)) {
        name_ram(name, address);
        return;
    }
    symbol = symbol_at(address);
    if (!symbol) {
        say(name, "variable");
        snprintf(name->field, sizeof(name->field), "%#zx", (size_t)address);
        return;
    }
    snprintf(name->object, sizeof(name->object), "%.30s%s%.30s", symbol->file,
             symbol->file[0] ? ":" : "", symbol->name);
    say_offset(name, address - symbol->address);
}

const char *sharing_function(const void *where)
{
    const struct symbol *symbol = symbol_at((uintptr_t)where);

    return symbol ? symbol->name : "?";
}
