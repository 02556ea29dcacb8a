/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "fcmae/optimiser.h"

double fcmae_schedule_rate(const fcmae_schedule *schedule, double epoch)
{
    if (epoch < schedule->warmup_epochs) return schedule->lr * epoch / schedule->warmup_epochs;
    if (epoch >= schedule->epochs) return schedule->min_lr;
    double done = (epoch - schedule->warmup_epochs) / (schedule->epochs - schedule->warmup_epochs);
    return schedule->min_lr +
           (schedule->lr - schedule->min_lr) * 0.5 * (1 + cos(3.14159265358979323846 * done));
}
