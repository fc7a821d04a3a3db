/* SPDX-License-Identifier: MIT */
/* op.c - see op.h. */
#include "op.h"

#include "possible.h"

#include <errno.h>
#include <inttypes.h>
#include <mmkit/limit.h>
#include <stdlib.h>
#include <string.h>

static const struct description {
    const char *name;
    unsigned count;
    enum argument kinds[OP_ARGS];
} calls[CALLS] = {
    [CALL_MMAP] = {"mmap", 6, {ARG_NUMBER, ARG_NUMBER, ARG_PROT, ARG_MAP, ARG_FILE, ARG_NUMBER}},
    [CALL_MUNMAP] = {"munmap", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_MPROTECT] = {"mprotect", 3, {ARG_NUMBER, ARG_NUMBER, ARG_PROT}},
    [CALL_MREMAP] = {"mremap", 5, {ARG_NUMBER, ARG_NUMBER, ARG_NUMBER, ARG_REMAP, ARG_NUMBER}},
    [CALL_MADVISE] = {"madvise", 3, {ARG_NUMBER, ARG_NUMBER, ARG_ADVICE}},
    [CALL_MLOCK] = {"mlock", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_MLOCK2] = {"mlock2", 3, {ARG_NUMBER, ARG_NUMBER, ARG_MLOCK}},
    [CALL_MUNLOCK] = {"munlock", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_MLOCKALL] = {"mlockall", 1, {ARG_MLOCKALL}},
    [CALL_MUNLOCKALL] = {"munlockall", 0, {0}},
    [CALL_MINCORE] = {"mincore", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_MSYNC] = {"msync", 3, {ARG_NUMBER, ARG_NUMBER, ARG_MSYNC}},
    [CALL_MSEAL] = {"mseal", 3, {ARG_NUMBER, ARG_NUMBER, ARG_NUMBER}},
    [CALL_BRK] = {"brk", 1, {ARG_NUMBER}},
    [CALL_FORK] = {"fork", 1, {ARG_NUMBER}},
    [CALL_EXIT] = {"exit", 0, {0}},
    [CALL_READ] = {"read", 1, {ARG_NUMBER}},
    [CALL_WRITE] = {"write", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_EXEC] = {"exec", 1, {ARG_NUMBER}},
    [CALL_SWEEP] = {"sweep", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_TRUNCATE] = {"truncate", 2, {ARG_FILE, ARG_NUMBER}},
    [CALL_PUNCH] = {"punch", 3, {ARG_FILE, ARG_NUMBER, ARG_NUMBER}},
    [CALL_PWRITE] = {"pwrite", 3, {ARG_FILE, ARG_NUMBER, ARG_NUMBER}},
    [CALL_LIMIT] = {"limit", 2, {ARG_LIMIT, ARG_NUMBER}},
    [CALL_PRIVILEGE] = {"privilege", 1, {ARG_NUMBER}},
    [CALL_MDWE] = {"mdwe", 1, {ARG_MDWE}},
    [CALL_COPY_IN] = {"copy_in", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_COPY_OUT] = {"copy_out", 2, {ARG_NUMBER, ARG_NUMBER}},
    [CALL_DEBUG] = {"debug", 3, {ARG_NUMBER, ARG_NUMBER, ARG_NUMBER}},
    [CALL_PROCESS_MADVISE] = {"process_madvise",
                              6,
                              {ARG_NUMBER, ARG_NUMBER, ARG_NUMBER, ARG_NUMBER, ARG_ADVICE,
                               ARG_WHOM}},
    [CALL_GIVE_BACK] = {"give_back", 0, {0}},
    [CALL_CROWD] = {"crowd", 2, {ARG_NUMBER, ARG_NUMBER}},
};

/* ---- what the bits are called ---------------------------------------------------------------- */

#define NAME(text, prefix, name)                                                                   \
    {                                                                                              \
        text, #prefix #name, MMK_##prefix##name                                                    \
    }

