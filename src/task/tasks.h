/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The tasks. A new one is a file that defines it, and its line in this list. */
#ifndef FCMAE_TASK_TASKS_H
#define FCMAE_TASK_TASKS_H

#include "run/run.h"

#define FCMAE_TASKS(TASK) \
    TASK(pretrain)        \
    TASK(finetune)

#define FCMAE_DECLARE_TASK(name) extern const fcmae_run_task fcmae_task_##name;
FCMAE_TASKS(FCMAE_DECLARE_TASK)
#undef FCMAE_DECLARE_TASK

#endif
