/* SPDX-License-Identifier: MIT */
/*
 * print_c.c - see print_c.h.
 *
 * Processes take turns by a counter that they share: each goes through all steps, and does its own.
 */
#include "print_c.h"

#include "files.h"
#include "window.h"

#include <inttypes.h>

static const char head[] =
    "#define _GNU_SOURCE\n"
    "#include <errno.h>\n"
    "#include <fcntl.h>\n"
    "#include <linux/capability.h>\n"
    "#include <linux/falloc.h>\n"
    "#include <setjmp.h>\n"
    "#include <signal.h>\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <sys/mman.h>\n"
    "#include <sys/resource.h>\n"
    "#include <sys/prctl.h>\n"
    "#include <sys/syscall.h>\n"
    "#include <sys/uio.h>\n"
    "#include <unistd.h>\n"
    "\n"
    "#ifndef MAP_ABOVE4G /* which <sys/mman.h> has since Linux 6.6 */\n"
    "#define MAP_ABOVE4G 0x80\n"
    "#endif\n"
    "\n"
    "static int me, scratch, file[6];\n"
    "static volatile int *turn;\n"
    "static sigjmp_buf way_out;\n"
    "\n"
    "/* Each process goes through all steps, and does its own. */\n"
    "#define STEP(process, number, text, call)                            \\\n"
    "    while (me == (process) && *turn != (number))                     \\\n"
    "        usleep(100);                                                 \\\n"
    "    do {                                                             \\\n"
    "        if (me != (process))                                         \\\n"
    "            break;                                                   \\\n"
    "        errno = 0;                                                   \\\n"
    "        long result = (long)(call);                                  \\\n"
    "        if (me != (process))                                         \\\n"
    "            break; /* the child of this step */                       \\\n"
    "        printf(\"%d %s = %#lx %s\\n\", number, text, result,            \\\n"
    "               errno ? strerror(errno) : \"\");                        \\\n"
    "        fflush(stdout);                                              \\\n"
    "        *turn = (number) + 1;                                        \\\n"
    "    } while (0)\n"
    "\n"
    "static void on_signal(int number, siginfo_t *info, void *context)\n"
    "{\n"
    "    (void)context;\n"
    "    printf(\"signal %d, code %d: \", number, info->si_code);\n"
    "    siglongjmp(way_out, 1);\n"
    "}\n"
    "\n"
    "static long load(unsigned long address)\n"
    "{\n"
    "    return sigsetjmp(way_out, 0) ? -1 : *(volatile long *)address;\n"
    "}\n"
    "\n"
    "static long store(unsigned long address, long word)\n"
    "{\n"
    "    return sigsetjmp(way_out, 0) ? -1 : (*(volatile long *)address = word);\n"
    "}\n"
    "\n"
    "static long run(unsigned long address) /* where a return instruction is */\n"
    "{\n"
    "    return sigsetjmp(way_out, 0) ? -1 : (((void (*)(void))address)(), 0);\n"
    "}\n"
    "\n"
    "static long crowd(unsigned long address, unsigned long less) /* of mappings */\n"
    "{\n"
    "    unsigned long at = address;\n"
    "    for (int prot = 0; mmap((void *)at, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,\n"
    "                            -1, 0) != MAP_FAILED; prot ^= PROT_READ)\n"
    "        at += 4096;\n"
    "    for (; less > 0 && at > address; less--)\n"
    "        munmap((void *)(at -= 4096), 4096);\n"
    "    return (at - address) / 4096;\n"
    "}\n"
    "\n"
    "static long sweep(unsigned long address, unsigned long length)\n"
    "{\n"
    "    for (unsigned long at = address; at < address + length; at += 4096)\n"
    "        printf(\"%#lx: %#lx; \", at, load(at));\n"
    "    return 0;\n"
    "}\n"
    "\n"
    "static long in_core(unsigned long address, unsigned long length)\n"
    "{\n"
    "    static unsigned char vector[1 << 20];\n"
    "    return syscall(SYS_mincore, address, length, vector);\n"
    "}\n"
    "\n"
    "static unsigned long own[RLIM_NLIMITS]; /* what is mapped before the first step */\n"
    "\n"
    "static long limit(int which, unsigned long bytes)\n"
    "{\n"
    "    struct rlimit both;\n"
    "    getrlimit(which, &both);\n"
    "    both.rlim_cur = bytes + own[which];\n"
    "    return setrlimit(which, &both);\n"
    "}\n"
    "\n"
    "static long privilege(int on) /* CAP_IPC_LOCK, for who has it */\n"
    "{\n"
    "    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};\n"
    "    struct __user_cap_data_struct rights[2];\n"
    "    syscall(SYS_capget, &header, rights);\n"
    "    rights[0].effective &= ~(1 << CAP_IPC_LOCK);\n"
    "    rights[0].effective |= on << CAP_IPC_LOCK;\n"
    "    return syscall(SYS_capset, &header, rights);\n"
    "}\n"
    "\n"
    "enum { NOBODY = 6, FLAGGED, MANY, TOO_MANY };\n"
    "\n"
    "static long advise(unsigned long a, unsigned long m, unsigned long b, unsigned long n,\n"
    "                   int advice, int whom) /* turn[1 + process] is its number */\n"
    "{\n"
    "    struct iovec ranges[1025] = {{(void *)a, m}, {(void *)b, n}};\n"
    "    int pid = whom < NOBODY ? turn[1 + whom] : getpid();\n"
    "    int pidfd = whom == NOBODY ? -1 : syscall(SYS_pidfd_open, pid, 0);\n"
    "    int count = whom == MANY ? 1024 : whom == TOO_MANY ? 1025 : 2;\n"
    "    return syscall(SYS_process_madvise, pidfd, ranges, count, advice, whom == FLAGGED);\n"
    "}\n"
    "\n"
    "static char bytes[1 << 20];\n"
    "\n"
    "static long copy_in(unsigned long address, unsigned long length)\n"
    "{\n"
    "    return pwrite(scratch, (void *)address, length, 0);\n"
    "}\n"
    "\n"
    "static long copy_out(unsigned long address, unsigned long length)\n"
    "{\n"
    "    memset(bytes, 0xc3, length);\n"
    "    pwrite(scratch, bytes, length, 0);\n"
    "    return pread(scratch, (void *)address, length, 0);\n"
    "}\n"
    "\n"
    "static long debug(unsigned long address, unsigned long length, int writes)\n"
    "{\n"
    "    int memory = open(\"/proc/self/mem\", O_RDWR);\n"
    "    memset(bytes, 0xc3, length);\n"
    "    return writes ? pwrite(memory, bytes, length, address)\n"
    "                  : pread(memory, bytes, length, address);\n"
    "}\n"
    "\n"
    "static long fork_as(int child)\n"
    "{\n"
    "    int pid = fork();\n"
    "    if (pid == 0)\n"
    "        me = child;\n"
    "    else\n"
    "        turn[1 + child] = pid;\n"
    "    return pid < 0 ? -1 : 0;\n"
    "}\n"
    "\n"
    "/* The heap is where addresses are compared; printf() is to leave it alone. */\n"
    "static void begin(unsigned long heap, unsigned long locked, unsigned long stack)\n"
    "{\n"
    "    static char line[BUFSIZ], text[1 << 14];\n"
    "    setvbuf(stdout, line, _IOLBF, sizeof(line));\n"
    "    read(open(\"/proc/self/status\", O_RDONLY), text, sizeof(text) - 1);\n"
    "    own[RLIMIT_AS] = strtoul(strstr(text, \"VmSize:\") + 7, NULL, 10) << 10;\n"
    "    own[RLIMIT_DATA] = strtoul(strstr(text, \"VmData:\") + 7, NULL, 10) << 10;\n"
    "    struct prctl_mm_map map = {\n"
    "        .start_code = 0x10000, .end_code = 0x20000,\n"
    "        .start_data = 0x20000, .end_data = 0x20000 + own[RLIMIT_DATA],\n"
    "        .start_brk = heap, .brk = heap, .start_stack = 0x100000,\n"
    "        .arg_start = 0x100000, .arg_end = 0x100000,\n"
    "        .env_start = 0x100000, .env_end = 0x100000, .exe_fd = -1};\n"
    "    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) != 0)\n"
    "        perror(\"PR_SET_MM_MAP\");\n"
    "    limit(RLIMIT_MEMLOCK, locked);\n"
    "    limit(RLIMIT_STACK, stack);\n"
    "    privilege(0);\n"
    "}\n"
    "\n";

