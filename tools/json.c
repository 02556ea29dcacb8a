/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void drop_if(bool failed, json_t **container)
{
    if (!failed) return;
    json_decref(*container);
    *container = NULL;
}

void cli_json_set(json_t **object, const char *key, json_t *value)
{
    drop_if(json_object_set_new(*object, key, value) != 0, object);
}

void cli_json_append(json_t **array, json_t *value)
{
    drop_if(json_array_append_new(*array, value) != 0, array);
}

void cli_json_update(json_t **object, json_t *others)
{
    drop_if(json_object_update_new(*object, others) != 0, object);
}

static void *allocate(size_t size)
{
    static const char sentence[] = "fcmae: no memory for a value of a JSON text\n";
    void *memory = malloc(size);
    if (memory) return memory;
    if (write(STDERR_FILENO, sentence, sizeof sentence - 1) < 0) _exit(CLI_FAILURE);
    _exit(CLI_FAILURE);
}

void cli_json_insist_on_memory(void)
{
    json_set_alloc_funcs(allocate, free);
}

json_t *cli_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value) return value;
    char *clean = malloc(3 * strlen(text) + 1), *end = clean;
    if (!clean) return NULL;
    for (const char *s = text; *s; s++)
        if ((unsigned char)*s < 0x80)
            *end++ = *s;
        else
            end = mempcpy(end, "\xEF\xBF\xBD", 3);
    *end = 0;
    value = json_string(clean);
    free(clean);
    return value;
}

json_t *cli_json_figure(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

int cli_print_json(const cli_arguments *arguments, json_t *object)
{
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(object);
    putchar('\n');
    if (failed && !ferror(stdout)) {
        fprintf(
            stderr,
            "fcmae %s: the result could not be made into JSON: no memory, or a path is no UTF-8\n",
            arguments->command->set->name);
        return CLI_FAILURE;
    }
    return cli_finish(arguments);
}
