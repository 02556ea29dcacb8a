/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The kinds of run whose recipes a preset may hold. Declared here, where presets are read; the
 * list is that of the tasks (src/task/tasks.c). */
#ifndef FCMAE_MODEL_RECIPES_H
#define FCMAE_MODEL_RECIPES_H

#include "fcmae/options.h"

/** Option set number `index` in the order of the list, or NULL behind the last. */
const fcmae_option_set *fcmae_recipe_set(int index);

#endif
