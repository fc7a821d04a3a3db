/* SPDX-License-Identifier: MIT */
/*
 * input.c - reads lines through two buffers: bytes as they are in the file, and text.
 *
 * Invariants:
 *  1. text[line_start .. text_size) has not been handed out yet.
 *  2. A frame that ends early is an error, never the end of the lines: half a recording would
 *     replay without complaint.
 * A final line without its newline is an error too: it may have lost its last digits.
 * Rejected: mmap of plain files (standard input and .zst need the buffers anyway).
 */
#include "input.h"

#include "host_alloc.h"

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { RAW_CAPACITY = 1 << 16, TEXT_CAPACITY = 1 << 16, LINE_MAX_LENGTH = 1 << 20 };

struct input {
    char *name;
    int fd;
    uint64_t line_number;

    uint8_t raw[RAW_CAPACITY];
    ZSTD_inBuffer raw_left;
    bool raw_ended;

    ZSTD_DStream *stream; /* NULL: plain text */
    size_t frame_left;    /* what ZSTD_decompressStream() said last: 0 between frames */

    char *text;
    size_t text_capacity, text_size, line_start;
};

/* What a recording holds could tell a terminal anything: what is not printable is shown as \xNN. */
void input_complain(const struct input *input, const char *format, ...)
{
    va_list arguments;
    char text[512];
    const char *at;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%" PRIu64 ": ", input->name, input->line_number);
    for (at = text; *at != '\0'; at++)
        if (*at >= ' ' && *at <= '~')
            putc(*at, stderr);
        else
            fprintf(stderr, "\\x%02x", (unsigned char)*at);
    putc('\n', stderr);
}

static bool read_raw(struct input *input)
{
    ssize_t got;

    do {
        got = read(input->fd, input->raw, sizeof(input->raw));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        error(0, errno, "%s", input->name);
        return false;
    }
    input->raw_left = (ZSTD_inBuffer){input->raw, (size_t)got, 0};
    input->raw_ended = got == 0;
    return true;
}

/* Decides by the magic number, which the first read of a file or a pipe brings whole. */
static bool detect_compression(struct input *input)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};

    if (input->raw_left.size < sizeof(magic) || memcmp(input->raw, magic, sizeof(magic)) != 0)
        return true;
    input->stream = ZSTD_createDStream();
    if (input->stream == NULL || ZSTD_isError(ZSTD_initDStream(input->stream))) {
        error(0, 0, "%s: cannot start decompression", input->name);
        return false;
    }
    return true;
}

struct input *input_open(const char *path)
{
    struct input *input = host_alloc(1, sizeof(*input));
    bool is_stdin = strcmp(path, "-") == 0;

    input->name = strdup(is_stdin ? "<stdin>" : path);
    input->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    input->text = host_alloc(TEXT_CAPACITY, 1);
    input->text_capacity = TEXT_CAPACITY;
    if (input->fd < 0) {
        error(0, errno, "%s", path);
        input_close(input);
        return NULL;
    }
    if (!read_raw(input) || !detect_compression(input)) {
        input_close(input);
        return NULL;
    }
    return input;
}

void input_close(struct input *input)
{
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    ZSTD_freeDStream(input->stream);
    free(input->text);
    free(input->name);
    free(input);
}

static void copy_plain(struct input *input)
{
    size_t room = input->text_capacity - input->text_size;
    size_t left = input->raw_left.size - input->raw_left.pos;
    size_t size = left < room ? left : room;

    memcpy(input->text + input->text_size, input->raw + input->raw_left.pos, size);
    input->raw_left.pos += size;
    input->text_size += size;
}

static bool decompress(struct input *input)
{
    ZSTD_outBuffer out = {input->text, input->text_capacity, input->text_size};

    if (input->frame_left == 0 && input->raw_left.pos == input->raw_left.size)
        return true; /* between frames; asking would begin a next one */
    input->frame_left = ZSTD_decompressStream(input->stream, &out, &input->raw_left);
    input->text_size = out.pos;
    if (ZSTD_isError(input->frame_left)) {
        if (ZSTD_getErrorCode(input->frame_left) == ZSTD_error_memory_allocation)
            host_alloc_failed();
        input->line_number++;
        input_complain(input, "damaged zstd data (%s), expected a whole .zst file",
                       ZSTD_getErrorName(input->frame_left));
        return false;
    }
    return true;
}

/* Moves what is left to the front, and doubles the buffer when one line fills it. */
static void make_room(struct input *input)
{
    size_t left = input->text_size - input->line_start;

    memmove(input->text, input->text + input->line_start, left);
    input->text_size = left;
    input->line_start = 0;
    input->text = host_grow(input->text, left, &input->text_capacity, 1);
}

/* Brings more text. => INPUT_LINE: there may be more; INPUT_END: the file has been used up */
static enum input_status refill(struct input *input)
{
    size_t before;

    make_room(input);
    before = input->text_size;
    for (;;) {
        if (input->stream == NULL)
            copy_plain(input);
        else if (!decompress(input))
            return INPUT_ERROR;
        if (input->text_size > before)
            return INPUT_LINE;
        if (input->raw_left.pos < input->raw_left.size)
            continue;
        if (input->raw_ended)
            return INPUT_END;
        if (!read_raw(input))
            return INPUT_ERROR;
    }
}

/* The file has ended: was it at the end of a line, and of a compressed frame? */
static enum input_status check_end(struct input *input)
{
    bool rest = input->line_start < input->text_size;

    if (rest || input->frame_left != 0) {
        input->line_number++;
        input_complain(input, "%s, expected a newline at the end of the last line",
                       input->frame_left != 0 ? "compressed data ends in the middle"
                                              : "truncated line");
        return INPUT_ERROR;
    }
    return INPUT_END;
}

static enum input_status hand_out(struct input *input, char *newline, char **line, size_t *length)
{
    *line = input->text + input->line_start;
    *length = (size_t)(newline - *line);
    *newline = '\0';
    input->line_start += *length + 1;
    input->line_number++;
    if (strlen(*line) != *length) {
        input_complain(input, "a NUL byte, expected text");
        return INPUT_ERROR;
    }
    return INPUT_LINE;
}

enum input_status input_line(struct input *input, char **line, size_t *length)
{
    enum input_status status;
    size_t seen = 0; /* bytes of this line that hold no newline */
    char *newline;

    for (;;) {
        size_t left = input->text_size - input->line_start;

        newline = memchr(input->text + input->line_start + seen, '\n', left - seen);
        if (newline != NULL)
            return hand_out(input, newline, line, length);
        if (left > LINE_MAX_LENGTH) {
            input->line_number++;
            input_complain(input, "a line of over %d bytes, expected text", LINE_MAX_LENGTH);
            return INPUT_ERROR;
        }
        seen = left;
        status = refill(input);
        if (status == INPUT_ERROR)
            return INPUT_ERROR;
        if (status == INPUT_END)
            return check_end(input);
    }
}

const char *input_name(const struct input *input)
{
    return input->name;
}

uint64_t input_line_number(const struct input *input)
{
    return input->line_number;
}