static const struct flag_name map_names[] = {
    NAME("shared", MAP_, SHARED),
    NAME("private", MAP_, PRIVATE),
    NAME("fixed", MAP_, FIXED),
    NAME("anonymous", MAP_, ANONYMOUS),
    NAME("32bit", MAP_, 32BIT),
    NAME("above4g", MAP_, ABOVE4G),
    NAME("growsdown", MAP_, GROWSDOWN),
    NAME("denywrite", MAP_, DENYWRITE),
    NAME("executable", MAP_, EXECUTABLE),
    NAME("locked", MAP_, LOCKED),
    NAME("noreserve", MAP_, NORESERVE),
    NAME("populate", MAP_, POPULATE),
    NAME("nonblock", MAP_, NONBLOCK),
    NAME("stack", MAP_, STACK),
    NAME("sync", MAP_, SYNC),
    NAME("noreplace", MAP_, FIXED_NOREPLACE),
    {NULL, NULL, 0},
};

static const struct flag_name remap_names[] = {
    NAME("maymove", MREMAP_, MAYMOVE),
    NAME("fixed", MREMAP_, FIXED),
    NAME("dontunmap", MREMAP_, DONTUNMAP),
    {NULL, NULL, 0},
};

static const struct flag_name advice_names[] = {
    NAME("normal", MADV_, NORMAL),
    NAME("random", MADV_, RANDOM),
    NAME("sequential", MADV_, SEQUENTIAL),
    NAME("willneed", MADV_, WILLNEED),
    NAME("dontneed", MADV_, DONTNEED),
    NAME("free", MADV_, FREE),
    NAME("remove", MADV_, REMOVE),
    NAME("dontfork", MADV_, DONTFORK),
    NAME("dofork", MADV_, DOFORK),
    NAME("dontdump", MADV_, DONTDUMP),
    NAME("dodump", MADV_, DODUMP),
    NAME("wipeonfork", MADV_, WIPEONFORK),
    NAME("keeponfork", MADV_, KEEPONFORK),
    NAME("cold", MADV_, COLD),
    NAME("pageout", MADV_, PAGEOUT),
    NAME("populate-read", MADV_, POPULATE_READ),
    NAME("populate-write", MADV_, POPULATE_WRITE),
    NAME("dontneed-locked", MADV_, DONTNEED_LOCKED),
    NAME("guard-install", MADV_, GUARD_INSTALL),
    NAME("guard-remove", MADV_, GUARD_REMOVE),
    {NULL, NULL, 0},
};

static const struct flag_name msync_names[] = {
    NAME("async", MS_, ASYNC),
    NAME("invalidate", MS_, INVALIDATE),
    NAME("sync", MS_, SYNC),
    {NULL, NULL, 0},
};

static const struct flag_name mlock_names[] = {
    NAME("onfault", MLOCK_, ONFAULT),
    {NULL, NULL, 0},
};

static const struct flag_name mlockall_names[] = {
    NAME("current", MCL_, CURRENT),
    NAME("future", MCL_, FUTURE),
    NAME("onfault", MCL_, ONFAULT),
    {NULL, NULL, 0},
};

static const struct flag_name limit_names[] = {
    {"as", "RLIMIT_AS", MMK_LIMIT_AS},
    {"data", "RLIMIT_DATA", MMK_LIMIT_DATA},
    {"stack", "RLIMIT_STACK", MMK_LIMIT_STACK},
    {"memlock", "RLIMIT_MEMLOCK", MMK_LIMIT_MEMLOCK},
    {NULL, NULL, 0},
};

static const struct flag_name mdwe_names[] = {
    {"refuse-exec-gain", "PR_MDWE_REFUSE_EXEC_GAIN", MMK_MDWE_REFUSE_EXEC_GAIN},
    {"no-inherit", "PR_MDWE_NO_INHERIT", MMK_MDWE_NO_INHERIT},
    {NULL, NULL, 0},
};

static const struct flag_name whom_names[] = {
    {"p0", "0", 0},
    {"p1", "1", 1},
    {"p2", "2", 2},
    {"p3", "3", 3},
    {"p4", "4", 4},
    {"p5", "5", 5},
    {"nobody", "NOBODY", WHOM_NOBODY},
    {"flagged", "FLAGGED", WHOM_FLAGGED},
    {"many", "MANY", WHOM_MANY},
    {"too-many", "TOO_MANY", WHOM_TOO_MANY},
    {NULL, NULL, 0},
};

