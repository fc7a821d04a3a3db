/* SPDX-License-Identifier: MIT */
/*
 * agent_look.c - a process looks at its own window: /proc/self/maps or smaps, pagemap, mincore(2),
 * and the words of pages that have an entry, so that no page comes by being looked at.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECE = 4096, TEXT = 2 * PIECE, REGIONS = 1024 };

/* PAGEMAP_SCAN of <linux/fs.h>, which is younger than many an installed one. */
struct scan_region {
    uint64_t start, end, categories;
};

struct scan {
    uint64_t size, flags, start, end, walk_end, regions, regions_count, max_pages;
    uint64_t inverted, mask, any_of, answer;
};

#define SCAN _IOWR('f', 16, struct scan)

enum { SCAN_FILE = 4, SCAN_PRESENT = 8, SCAN_ZERO = 32 };

int agent_memory = -1;

static int maps = -1, smaps = -1, pagemap = -1, status = -1;
static char text[TEXT];

static bool open_eye(struct board *board, int *eye, const char *path, int how)
{
    if (*eye >= 0)
        close(*eye);
    *eye = open(path, how | O_CLOEXEC);
    if (*eye < 0) {
        board->trouble = path;
        board->trouble_errno = errno;
    }
    return *eye >= 0;
}

/* ---- entries --------------------------------------------------------------------------------- */

static void note_region(struct observation *seen, const struct scan_region *region)
{
    uint64_t pages = (region->end - region->start) / PAGE;
    unsigned i;

    if ((region->categories & (SCAN_FILE | SCAN_ZERO)) == 0)
        seen->anonymous += pages;
    for (i = 0; i < ISLANDS_PAGES; i++) {
        if (island_page(i) < region->start || island_page(i) >= region->end)
            continue;
        seen->page[i] |= PAGE_READABLE;
        if (region->categories & SCAN_ZERO)
            seen->page[i] |= PAGE_ZERO;
    }
}

static void look_at_entries(struct observation *seen)
{
    static struct scan_region regions[REGIONS];
    uint64_t all = SCAN_PRESENT | SCAN_FILE | SCAN_ZERO;
    struct scan scan = {.size = sizeof(scan),
                        .start = WINDOW_START,
                        .end = WINDOW_END,
                        .regions = (uint64_t)(uintptr_t)regions,
                        .regions_count = REGIONS,
                        .any_of = SCAN_PRESENT,
                        .answer = all};
    int count, i;

    seen->anonymous = 0;
    do {
        count = ioctl(pagemap, SCAN, &scan);
        for (i = 0; i < count; i++)
            note_region(seen, &regions[i]);
        scan.start = scan.walk_end;
    } while (count > 0 && scan.start < scan.end);
}

/* ---- mappings -------------------------------------------------------------------------------- */

static uint64_t parse_hex(const char **at)
{
    uint64_t number = 0;

    for (;; (*at)++) {
        if (**at >= '0' && **at <= '9')
            number = number << 4 | (uint64_t)(**at - '0');
        else if (**at >= 'a' && **at <= 'f')
            number = number << 4 | (uint64_t)(**at - 'a' + 10);
        else
            return number;
    }
}

static uint64_t parse_decimal(const char **at)
{
    uint64_t number = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++)
        number = number * 10 + (uint64_t)(**at - '0');
    return number;
}

/* "START-END rwxs OFFSET MAJOR:MINOR INODE ..." */
static void parse_mapping(const char *at, struct mapping *mapping)
{
    memset(mapping, 0, sizeof(*mapping));
    mapping->start = parse_hex(&at);
    at++;
    mapping->end = parse_hex(&at);
    at++;
    mapping->prot = (at[0] == 'r' ? PROT_READ : 0u) | (at[1] == 'w' ? PROT_WRITE : 0u) |
                    (at[2] == 'x' ? PROT_EXEC : 0u);
    mapping->flags = at[3] == 's' ? MAPPING_SHARED : 0;
    at += 5;
    mapping->offset = parse_hex(&at);
    at++;
    parse_hex(&at);
    at++;
    parse_hex(&at);
    at++;
    mapping->object = parse_decimal(&at);
}

/* "VmFlags: rd wr mr ..." */
static void parse_flags(const char *at, const char *end, struct mapping *mapping)
{
    static const struct {
        char name[3];
        enum mapping_flag flag;
    } names[] = {
        {"lo", MAPPING_LOCKED},     {"lf", MAPPING_ONFAULT}, {"gd", MAPPING_GROWSDOWN},
        {"nr", MAPPING_NORESERVE},  {"sl", MAPPING_SEALED},  {"dc", MAPPING_DONTFORK},
        {"wf", MAPPING_WIPEONFORK},
    };
    unsigned i;

    for (at += sizeof("VmFlags:"); at + 2 <= end; at += 3)
        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (memcmp(at, names[i].name, 2) == 0)
                mapping->flags |= names[i].flag;
}

