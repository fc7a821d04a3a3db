/* SPDX-License-Identifier: MIT */
/* arguments.c - see arguments.h. */
#include "arguments.h"

#include "generate.h"
#include "mmkit_side.h"
#include "options.h"
#include "shared_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    KEY_SEED = 0x100,
    KEY_OPS,
    KEY_PROCESSES,
    KEY_ONLY,
    KEY_SHRINK,
    KEY_CHECK,
    KEY_THOROUGH,
    KEY_FAILURES,
    KEY_REPLAY,
    KEY_SCRIPT,
    KEY_PRINT,
    KEY_HUGE,
};

static const struct argp_option option_list[] = {
    {"seed", KEY_SEED, "N", 0, "Where all that is random comes from (default: the time)", 0},
    {"ops", KEY_OPS, "N", 0, "Operations in all (default 100000)", 0},
    {"processes", KEY_PROCESSES, "N", 0, "At most, at a time, forked from each other (default 3)",
     0},
    {"only", KEY_ONLY, "CALLS", 0, "Of these calls only: names, with commas between; ? lists them",
     0},
    {"shrink", KEY_SHRINK, NULL, 0,
     "Reduce a sequence that diverges, of --replay and --script too, to as few operations as it "
     "takes, and print it as a program in C as well",
     0},
    {"failures", KEY_FAILURES, "N", 0, "Stop after so many (default 1)", 0},
    {"check", KEY_CHECK, NULL, 0, "Check mmkit's invariants after each operation", 0},
    {"thorough", KEY_THOROUGH, NULL, 0, "Compare everything after each operation", 0},
    {"huge", KEY_HUGE, "POLICY", 0,
     "Larger pages in mmkit: never (the default), madvise, or always", 0},
    {"replay", KEY_REPLAY, "OPS", 0,
     "One sequence: these operations, with semicolons between, as printed", 0},
    {"script", KEY_SCRIPT, "FILE", 0, "One sequence: the operations in FILE, a line for each", 0},
    {"print", KEY_PRINT, NULL, 0,
     "Print the sequence that --replay or --script gives as a program in C, and do not run it", 0},
    SHARED_OPTIONS,
    {0},
};

/* "mmap, munmap, ...". => a static buffer */
static const char *all_calls(void)
{
    static char names[512];
    size_t length = 0;
    unsigned call;

    for (call = 0; call < CALLS; call++)
        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
                                   call > 0 ? ", " : "", call_name(call));
    return names;
}

static uint32_t parse_calls(const char *text)
{
    uint32_t calls = 0;
    size_t length;
    unsigned call;

    for (;; text += length + 1) {
        length = strcspn(text, ",");
        call = call_find(text, length);
        if (call == CALLS)
            bad_usage("--only: there is no '%.*s', but %s", (int)length, text, all_calls());
        calls |= (uint32_t)1 << call;
        if (text[length] == '\0')
            return calls;
    }
}

/* Of an option given twice the last counts; of two that exclude each other none. */
static void set_source(struct arguments *arguments, const char *option)
{
    if (arguments->source && strcmp(arguments->source, option) != 0)
        bad_usage("%s: not with %s", option, arguments->source);
    arguments->source = option;
}

static void parse_sequence(struct arguments *arguments, const char *from, const char *text)
{
    const char *wrong;

    free(arguments->sequence.list);
    if (!ops_parse(text, &arguments->sequence, &wrong))
        bad_usage("%s: no operation: '%.*s'", from, (int)strcspn(wrong, ";\n"), wrong);
    if (arguments->sequence.count == 0)
        bad_usage("%s: no operations", from);
}

static void read_sequence(struct arguments *arguments, const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    if (!file || (getdelim(&text, &size, '\0', file) < 0 && ferror(file)))
        bad_usage("%s: %s", path, strerror(errno));
    parse_sequence(arguments, path, text ? text : "");
    fclose(file);
    free(text);
}

