/* SPDX-License-Identifier: MIT */
/* replay_cmd.c - `mmkit replay`: options, runs, reports, exit status. */
#include "replay_cmd.h"

#include "clock.h"
#include "fold.h"
#include "options.h"
#include "report.h"
#include "results.h"
#include "shared_options.h"
#include "version.h"

#include <machine.h>

#include <error.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_POLICY = 0x100,
    KEY_COMPARE,
    KEY_MEMORY,
    KEY_SWAP,
    KEY_AROUND,
    KEY_BLOCK,
    KEY_HUGE,
    KEY_SPECULATE,
    KEY_CHECK,
    KEY_WRONG_AT,
};

enum { CHECK_INTERVAL = 1000, POLICIES = 3, STATUS_FAULT = 1, STATUS_BAD_INPUT = 2 };

static const char *const policy_names[POLICIES] = {
    [MMK_TABLES_MMKIT] = "mmkit",
    [MMK_TABLES_LINUX_618] = "linux-6.18",
    [MMK_TABLES_NEVER] = "never",
};

struct arguments {
    const char *trace, *json;
    bool policy_given;
    unsigned first_policy, policies;
    struct replay_options options;
};

static const struct argp_option option_list[] = {
    {"policy", KEY_POLICY, "NAME", 0,
     "Which empty page tables are freed: mmkit (all, at once; the default), linux-6.18, never", 0},
    {"compare", KEY_COMPARE, NULL, 0, "Run all three policies, one after the other", 0},
    {"memory", KEY_MEMORY, "SIZE", 0,
     "RAM of the machine; K, M, G and T multiply by 1024 (default: what the trace can need at "
     "most)",
     0},
    {"swap", KEY_SWAP, "SIZE", 0,
     "Swap space: where private and shared pages go when memory is short; as --memory (default: "
     "none)",
     0},
    {"around", KEY_AROUND, "SIZE", 0,
     "A fault that reads a file or shared memory also maps what is in memory within SIZE, aligned "
     "to that: a power of two, up to what a page table covers (default: 4K, the page alone; Linux: "
     "64K)",
     0},
    {"huge", KEY_HUGE, "POLICY", 0,
     "Larger pages of private and shared memory, and of files: never (the default), madvise, where "
     "the program has asked for them, or always; small ones become some in the background",
     0},
    {"block", KEY_BLOCK, "SIZE", 0,
     "Where --huge would have a larger page, and cannot: how much a first write maps at once, as "
     "--around (default: 4K)",
     0},
    {"speculate", KEY_SPECULATE, "on|off", 0,
     "Whether faults try to do without the lock of the address space's mappings (default: on)", 0},
    {"check", KEY_CHECK, "N", OPTION_ARG_OPTIONAL,
     "After every event check what it touched; every N events (default 1000) and at the end, "
     "everything",
     0},
    SHARED_OPTIONS,
    {"wrong-at", KEY_WRONG_AT, "N", OPTION_HIDDEN, NULL, 0}, /* for tests of the checks */
    {0},
};

static void parse_policy(struct argp_state *state, struct arguments *arguments, const char *name)
{
    unsigned policy;

    for (policy = 0; policy < POLICIES; policy++) {
        if (strcmp(name, policy_names[policy]) == 0) {
            arguments->first_policy = policy;
            return;
        }
    }
    argp_failure(state, STATUS_BAD_INPUT, 0, "--policy %s: expected mmkit, linux-6.18 or never",
                 name);
}

/* The machine's RAM is touched before the clock starts: more than there is would end the host. */
static uint64_t host_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void parse_memory(struct argp_state *state, struct arguments *arguments, const char *text)
{
    uint64_t bytes;

    if (!option_size(text, &bytes) || bytes < MMK_PAGE_SIZE) {
        argp_failure(state, STATUS_BAD_INPUT, 0,
                     "--memory %s: expected a size of at least 4K, such as 512M", text);
    }
    if (bytes > host_memory())
        argp_failure(state, STATUS_BAD_INPUT, 0, "--memory %s: expected no more than this host has",
                     text);
    arguments->options.memory = mmk_page_down(bytes);
    arguments->options.memory_text = text;
}

