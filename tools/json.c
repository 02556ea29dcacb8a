/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "json.h"

int cli_print_json(const cli_arguments *arguments, json_t *object)
{
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(object);
    putchar('\n');
    if (failed) {
        fprintf(stderr, "fcmae %s: the result could not be written as JSON\n",
                arguments->command->set->name);
        return CLI_FAILURE;
    }
    return cli_finish(arguments);
}
