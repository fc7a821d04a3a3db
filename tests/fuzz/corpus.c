/* SPDX-License-Identifier: MIT */
/*
 * corpus.c - runs a fuzz target on kept inputs, without a fuzzer: lines of a file, in hexadecimal.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* In place, without the line's end. => how many bytes; -1: they are none */
static long read_hex(char *line)
{
    size_t length = strcspn(line, "\n"), i;
    unsigned byte;

    line[length] = '\0';
    if (length % 2 != 0 || strspn(line, "0123456789abcdefABCDEF") != length)
        return -1;
    for (i = 0; i < length / 2; i++) {
        if (sscanf(line + 2 * i, "%2x", &byte) != 1)
            return -1;
        line[i] = (char)byte;
    }
    return (long)(length / 2);
}

/* => how many there are, and a constant: each is a directory, which is a link to the one above */
static unsigned long threads(void)
{
    struct stat tasks;

    return stat("/proc/self/task", &tasks) == 0 ? tasks.st_nlink : 0;
}

int main(int argc, char **argv)
{
    unsigned long before = threads();
    FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
    char *line = NULL;
    size_t room = 0;
    unsigned inputs = 0;
    long size;

    if (!file || LLVMFuzzerInitialize(&argc, &argv) != 0) {
        fprintf(stderr, "usage: corpus FILE\n");
        return 2;
    }
    /* AFL++ forks after it, and a child would be without them. */
    if (threads() != before) {
        fprintf(stderr, "LLVMFuzzerInitialize() has started threads\n");
        return 2;
    }
    while (getline(&line, &room, file) > 0) {
        size = read_hex(line);
        if (size < 0) {
            fprintf(stderr, "%s: not hexadecimal: %.20s...\n", argv[1], line);
            return 2;
        }
        LLVMFuzzerTestOneInput((const uint8_t *)line, (size_t)size);
        inputs++;
    }
    if (ferror(file)) {
        fprintf(stderr, "%s: cannot be read\n", argv[1]);
        return 2;
    }
    free(line);
    fclose(file);
    printf("%u inputs\n", inputs);
    return inputs == 0;
}
