/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "common_options.h"

#include "fcmae/train.h"

/* The kinds of training have all rows, other commands those behind the first: they have their own
 * --json where there is something to print. */
static const fcmae_option rows[] = {
    {"json", FCMAE_OPTION_FLAG, .help = "Print the result as one JSON object."},
    {"config", FCMAE_OPTION_TEXT, .unit = "FILE",
     .help = "Options from a file: the config.json of a run, or lines \"mask_ratio = 0.75\". What "
             "is given on the command line wins."},
    {"quiet", FCMAE_OPTION_FLAG, .help = "No progress and no remarks on standard error."},
    {"help", FCMAE_OPTION_FLAG, .help = "Show this text."},
};
static const fcmae_option_set training = {
    .name = "common", .options = rows, .count = FCMAE_COUNT(rows)};
static const fcmae_option_set others = {
    .name = "common", .options = rows + 1, .count = FCMAE_COUNT(rows) - 1};

const fcmae_option_set *cli_common_of(const fcmae_option_set *set)
{
    return fcmae_task_options(set->name) ? &training : &others;
}

bool cli_is_typed(const fcmae_option *option)
{
    return option->type != FCMAE_OPTION_HEADING && !option->positional &&
           option->source == FCMAE_SOURCE_ANY;
}
