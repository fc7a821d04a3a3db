/* SPDX-License-Identifier: MIT */
/* arguments.c - see arguments.h. */
#include "arguments.h"

#include "corpus.h"
#include "deviations.h"
#include "options.h"
#include "shared_options.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_SCENARIO = 0x100,
    KEY_STRATEGY,
    KEY_MEMORY,
    KEY_SEED,
    KEY_RUNS,
    KEY_JOBS,
    KEY_CORPUS,
    KEY_PLANT,
    KEY_MUTATE_ORDERS,
    KEY_SHARING,
    KEY_LIST,
    KEY_FORMAT,
    KEY_PART,
    KEY_REPLAY,
    KEY_HASH,
    KEY_WORKER,
};

enum { JOBS_MAX = 256 };

static const struct argp_option option_list[] = {
    {"scenario", KEY_SCENARIO, "NAME", 0,
     "Which one: a name, a pattern with * and ?, or all (the default)", 0},
    {"strategy", KEY_STRATEGY, "NAME", 0,
     "How schedules are chosen: random; pct:D, priorities with D - 1 changes (default: random and "
     "pct:5 in turn); exhaustive:B, all with at most B preemptions, or exhaustive:B:H, where "
     "hardware walks or "
     "forgets at most H times on its own account",
     0},
    {"memory", KEY_MEMORY, "MODEL", 0,
     "What a load may return: sc, the last value stored (the default), or weak, what C11 allows. "
     "Of all scenarios, those of rules and kernels run with both by default",
     0},
    {"seed", KEY_SEED, "N", 0, "The first schedule's seed; the next has the next (default 1)", 0},
    {"runs", KEY_RUNS, "N", 0,
     "Schedules of each scenario (default 10000; exhaustive: all there are)", 0},
    {"jobs", KEY_JOBS, "N", 0, "Processes at once (default: as many as there are processors)", 0},
    {"format", KEY_FORMAT, "NAME", 0, "Only in this page-table format", 0},
    {"part", KEY_PART, "I/N", 0, "Only every Nth scenario, or order, from number I, below N", 0},
    {"corpus", KEY_CORPUS, NULL, 0,
     "Search for mistakes that are planted in the library, each in turn, in the scenario that "
     "should find it (default 200000 schedules each)",
     0},
    {"plant", KEY_PLANT, "NAME", 0, "Plant this mistake; the names are those of --corpus", 0},
    {"mutate-orders", KEY_MUTATE_ORDERS, NULL, 0,
     "Weaken the memory orders of the library, each in turn, until a schedule fails", 0},
    {"sharing", KEY_SHARING, NULL, 0,
     "Do each pair of operations that commute (--scenario: those whose names fit), and tell which "
     "cache lines one of the two has written and the other used",
     0},
    {"replay", KEY_REPLAY, "STEP:CPU,...", 0,
     "One run: the plain one, but at these steps other CPUs go on; `plain' for no such steps. As "
     "printed when a run fails, with its seed",
     0},
    {"list", KEY_LIST, NULL, 0, "Print the scenarios, and what each is about", 0},
    {"hash", KEY_HASH, NULL, 0,
     "Print, for each scenario, a number that is the same for the same schedules", 0},
    SHARED_OPTIONS,
    {"worker", KEY_WORKER, "FD", OPTION_HIDDEN, NULL, 0},
    {0},
};

static void parse_strategy(struct arguments *arguments, const char *text)
{
    if (!strategy_parse(&arguments->strategy, text))
        bad_usage("--strategy %s: expected random, pct:D with D from 1 to %d, or exhaustive:B[:H]",
                  text, STRATEGY_DEPTH_MAX);
}

static void parse_memory(struct arguments *arguments, const char *text)
{
    arguments->weak = strcmp(text, "weak") == 0;
    arguments->sc = strcmp(text, "sc") == 0;
    if (!arguments->weak && !arguments->sc)
        bad_usage("--memory %s: expected sc or weak", text);
}

static void parse_part(struct arguments *arguments, const char *text)
{
    const char *slash = strchr(text, '/');
    char first[32];
    uint64_t part = 0, parts = 0;

    if (slash && slash - text < (ptrdiff_t)sizeof(first)) {
        memcpy(first, text, (size_t)(slash - text));
        first[slash - text] = '\0';
        if (option_number(first, &part) && option_number(slash + 1, &parts) && part < parts &&
            parts <= UINT_MAX) {
            arguments->part = (unsigned)part;
            arguments->parts = (unsigned)parts;
            return;
        }
    }
    bad_usage("--part %s: expected I/N, with I below N", text);
}

