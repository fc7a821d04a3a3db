/* SPDX-License-Identifier: MIT */
/* symbols.c - see symbols.h: the symbol table of the program's own file, an ELF file. */
#include "symbols.h"

#include "grown.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The linker's: where the program has been put, and where it wanted to be. */
extern const char __executable_start[];

static struct symbol *symbols; /* by address */
static size_t count, room;

static void add(const ElfW(Sym) * sym, const char *name, const char *file, uintptr_t base)
{
    unsigned type = sym->st_info & 15;

    if ((type != STT_FUNC && type != STT_OBJECT) || sym->st_shndx == SHN_UNDEF)
        return;
    if (count == room) {
        room = room ? 2 * room : 4096;
        symbols = grown(symbols, room * sizeof(*symbols));
    }
    symbols[count++] = (struct symbol){base + sym->st_value, sym->st_size, name,
                                       sym->st_info >> 4 == STB_LOCAL ? file : ""};
}

static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    return x->address < y->address ? -1 : x->address > y->address;
}

/* => where the file's address 0 is */
static uintptr_t base_of(const char *image)
{
    const ElfW(Ehdr) *head = (const void *)image;
    const ElfW(Phdr) *part = (const void *)(image + head->e_phoff);
    unsigned i;

    for (i = 0; i < head->e_phnum; i++)
        if (part[i].p_type == PT_LOAD && part[i].p_offset == 0)
            return (uintptr_t)__executable_start - part[i].p_vaddr;
    return 0;
}

static void read_table(const char *image, const ElfW(Shdr) * table, const ElfW(Shdr) * names)
{
    const ElfW(Sym) *sym = (const void *)(image + table->sh_offset);
    const char *text = image + names->sh_offset, *file = "";
    uintptr_t base = base_of(image);
    size_t i;

    for (i = 0; i < table->sh_size / sizeof(*sym); i++) {
        if ((sym[i].st_info & 15) == STT_FILE)
            file = text + sym[i].st_name;
        else
            add(&sym[i], text + sym[i].st_name, file, base);
    }
}

/* It stays mapped: names are in it. */
static void read_all(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const ElfW(Ehdr) * head;
    const ElfW(Shdr) * section;
    struct stat about;
    const char *image;
    unsigned i;

    if (fd < 0 || fstat(fd, &about) != 0)
        return;
    image = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (image == MAP_FAILED)
        return;
    head = (const void *)image;
    section = (const void *)(image + head->e_shoff);
    for (i = 0; i < head->e_shnum; i++)
        if (section[i].sh_type == SHT_SYMTAB)
            read_table(image, &section[i], &section[section[i].sh_link]);
    qsort(symbols, count, sizeof(*symbols), compare);
}

const struct symbol *symbol_at(uintptr_t address)
{
    static int known;
    size_t low = 0, high, middle;

    if (!known++)
        read_all();
    for (high = count; low < high;) {
        middle = (low + high) / 2;
        if (symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - symbols[low - 1].address >= symbols[low - 1].size)
        return NULL;
    return &symbols[low - 1];
}