/* => false: not of these */
static bool parse_flag(int key, struct arguments *arguments)
{
    switch (key) {
    case KEY_SHRINK:
        arguments->shrink = true;
        return true;
    case KEY_CHECK:
        arguments->check = true;
        return true;
    case KEY_PRINT:
        arguments->print = true;
        return true;
    case KEY_THOROUGH:
        arguments->thorough = true;
        return true;
    default:
        return false;
    }
}

/* What a search goes by. => false: not of these */
static bool parse_of_search(int key, const char *text, struct arguments *arguments)
{
    switch (key) {
    case KEY_SEED:
        arguments->seed = usage_number("seed", text, 0, UINT64_MAX);
        arguments->of_search = "--seed";
        return true;
    case KEY_OPS:
        arguments->ops = usage_number("ops", text, 1, UINT64_MAX);
        arguments->of_search = "--ops";
        return true;
    case KEY_PROCESSES:
        arguments->processes = (unsigned)usage_number("processes", text, 1, PROCESSES);
        arguments->of_search = "--processes";
        return true;
    case KEY_FAILURES:
        arguments->failures = usage_number("failures", text, 1, UINT64_MAX);
        arguments->of_search = "--failures";
        return true;
    case KEY_ONLY:
        arguments->calls = parse_calls(text);
        arguments->of_search = "--only";
        return true;
    default:
        return false;
    }
}

static enum mmk_huge_policy parse_huge(const char *text)
{
    unsigned policy;

    if (!option_word(text, (const char *const[]){"never", "madvise", "always", NULL}, &policy))
        bad_usage("--huge %s: expected never, madvise or always", text);
    return (enum mmk_huge_policy)policy;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_HUGE:
        mmkit_side_set_huge(parse_huge(text));
        return 0;
    case KEY_REPLAY:
        set_source(arguments, "--replay");
        parse_sequence(arguments, "--replay", text);
        return 0;
    case KEY_SCRIPT:
        set_source(arguments, "--script");
        read_sequence(arguments, text);
        return 0;
    default:
        return parse_flag(key, arguments) || parse_of_search(key, text, arguments) ||
                       shared_option_only(key, text, state, &arguments->json)
                   ? 0
                   : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Make the same calls on the running Linux, in processes of its own, and on mmkit, and "
           "compare after each what a program can see: what the call answers, what can be read, "
           "written and executed, what is mapped and what is in memory.\v"
           "Exit status: 0 no difference; 1 a divergence, or mmkit failed; 2 bad usage, too "
           "little memory, no Linux to compare with, or results that could not be written.\n\n"
           "docs/TESTING.md says what is compared; docs/SEMANTICS.md, where mmkit differs on "
           "purpose.",
};

/* What was given and could say nothing is refused, rather than passed over. */
static void refuse_idle(const struct arguments *arguments)
{
    if (arguments->source && arguments->of_search)
        bad_usage("%s: not with %s, which is one sequence", arguments->of_search,
                  arguments->source);
    if (!arguments->print)
        return;
    if (!arguments->source)
        bad_usage("--print: expected --replay or --script");
    if (arguments->shrink || arguments->check || arguments->thorough || arguments->json)
        bad_usage("--print: not with --shrink, --check, --thorough or --json: nothing is run");
}

void arguments_parse(struct arguments *arguments, int argc, char **argv)
{
    *arguments = (struct arguments){
        .seed = (uint64_t)time(NULL),
        .ops = 100000,
        .failures = 1,
        .processes = 3,
        .calls = UINT32_MAX,
    };
    argp_err_exit_status = STATUS_BAD_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, arguments);
    if (arguments->processes == 1)
        arguments->calls &= ~((uint32_t)1 << CALL_FORK | (uint32_t)1 << CALL_EXIT);
    arguments->calls &= CALLS_ALL;
    refuse_idle(arguments);
    if (!generate_can(arguments->calls))
        bad_usage("--only: nothing is left that could be done at any time");
}
