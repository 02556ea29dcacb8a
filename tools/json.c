/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *texts_json(const cli_texts *texts)
{
    json_t *list = json_array();
    for (int i = 0; i < texts->count; i++)
        json_array_append_new(list, json_string(texts->items[i]));
    return list;
}

static json_t *choice_json(const cli_option *option, int index)
{
    const char *at = option->choices;
    for (int i = 0; i < index; i++) at = strchr(at, '|') + 1;
    return json_stringn(at, strcspn(at, "|"));
}

static json_t *value_json(const cli_option *option, const void *values)
{
    const void *member = (const char *)values + option->offset;
    switch (option->type) {
    case CLI_FLAG:
    case CLI_SWITCH: return json_boolean(*(const bool *)member);
    case CLI_INTEGER: return json_integer(*(const int64_t *)member);
    case CLI_NUMBER: return json_real(*(const double *)member);
    case CLI_TEXT: {
        const char *text = *(const char *const *)member;
        return text ? json_string(text) : json_null();
    }
    case CLI_CHOICE: return choice_json(option, *(const int *)member);
    case CLI_TEXTS: return texts_json(member);
    case CLI_HEADING: break;
    }
    return json_null();
}

char *cli_options_json(const cli_arguments *arguments)
{
    json_t *object = json_object();
    for (int i = 0; i < arguments->command->option_count; i++) {
        const cli_option *option = &arguments->command->options[i];
        if (option->type == CLI_HEADING) continue;
        char key[64];
        snprintf(key, sizeof key, "%s", option->name);
        for (char *c = key; *c; c++)
            if (*c == '-') *c = '_';
        json_t *value = value_json(option, arguments->values);
        json_object_set_new(object, key, value ? value : json_null());
    }
    char *text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    return text;
}

int cli_print_json(const cli_arguments *arguments, json_t *object)
{
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(object);
    putchar('\n');
    if (failed) {
        fprintf(stderr, "fcmae %s: the result could not be written as JSON\n",
                arguments->command->name);
        return CLI_FAILURE;
    }
    return cli_finish(arguments);
}