/* ---- arguments ------------------------------------------------------------------------------- */

static void print_bits(FILE *stream, const struct flag_name *name, uint64_t value)
{
    const char *between = "";

    for (; name->name; name++) {
        if ((value & name->value) == 0)
            continue;
        fprintf(stream, "%s%s", between, name->macro);
        value &= ~name->value;
        between = " | ";
    }
    if (value || *between == '\0')
        fprintf(stream, "%s0x%" PRIx64, between, value);
}

/* By number where the header may be too old to know the name. */
static void print_value(FILE *stream, const struct flag_name *name, uint64_t value)
{
    while (name->name && name->value != value)
        name++;
    fprintf(stream, "0x%" PRIx64, value);
    if (name->name)
        fprintf(stream, " /* %s */", name->macro);
}

static void print_argument(FILE *stream, enum argument kind, uint64_t value)
{
    static const struct flag_name prot[] = {{"r", "PROT_READ", MMK_PROT_READ},
                                            {"w", "PROT_WRITE", MMK_PROT_WRITE},
                                            {"x", "PROT_EXEC", MMK_PROT_EXEC},
                                            {NULL, NULL, 0}};

    if (kind == ARG_PROT)
        print_bits(stream, prot, value);
    else if (kind == ARG_MDWE)
        fprintf(stream, "0x%" PRIx64 "ul", value);
    else if (argument_is_bits(kind))
        print_bits(stream, argument_names(kind), value);
    else if (kind == ARG_LIMIT || kind == ARG_WHOM)
        fputs(argument_names(kind)[value].macro, stream);
    else if (argument_names(kind))
        print_value(stream, argument_names(kind), value);
    else if (kind == ARG_FILE && value == FILE_NONE)
        fputs("-1", stream);
    else if (kind == ARG_FILE)
        fprintf(stream, "file[%" PRIu64 "]", value);
    else
        fprintf(stream, "0x%" PRIx64 "ul", value);
}

