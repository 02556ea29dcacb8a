/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The handle behind fcmae_options, shared by options.c (values) and options_file.c (files). */
#ifndef FCMAE_CORE_OPTIONS_VALUES_H
#define FCMAE_CORE_OPTIONS_VALUES_H

#include "core/options.h"

struct fcmae_options {
    const fcmae_option_set *set;
    void *values;
    fcmae_option_level *levels; /* [count] */
    char **texts;               /* [text_count] copies of what was set */
    int text_count;
};

#endif
