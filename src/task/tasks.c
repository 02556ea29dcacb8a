/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/tasks.h"

#include <string.h>

#include "model/recipes.h"

static const fcmae_run_task *const tasks[] = {
#define ENTRY(name) &fcmae_task_##name,
    FCMAE_TASKS(ENTRY)
#undef ENTRY
};

const fcmae_option_set *fcmae_task_at(int index)
{
    return index >= 0 && index < FCMAE_COUNT(tasks) ? &tasks[index]->options : NULL;
}

const fcmae_option_set *fcmae_task_options(const char *task)
{
    for (int i = 0; i < FCMAE_COUNT(tasks); i++)
        if (strcmp(tasks[i]->options.name, task) == 0) return &tasks[i]->options;
    return NULL;
}

const fcmae_option_set *fcmae_recipe_set(int index)
{
    return fcmae_task_at(index);
}

fcmae_status fcmae_train(fcmae_options *options, const fcmae_train_callbacks *callbacks,
                         fcmae_train_result *result, fcmae_error *error)
{
    const fcmae_option_set *set = fcmae_options_describe(options);
    for (int i = 0; i < FCMAE_COUNT(tasks); i++)
        if (&tasks[i]->options == set)
            return fcmae_run_carry_out(tasks[i], options, callbacks, result, error);
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is no kind of training", set->name);
}
