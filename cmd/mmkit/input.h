/* SPDX-License-Identifier: MIT */
/*
 * input.h - the lines of a text file, plain or zstd-compressed (told apart by content, not by
 * name), or of standard input.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

enum input_status {
    INPUT_LINE,  /* a line */
    INPUT_END,   /* no more lines */
    INPUT_ERROR, /* a message has been printed */
};

/*
 * Opens `path`; "-" is standard input.
 * => NULL after printing "PROGRAM: NAME: REASON"; the caller ends with input_close()
 */
struct input *input_open(const char *path);
void input_close(struct input *input);

/*
 * The next line, without its newline, which a complete line has. A NUL byte in it is an error.
 * => valid until the next call
 */
enum input_status input_line(struct input *input, char **line, size_t *length);

const char *input_name(const struct input *input);     /* as messages show it */
uint64_t input_line_number(const struct input *input); /* of the last line, from 1 */

/* Prints "NAME:LINE: MESSAGE" to stderr, about the last line read, and escapes what is no text. */
__attribute__((format(printf, 2, 3))) void input_complain(const struct input *input,
                                                          const char *format, ...);

#endif
