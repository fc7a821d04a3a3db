/* SPDX-License-Identifier: MIT */
/* console.c - a line is put together, then written at once. */
#include "console.h"

#include "hardware.h"

#include <stdarg.h>

struct line {
    char text[200];
    size_t size;
};

static void put_char(struct line *line, char c)
{
    if (line->size < sizeof(line->text))
        line->text[line->size++] = c;
}

static void put_text(struct line *line, const char *text)
{
    while (*text)
        put_char(line, *text++);
}

static void put_number(struct line *line, unsigned long number, unsigned base)
{
    char digits[24];
    unsigned count = 0;

    do
        digits[count++] = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    while (count > 0)
        put_char(line, digits[--count]);
}

static void put_signed(struct line *line, long number)
{
    if (number < 0)
        put_char(line, '-');
    put_number(line, number < 0 ? 0 - (unsigned long)number : (unsigned long)number, 10);
}

void say(const char *format, ...)
{
    struct line line = {.size = 0};
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            put_char(&line, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            put_text(&line, va_arg(args, const char *));
            break;
        case 'c':
            put_char(&line, (char)va_arg(args, int));
            break;
        case 'd':
            put_signed(&line, va_arg(args, int));
            break;
        default: /* 'l': two letters */
            format++;
            if (*format == 'd')
                put_signed(&line, va_arg(args, long));
            else
                put_number(&line, va_arg(args, unsigned long), *format == 'x' ? 16 : 10);
        }
    }
    va_end(args);
    hardware_write(line.text, line.size);
}