static void parse_plant(struct arguments *arguments, const char *text)
{
    arguments->plant = corpus_find(text);
    if (!arguments->plant)
        bad_usage("--plant %s: no such mistake; see --corpus", text);
}

static void parse_replay(struct arguments *arguments, const char *text)
{
    arguments->replay = true;
    if (!deviations_parse(text, &arguments->deviations))
        bad_usage("--replay %.64s: expected STEP:CPU,STEP:CPU,... with rising steps, or plain",
                  text);
}

/* => false: not of these */
static bool parse_flag(int key, struct arguments *arguments)
{
    switch (key) {
    case KEY_CORPUS:
        arguments->corpus = true;
        return true;
    case KEY_MUTATE_ORDERS:
        arguments->mutate_orders = true;
        return true;
    case KEY_SHARING:
        arguments->sharing = true;
        return true;
    case KEY_LIST:
        arguments->list = true;
        return true;
    case KEY_HASH:
        arguments->hash = true;
        return true;
    default:
        return false;
    }
}

/* => false: not of these */
static bool parse_count(int key, const char *text, struct arguments *arguments)
{
    switch (key) {
    case KEY_SEED:
        arguments->seed = usage_number("seed", text, 0, UINT64_MAX);
        return true;
    case KEY_RUNS:
        arguments->runs = usage_number("runs", text, 1, UINT64_MAX);
        return true;
    case KEY_JOBS:
        arguments->jobs = (unsigned)usage_number("jobs", text, 1, JOBS_MAX);
        return true;
    case KEY_WORKER:
        arguments->worker = (int)usage_number("worker", text, 0, INT_MAX);
        return true;
    default:
        return false;
    }
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_SCENARIO:
        arguments->scenario = text;
        return 0;
    case KEY_STRATEGY:
        parse_strategy(arguments, text);
        arguments->strategy_given = true;
        return 0;
    case KEY_MEMORY:
        parse_memory(arguments, text);
        return 0;
    case KEY_FORMAT:
        arguments->format = text;
        return 0;
    case KEY_PART:
        parse_part(arguments, text);
        return 0;
    case KEY_PLANT:
        parse_plant(arguments, text);
        return 0;
    case KEY_REPLAY:
        parse_replay(arguments, text);
        return 0;
    default:
        return parse_flag(key, arguments) || parse_count(key, text, arguments) ||
                       shared_option_only(key, text, state, &arguments->json)
                   ? 0
                   : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc =
        "Run small programs on a deterministic machine: at each access to a shared word and each "
        "call of the port another virtual CPU may go on. What happens follows from the seed. "
        "A schedule that fails is printed with what repeats it, and reduced to the switches that "
        "it needs.\v"
        "Exit status: 0 all is well; 1 a schedule failed, or none did where a mistake was "
        "planted; 2 bad usage, too little memory, or "
        "results that could not be written.\n\n"
        "docs/TESTING.md says what a schedule that passes proves, and what it does not.",
};

/* What would be passed over in silence is a mistake, too. */
static void check_together(const struct arguments *arguments)
{
    if (arguments->list + arguments->corpus + arguments->mutate_orders + arguments->sharing +
            arguments->replay >
        1)
        bad_usage("expected one of --list, --corpus, --mutate-orders, --sharing and --replay");
    if ((arguments->corpus || arguments->mutate_orders) && arguments->plant)
        bad_usage("--plant: expected no --corpus and no --mutate-orders");
    if (arguments->corpus && (strcmp(arguments->scenario, "all") != 0 || arguments->format))
        bad_usage("--corpus: expected no --scenario and no --format; see --plant");
    if ((arguments->replay || arguments->list) && arguments->json)
        bad_usage("--json: expected no --replay and no --list");
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > JOBS_MAX ? JOBS_MAX : (unsigned)count;
}

void arguments_parse(struct arguments *arguments, int argc, char **argv)
{
    *arguments = (struct arguments){
        .scenario = "all",
        .strategy = {.kind = STRATEGY_RANDOM},
        .seed = 1,
        .jobs = processors(),
        .parts = 1,
        .worker = -1,
    };
    argp_err_exit_status = STATUS_BAD_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, arguments);
    check_together(arguments);
}