/* => false: the window is behind us, or there are too many */
static bool parse_line(struct observation *seen, const char *line, const char *end)
{
    struct mapping mapping;

    if ((*line < '0' || *line > '9') && (*line < 'a' || *line > 'f')) {
        if (seen->mappings > 0 && strncmp(line, "VmFlags:", 8) == 0)
            parse_flags(line, end, &seen->mapping[seen->mappings - 1]);
        return true;
    }
    parse_mapping(line, &mapping);
    if (mapping.start >= WINDOW_END)
        return false;
    if (mapping.start >= WINDOW_START)
        seen->mapping[seen->mappings++] = mapping;
    return seen->mappings < MAPPINGS_MAX;
}

/* Whole lines of the text. => how many bytes that were; *more: the window may go on */
static size_t parse_text(struct observation *seen, size_t length, bool *more)
{
    const char *line = text, *end;

    while (*more && (end = memchr(line, '\n', length - (size_t)(line - text))) != NULL) {
        *more = parse_line(seen, line, end);
        line = end + 1;
    }
    return (size_t)(line - text);
}

static void look_at_mappings(struct observation *seen)
{
    int from = seen->full ? smaps : maps;
    size_t length = 0, parsed;
    bool more = true;
    ssize_t got;

    seen->mappings = 0;
    lseek(from, 0, SEEK_SET);
    /* in pieces: what lies beyond the window is long, and nobody wants it */
    while (more && (got = read(from, text + length, PIECE)) > 0) {
        length += (size_t)got;
        parsed = parse_text(seen, length, &more);
        length -= parsed;
        memmove(text, text + parsed, length);
    }
}

/* The number behind a name in /proc/self/status, in KiB there. */
static uint64_t status_bytes(const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

void agent_look_at_sizes(struct sizes *sizes)
{
    ssize_t got = pread(status, text, TEXT - 1, 0);

    text[got > 0 ? got : 0] = '\0';
    sizes->virt = status_bytes("VmSize:");
    sizes->locked = status_bytes("VmLck:");
    sizes->data = status_bytes("VmData:");
    sizes->stack = status_bytes("VmStk:");
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void look_at_words(struct observation *seen, unsigned page)
{
    unsigned i;

    for (i = 0; i < WORDS; i++)
        if (agent_read(island_page(page) + word_offsets[i], &seen->words[page][i]) != ACCESS_DONE)
            seen->page[page] &= (uint8_t)~PAGE_READABLE;
    if (seen->full && agent_hash(island_page(page), &seen->hash[page]) != ACCESS_DONE)
        seen->page[page] &= (uint8_t)~PAGE_READABLE;
}

/* What mincore says of pages without a hole between, from number `first` on. */
static void ask_core(struct observation *seen, unsigned first, unsigned pages)
{
    unsigned char in_core[ISLAND_PAGES];
    unsigned i;

    if (pages == 0 || mincore((void *)island_page(first), pages * PAGE, in_core) != 0)
        return;
    for (i = 0; i < pages; i++)
        seen->page[first + i] |= (uint8_t)(PAGE_KNOWN | (in_core[i] & 1 ? PAGE_IN_CORE : 0));
}

/* A page of a mapping. */
static void look_at_page(struct observation *seen, const struct mapping *mapping, unsigned page)
{
    if (mapping->prot == 0)
        seen->page[page] &= (uint8_t)~PAGE_READABLE;
    if (seen->page[page] & PAGE_READABLE)
        look_at_words(seen, page);
}

static void look_at_island(struct observation *seen, unsigned island)
{
    const struct mapping *mapping = seen->mapping, *end = mapping + seen->mappings;
    unsigned page = island * ISLAND_PAGES, behind = page + ISLAND_PAGES, run = page;

    for (; page < behind; page++) {
        while (mapping < end && mapping->end <= island_page(page))
            mapping++;
        if (mapping < end && mapping->start <= island_page(page)) {
            look_at_page(seen, mapping, page);
            continue;
        }
        ask_core(seen, run, page - run);
        run = page + 1;
    }
    ask_core(seen, run, page - run);
}

static void look_at_pages(struct observation *seen)
{
    unsigned i;

    for (i = 0; i < ISLANDS; i++)
        look_at_island(seen, i);
}

void agent_look(struct observation *seen, bool full)
{
    seen->full = full;
    memset(seen->page, 0, sizeof(seen->page));
    look_at_mappings(seen);
    look_at_entries(seen);
    look_at_pages(seen);
    if (full)
        agent_look_at_sizes(&seen->sizes);
}

bool agent_open_eyes(struct board *board)
{
    struct scan scan = {.size = sizeof(scan)};

    if (!open_eye(board, &maps, "/proc/self/maps", O_RDONLY) ||
        !open_eye(board, &smaps, "/proc/self/smaps", O_RDONLY) ||
        !open_eye(board, &status, "/proc/self/status", O_RDONLY) ||
        !open_eye(board, &pagemap, "/proc/self/pagemap", O_RDONLY) ||
        !open_eye(board, &agent_memory, "/proc/self/mem", O_RDWR))
        return false;
    if (ioctl(pagemap, SCAN, &scan) >= 0)
        return true;
    board->trouble_errno = errno;
    board->trouble = "PAGEMAP_SCAN, which Linux has from 6.7 on";
    return false;
}
