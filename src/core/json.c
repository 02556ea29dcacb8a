/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/text.h"

fcmae_status fcmae_json_parse(const char *text, size_t length, const char *what, json_t **value,
                              fcmae_error *error)
{
    static const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_error_t reason, again;
    json_t *parsed = json_loadb(text, length, flags, &reason);
    if (!parsed) {
        /* jansson takes a token that it had no memory for as a mistake in the text; a mistake
           stands in the same place the second time */
        parsed = json_loadb(text, length, flags, &again);
        bool mistake = !parsed && reason.position == again.position &&
                       strcmp(reason.text, again.text) == 0 && reason.line >= 0;
        json_decref(parsed);
        if (!mistake || json_error_code(&reason) == json_error_out_of_memory)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to parse %s", what);
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not valid JSON: line %d, column %d: %s",
                          what, reason.line, reason.column, reason.text);
    }
    *value = parsed;
    return FCMAE_OK;
}

static void drop_if(bool failed, json_t **container)
{
    if (!failed) return;
    json_decref(*container);
    *container = NULL;
}

void fcmae_json_set(json_t **object, const char *key, json_t *value)
{
    drop_if(json_object_set_new(*object, key, value) != 0, object);
}

void fcmae_json_append(json_t **array, json_t *value)
{
    drop_if(json_array_append_new(*array, value) != 0, array);
}

static int append(const char *bytes, size_t size, void *text)
{
    fcmae_buffer_add(text, bytes, size);
    return 0;
}

/* json_dumps() does not notice when memory for a key is short and leaves the key out; the buffer
   remembers it */
static char *write_text(const json_t *value, size_t flags)
{
    fcmae_buffer text = {0};
    if (json_dump_callback(value, append, &text, flags) != 0) text.failed = true;
    if (text.failed) fcmae_buffer_release(&text);
    return text.text;
}

char *fcmae_json_line(const json_t *value)
{
    return write_text(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

char *fcmae_json_words(const json_t *value, int digits)
{
    return write_text(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION((size_t)digits));
}

char *fcmae_json_page(const json_t *value)
{
    return write_text(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
}

json_t *fcmae_json_figure(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *fcmae_json_lossy_text(const char *text)
{
    json_t *value = json_string(text);
    if (value) return value;
    fcmae_buffer clean = {0};
    for (const char *s = text; *s;) {
        size_t length = fcmae_utf8_length(s);
        if (length > 0)
            fcmae_buffer_add(&clean, s, length);
        else
            fcmae_text_add(&clean, "\xEF\xBF\xBD");
        s += length > 0 ? length : 1;
    }
    value = clean.failed ? NULL : json_string(clean.text);
    fcmae_buffer_release(&clean);
    return value;
}

double fcmae_json_number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

int64_t fcmae_json_integer(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

const char *fcmae_json_text(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? json_string_value(value) : otherwise;
}