static const struct {
    const struct flag_name *names;
    bool bits;
} kinds[] = {
    [ARG_NUMBER] = {NULL, false},
    [ARG_PROT] = {NULL, false},
    [ARG_MAP] = {map_names, true},
    [ARG_REMAP] = {remap_names, true},
    [ARG_ADVICE] = {advice_names, false},
    [ARG_FILE] = {NULL, false},
    [ARG_MSYNC] = {msync_names, true},
    [ARG_MLOCK] = {mlock_names, true},
    [ARG_MLOCKALL] = {mlockall_names, true},
    [ARG_LIMIT] = {limit_names, false},
    [ARG_MDWE] = {mdwe_names, true},
    [ARG_WHOM] = {whom_names, false},
};

const struct flag_name *argument_names(enum argument kind)
{
    return kinds[kind].names;
}

bool argument_is_bits(enum argument kind)
{
    return kinds[kind].bits;
}

unsigned call_arguments(unsigned call, const enum argument **list)
{
    *list = calls[call].kinds;
    return calls[call].count;
}

const char *call_name(unsigned call)
{
    return calls[call].name;
}

unsigned call_find(const char *name, size_t length)
{
    unsigned call;

    for (call = 0; call < CALLS; call++)
        if (strlen(calls[call].name) == length && memcmp(calls[call].name, name, length) == 0)
            break;
    return call;
}