static void print_arguments(FILE *stream, const struct op *op, const char *between)
{
    const enum argument *kinds;
    unsigned count = call_arguments(op->call, &kinds), i;

    for (i = 0; i < count; i++) {
        fputs(i == 0 ? between : ", ", stream);
        print_argument(stream, kinds[i], op->args[i]);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void print_call(FILE *stream, const struct op *op)
{
    static const char *const own[CALLS] = {
        [CALL_READ] = "load",       [CALL_WRITE] = "store",
        [CALL_EXEC] = "run",        [CALL_SWEEP] = "sweep",
        [CALL_LIMIT] = "limit",     [CALL_PRIVILEGE] = "privilege",
        [CALL_MINCORE] = "in_core", [CALL_PROCESS_MADVISE] = "advise",
        [CALL_COPY_IN] = "copy_in", [CALL_COPY_OUT] = "copy_out",
        [CALL_DEBUG] = "debug",     [CALL_FORK] = "fork_as",
        [CALL_EXIT] = "exit",       [CALL_TRUNCATE] = "ftruncate",
        [CALL_CROWD] = "crowd",
    };

    if (op->call == CALL_PWRITE) {
        fprintf(stream, "pwrite(file[%" PRIu64 "], &(long){0x%" PRIx64 "}, 8, 0x%" PRIx64 ")",
                op->args[0], op->args[2], op->args[1]);
        return;
    }
    if (op->call == CALL_PUNCH) {
        fprintf(stream,
                "fallocate(file[%" PRIu64
                "], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0x%" PRIx64 ", 0x%" PRIx64 ")",
                op->args[0], op->args[1], op->args[2]);
        return;
    }
    if (op->call == CALL_GIVE_BACK) {
        fputs("0 /* nothing, on Linux */", stream);
        return;
    }
    if (own[op->call])
        fprintf(stream, "%s(", own[op->call]);
    else if (op->call == CALL_MSEAL)
        fputs("syscall(462 /* mseal */", stream);
    else if (op->call == CALL_MDWE)
        fputs("prctl(65 /* PR_SET_MDWE */", stream);
    else
        fprintf(stream, "syscall(SYS_%s", call_name(op->call));
    print_arguments(stream, op, own[op->call] ? "" : ", ");
    fputs(op->call == CALL_MDWE ? ", 0, 0, 0)" : ")", stream);
}

static void print_step(FILE *stream, const struct op *op, size_t number)
{
    if (op->call == CALL_EXIT) {
        fprintf(stream,
                "    if (me == %u) {\n        while (*turn != %zu)\n            usleep(100);\n"
                "        *turn = %zu;\n        _exit(0);\n    }\n",
                op->process, number, number + 1);
        return;
    }
    fprintf(stream, "    STEP(%u, %zu, \"", op->process, number);
    op_print(stream, op);
    fputs("\",\n         ", stream);
    print_call(stream, op);
    fputs(");\n", stream);
}

static void print_setup(FILE *stream)
{
    unsigned i;

    fputs(
        "int main(void)\n{\n"
        "    struct sigaction action = {.sa_sigaction = on_signal,\n"
        "                               .sa_flags = SA_SIGINFO | SA_NODEFER};\n"
        "    char path[64];\n\n"
        "    sigaction(SIGSEGV, &action, NULL);\n"
        "    sigaction(SIGBUS, &action, NULL);\n"
        "    turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);\n"
        "    turn[1] = getpid();\n",
        stream);
    fputs("    scratch = memfd_create(\"scratch\", 0);\n", stream);
    for (i = 0; i < FILES; i++) {
        if (i == FILE_DISK) {
            fprintf(stream,
                    "    file[%u] = open(\".\", O_TMPFILE | O_RDWR, 0600); /* on a disk */\n"
                    "    ftruncate(file[%u], %" PRIu64 ");\n",
                    i, i, files[i].size);
            continue;
        }
        if (files[i].same_as == i) {
            fprintf(stream,
                    "    file[%u] = memfd_create(\"f%u\", 0);\n    ftruncate(file[%u], %" PRIu64
                    ");\n",
                    i, i, i, files[i].size);
            continue;
        }
        fprintf(stream,
                "    snprintf(path, sizeof(path), \"/proc/self/fd/%%d\", file[%u]);\n"
                "    file[%u] = open(path, %s);\n",
                files[i].same_as, i, files[i].mode & MMK_OPEN_WRITE ? "O_WRONLY" : "O_RDONLY");
    }
    fprintf(stream,
            "    for (long i = 0; i < %" PRIu64 "; i++)\n"
            "        pwrite(file[0], &(long){0x%" PRIx64 " + (i << 8)}, 8, 8 * i);\n",
            FILE_FILLED / 8, file_word(0));
    fprintf(stream, "    begin(0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 ");\n", HEAP_START,
            FIRST_MEMLOCK, FIRST_STACK);
}

void print_c(FILE *stream, const struct ops *ops)
{
    size_t i;

    fputs(head, stream);
    print_setup(stream);
    for (i = 0; i < ops->count; i++)
        print_step(stream, &ops->list[i], i);
    fputs("    return 0;\n}\n", stream);
}