/* What one table covers at most. */
static uint64_t parse_window(struct argp_state *state, const char *option, const char *text)
{
    uint64_t most = (uint64_t)MMK_PAGE_SIZE << machine_format.index_bits, bytes;

    if (!option_size(text, &bytes) || bytes < MMK_PAGE_SIZE || bytes > most ||
        (bytes & (bytes - 1)) != 0)
        argp_failure(state, STATUS_BAD_INPUT, 0,
                     "--%s %s: expected a power of two from 4K to %" PRIu64 "K, such as 64K",
                     option, text, most / 1024);
    return bytes;
}

static void parse_huge(struct argp_state *state, struct arguments *arguments, const char *name)
{
    unsigned policy;

    if (!option_word(name, (const char *const[]){"never", "madvise", "always", NULL}, &policy))
        argp_failure(state, STATUS_BAD_INPUT, 0, "--huge %s: expected never, madvise or always",
                     name);
    arguments->options.huge = (enum mmk_huge_policy)policy;
}

static bool parse_switch(struct argp_state *state, const char *option, const char *text)
{
    unsigned on;

    if (!option_word(text, (const char *const[]){"off", "on", NULL}, &on))
        argp_failure(state, STATUS_BAD_INPUT, 0, "--%s %s: expected on or off", option, text);
    return on != 0;
}

static uint64_t parse_count(struct argp_state *state, const char *option, const char *text)
{
    uint64_t number = 0;

    if (!option_number(text, &number) || number == 0)
        argp_failure(state, STATUS_BAD_INPUT, 0, "--%s=%s: expected a number from 1", option, text);
    return number;
}

/* An option's value that is optional needs the "=": in `--check 5 TRACE` the trace is "5". */
static void parse_trace(struct argp_state *state, struct arguments *arguments, const char *text)
{
    uint64_t number;

    if (*text == '\0')
        argp_failure(state, STATUS_BAD_INPUT, 0, "expected a trace, not an empty name");
    if (arguments->trace != NULL) {
        bool detached = arguments->options.check_interval != 0 &&
                        (option_number(arguments->trace, &number) || option_number(text, &number));

        argp_failure(state, STATUS_BAD_INPUT, 0, "'%s' and '%s': expected one trace a run%s",
                     arguments->trace, text, detached ? "; N is given as --check=N" : "");
    }
    arguments->trace = text;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_POLICY:
        parse_policy(state, arguments, text);
        arguments->policy_given = true;
        return 0;
    case KEY_COMPARE:
        arguments->policies = POLICIES;
        return 0;
    case KEY_MEMORY:
        parse_memory(state, arguments, text);
        return 0;
    case KEY_SWAP:
        if (!option_size(text, &arguments->options.swap) || arguments->options.swap < MMK_PAGE_SIZE)
            argp_failure(state, STATUS_BAD_INPUT, 0,
                         "--swap %s: expected a size of at least 4K, such as 512M", text);
        arguments->options.swap_text = text;
        return 0;
    case KEY_AROUND:
        arguments->options.around = parse_window(state, "around", text);
        return 0;
    case KEY_BLOCK:
        arguments->options.block = parse_window(state, "block", text);
        return 0;
    case KEY_HUGE:
        parse_huge(state, arguments, text);
        return 0;
    case KEY_SPECULATE:
        arguments->options.speculate = parse_switch(state, "speculate", text);
        return 0;
    case KEY_CHECK:
        arguments->options.check_interval =
            text == NULL ? CHECK_INTERVAL : parse_count(state, "check", text);
        return 0;
    case KEY_WRONG_AT:
        arguments->options.wrong_at = parse_count(state, "wrong-at", text);
        return 0;
    case ARGP_KEY_ARG:
        parse_trace(state, arguments, text);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_failure(state, STATUS_BAD_INPUT, 0, "expected a trace");
        return 0;
    case ARGP_KEY_END:
        if (arguments->policy_given && arguments->policies > 1)
            argp_failure(state, STATUS_BAD_INPUT, 0,
                         "expected --policy or --compare, which runs all policies, not both");
        return 0;
    default:
        return shared_option(key, text, state, &arguments->json) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "TRACE",
    .doc =
        "Replay a recording of real programs (the text of `perf script`, plain or "
        "zstd-compressed; - is standard input) on mmkit: every process and thread, every "
        "memory call at its recorded address, every page fault as a real access. Each page "
        "that is written is stamped, each access checks what the program must see, and at the "
        "end every frame must be back.\v"
        "Exit status: 0 all is well; 1 mmkit is at fault (a divergence, a leak, or, under "
        "policy mmkit, a page table more than the live pages need); 2 bad usage, bad input, "
        "too little memory, or results that could not be written.\n\n"
        "docs/REPLAY.md explains each row of the report and each key of the JSON object, and how "
        "to record a program.",
};

