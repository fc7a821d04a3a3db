/* SPDX-License-Identifier: MIT */
/* json.c - see json.h. */
#include "json.h"

#include <inttypes.h>

/* Bytes above 0x7f pass through: names in recordings are UTF-8, or the reader's problem. */
static void write_string(FILE *stream, const char *text)
{
    const unsigned char *at;

    putc('"', stream);
    for (at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            putc('\\', stream);
            putc(*at, stream);
        } else if (*at < 0x20) {
            fprintf(stream, "\\u%04x", *at);
        } else {
            putc(*at, stream);
        }
    }
    putc('"', stream);
}

static void start_value(struct json *json, const char *name)
{
    if (json->depth > 0)
        fprintf(json->stream, "%s\n%*s", json->first ? "" : ",", (int)json->depth * 2, "");
    json->first = false;
    if (name != NULL) {
        write_string(json->stream, name);
        fputs(": ", json->stream);
    }
}

void json_begin(struct json *json, FILE *stream)
{
    json->stream = stream;
    json->depth = 0;
    json->first = true;
}

void json_end(struct json *json)
{
    putc('\n', json->stream);
}

static void open_bracket(struct json *json, const char *name, char bracket)
{
    start_value(json, name);
    putc(bracket, json->stream);
    json->depth++;
    json->first = true;
}

void json_object(struct json *json, const char *name)
{
    open_bracket(json, name, '{');
}

void json_array(struct json *json, const char *name)
{
    open_bracket(json, name, '[');
}

void json_close(struct json *json, char bracket)
{
    json->depth--;
    if (!json->first)
        fprintf(json->stream, "\n%*s", (int)json->depth * 2, "");
    putc(bracket, json->stream);
    json->first = false;
}

void json_string(struct json *json, const char *name, const char *value)
{
    start_value(json, name);
    write_string(json->stream, value);
}

void json_unsigned(struct json *json, const char *name, uint64_t value)
{
    start_value(json, name);
    fprintf(json->stream, "%" PRIu64, value);
}

void json_signed(struct json *json, const char *name, int64_t value)
{
    start_value(json, name);
    fprintf(json->stream, "%" PRId64, value);
}

void json_real(struct json *json, const char *name, double value)
{
    start_value(json, name);
    fprintf(json->stream, "%.6f", value);
}
