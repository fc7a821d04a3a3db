/* SPDX-License-Identifier: MIT */
/*
 * json.h - writes one JSON value to a stream, indented, commas placed.
 *
 * A name is NULL for the outermost value and for the elements of an array.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *stream;
    unsigned depth;
    bool first; /* nothing has been written yet at this depth */
};

void json_begin(struct json *json, FILE *stream);
void json_end(struct json *json);

void json_object(struct json *json, const char *name);
void json_array(struct json *json, const char *name);
void json_close(struct json *json, char bracket); /* '}' or ']' */

void json_string(struct json *json, const char *name, const char *value);
void json_unsigned(struct json *json, const char *name, uint64_t value);
void json_signed(struct json *json, const char *name, int64_t value);
void json_real(struct json *json, const char *name, double value);

#endif
