/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Private side of fcmae/options.h: one value in the member that its row names. */
#ifndef FCMAE_CORE_OPTIONS_H
#define FCMAE_CORE_OPTIONS_H

#include "core/json.h"
#include "fcmae/options.h"

/**
 * Reads a text into the member of a row. Texts are stored as the pointer given.
 * @return FCMAE_ERR_ARGUMENT: "mask-ratio 2: must be in (0, 1)"; the member is unchanged then.
 */
fcmae_status fcmae_option_parse(const fcmae_option *option, const char *text, void *values,
                                fcmae_error *error);
/** Which of the words "auto|portable" this is, from 0 on; -1: none. */
int fcmae_option_choice(const char *choices, const char *word);
/** Whether a number lies in the interval of a row: "[1, 64)"; NULL: every one does. */
bool fcmae_option_in_range(const char *range, double value);
/** The value of a member in JSON; a new reference, NULL if memory is short. */
json_t *fcmae_option_json(const fcmae_option *option, const void *values);
/** Writes the defaults of a set into a struct, everything else zero; for sets without TEXTS. */
void fcmae_option_defaults(const fcmae_option_set *set, void *values);

#endif