unsigned op_file(const struct op *op)
{
    unsigned i;

    for (i = 0; i < calls[op->call].count; i++)
        if (calls[op->call].kinds[i] == ARG_FILE && op->args[i] < FILES)
            return (unsigned)op->args[i];
    return FILES;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void print_bits(FILE *stream, const struct flag_name *name, uint64_t value)
{
    const char *between = "";

    for (; name->name; name++) {
        if ((value & name->value) == 0)
            continue;
        fprintf(stream, "%s%s", between, name->name);
        value &= ~name->value;
        between = "|";
    }
    if (value || *between == '\0')
        fprintf(stream, "%s0x%" PRIx64, between, value);
}

static void print_value(FILE *stream, const struct flag_name *name, uint64_t value)
{
    while (name->name && name->value != value)
        name++;
    if (name->name)
        fputs(name->name, stream);
    else
        fprintf(stream, "0x%" PRIx64, value);
}

static void print_prot(FILE *stream, uint64_t prot)
{
    fprintf(stream, "%c%c%c", prot & MMK_PROT_READ ? 'r' : '-', prot & MMK_PROT_WRITE ? 'w' : '-',
            prot & MMK_PROT_EXEC ? 'x' : '-');
}

static void print_argument(FILE *stream, enum argument kind, uint64_t value)
{
    if (kinds[kind].names && kinds[kind].bits)
        print_bits(stream, kinds[kind].names, value);
    else if (kinds[kind].names)
        print_value(stream, kinds[kind].names, value);
    else if (kind == ARG_PROT)
        print_prot(stream, value);
    else if (kind == ARG_FILE && value == FILE_NONE)
        putc('-', stream);
    else if (kind == ARG_FILE)
        fprintf(stream, "f%" PRIu64, value);
    else
        fprintf(stream, "0x%" PRIx64, value);
}

void op_print(FILE *stream, const struct op *op)
{
    const struct description *call = &calls[op->call];
    unsigned i;

    fprintf(stream, "%u %s", op->process, call->name);
    for (i = 0; i < call->count; i++) {
        putc(' ', stream);
        print_argument(stream, call->kinds[i], op->args[i]);
    }
}

/* ---- parsing --------------------------------------------------------------------------------- */

struct word {
    const char *text;
    size_t length;
};

/* => false: the line has no more */
static bool next_word(const char **text, const char *end, struct word *word)
{
    while (*text < end && (**text == ' ' || **text == '\t'))
        (*text)++;
    word->text = *text;
    while (*text < end && **text != ' ' && **text != '\t')
        (*text)++;
    word->length = (size_t)(*text - word->text);
    return word->length > 0;
}

static bool parse_number(const struct word *word, uint64_t *value)
{
    char digits[32], *rest;

    if (word->length >= sizeof(digits) || word->text[0] < '0' || word->text[0] > '9')
        return false;
    memcpy(digits, word->text, word->length);
    digits[word->length] = '\0';
    errno = 0;
    *value = strtoull(digits, &rest, 0);
    return errno == 0 && *rest == '\0';
}

static bool parse_name(const struct flag_name *name, const struct word *word, uint64_t *value)
{
    for (; name->name; name++) {
        if (strlen(name->name) == word->length &&
            memcmp(name->name, word->text, word->length) == 0) {
            *value = name->value;
            return true;
        }
    }
    return parse_number(word, value);
}

static bool parse_bits(const struct flag_name *names, const struct word *word, uint64_t *value)
{
    const char *end = word->text + word->length;
    struct word part = {word->text, 0};
    uint64_t bits;

    for (*value = 0; part.text <= end; part.text += part.length + 1) {
        const char *bar = memchr(part.text, '|', (size_t)(end - part.text));

        part.length = (size_t)((bar ? bar : end) - part.text);
        if (!parse_name(names, &part, &bits))
            return false;
        *value |= bits;
    }
    return true;
}

static bool parse_prot(const struct word *word, uint64_t *value)
{
    static const char letters[] = "rwx";
    unsigned i;

    *value = 0;
    for (i = 0; i < 3 && word->length == 3; i++) {
        if (word->text[i] == letters[i])
            *value |= (uint64_t)1 << i;
        else if (word->text[i] != '-')
            return false;
    }
    return i == 3;
}

static bool parse_file(const struct word *word, uint64_t *value)
{
    *value = FILE_NONE;
    if (word->length == 1 && *word->text == '-')
        return true;
    *value = (uint64_t)word->text[1] - '0';
    return word->length == 2 && *word->text == 'f' && *value < FILES;
}

static bool parse_argument(enum argument kind, const struct word *word, uint64_t *value)
{
    if (kinds[kind].names && kinds[kind].bits)
        return parse_bits(kinds[kind].names, word, value);
    if (kinds[kind].names)
        return parse_name(kinds[kind].names, word, value);
    if (kind == ARG_PROT)
        return parse_prot(word, value);
    if (kind == ARG_FILE)
        return parse_file(word, value);
    return parse_number(word, value);
}

static bool parse_op(const char *text, const char *end, struct op *op)
{
    struct word word;
    uint64_t number;
    unsigned i;

    memset(op, 0, sizeof(*op));
    if (!next_word(&text, end, &word) || !parse_number(&word, &number) || number >= PROCESSES)
        return false;
    op->process = (uint8_t)number;
    if (!next_word(&text, end, &word))
        return false;
    op->call = (uint8_t)call_find(word.text, word.length);
    if (op->call == CALLS)
        return false;
    for (i = 0; i < calls[op->call].count; i++)
        if (!next_word(&text, end, &word) ||
            !parse_argument(calls[op->call].kinds[i], &word, &op->args[i]))
            return false;
    return !next_word(&text, end, &word) && op_is_possible(op);
}

static bool is_blank(const char *text, const char *end)
{
    struct word word;

    return !next_word(&text, end, &word);
}

bool ops_parse(const char *text, struct ops *ops, const char **wrong)
{
    const char *end, *comment;
    size_t room = 1;

    for (end = text; *end; end++)
        room += *end == ';' || *end == '\n';
    ops->count = 0;
    ops->list = calloc(room, sizeof(*ops->list));
    for (*wrong = text; ops->list; *wrong = end + 1) {
        end = *wrong + strcspn(*wrong, ";\n");
        comment = memchr(*wrong, '#', (size_t)(end - *wrong));
        if (comment)
            end = *wrong + strcspn(*wrong, "\n");
        if (!is_blank(*wrong, comment ? comment : end) &&
            !parse_op(*wrong, comment ? comment : end, &ops->list[ops->count++]))
            return false;
        if (*end == '\0')
            return true;
    }
    return false;
}