static bool is_fault(const struct report *report, unsigned policy)
{
    const struct replay_result *result = &report->result;

    return result->divergences > 0 || result->leaked_frames != 0 ||
           (policy == MMK_TABLES_MMKIT && result->tables.excess_max_bytes > 0);
}

/* A run that ended early has no report, but what it found wrong counts. */
static int judge_incomplete(const struct report *report)
{
    const struct replay_result *result = &report->result;

    if (result->leaked_frames != 0)
        error(0, 0, "%s: %" PRId64 " frames did not come back", report->trace,
              result->leaked_frames);
    return result->leaked_frames != 0 || result->divergences > 0 ? STATUS_FAULT : STATUS_BAD_INPUT;
}

/* => the exit status; if not 0, there is nothing to report: a message has been printed */
static int run(const struct arguments *arguments, struct report *reports)
{
    struct replay_options options = arguments->options;
    struct program *program;
    double start = clock_seconds();
    double parse_seconds;
    int status = 0;
    unsigned i;

    program = program_read(arguments->trace);
    if (program == NULL)
        return STATUS_BAD_INPUT;
    if (!fold_program(program, machine_format.user_bits, tool_format)) {
        program_free(program);
        return STATUS_BAD_INPUT;
    }
    parse_seconds = clock_seconds() - start;
    if (options.memory_text == NULL)
        options.memory = replay_estimate_memory(program, options.huge);
    for (i = 0; i < arguments->policies && status == 0; i++) {
        options.policy = (enum mmk_table_policy)(arguments->first_policy + i);
        reports[i].trace = arguments->trace;
        reports[i].format = tool_format;
        reports[i].policy = policy_names[options.policy];
        reports[i].parse_seconds = parse_seconds;
        if (!replay_run(program, &options, &reports[i].result))
            status = judge_incomplete(&reports[i]);
    }
    program_free(program);
    return status;
}

static void write_json(FILE *stream, const struct arguments *arguments,
                       const struct report *reports)
{
    struct json json;
    unsigned i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    if (arguments->policies == 1) {
        report_json(&json, &reports[0]);
    } else {
        json_string(&json, "trace", arguments->trace);
        json_array(&json, "policies");
        for (i = 0; i < arguments->policies; i++) {
            json_object(&json, NULL);
            report_json(&json, &reports[i]);
            json_close(&json, '}');
        }
        json_close(&json, ']');
    }
    json_close(&json, '}');
    json_end(&json);
}

static void write_reports(const struct arguments *arguments, const struct report *reports,
                          FILE *json)
{
    report_print(json == stdout ? stderr : stdout, reports, arguments->policies);
    if (json != NULL)
        write_json(json, arguments, reports);
}

int replay_cmd(int argc, char **argv)
{
    struct arguments arguments = {
        .first_policy = MMK_TABLES_MMKIT, .policies = 1, .options.speculate = true};
    struct report reports[POLICIES];
    FILE *json;
    unsigned i;
    int status;

    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    arguments.options.progress = isatty(STDERR_FILENO) != 0;
    if (arguments.policies > 1)
        arguments.first_policy = 0;
    if (!results_open_json(arguments.json, &json))
        return STATUS_BAD_INPUT;
    status = run(&arguments, reports);
    if (status == 0) {
        write_reports(&arguments, reports, json);
        for (i = 0; i < arguments.policies; i++)
            if (is_fault(&reports[i], arguments.first_policy + i))
                status = STATUS_FAULT;
    }
    return results_close_json(arguments.json, json) ? status : STATUS_BAD_INPUT;
}
