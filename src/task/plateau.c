/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/plateau.h"

#include <math.h>
#include <stdlib.h>

#include "run/run_log.h"

enum { PATIENCE = 5, LEAST_PATIENCE = 5 };
#define WORTH 0.002

fcmae_status fcmae_plateau_add(fcmae_plateau *plateau, double value, fcmae_error *error)
{
    if (plateau->count == plateau->capacity) {
        int64_t capacity = 2 * plateau->capacity + 64;
        double *values = realloc(plateau->values, (size_t)capacity * sizeof *values);
        if (!values) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for measured losses");
        plateau->values = values;
        plateau->capacity = capacity;
    }
    plateau->values[plateau->count++] = value;
    return FCMAE_OK;
}

typedef struct recollection {
    fcmae_plateau *plateau;
    int64_t last;
} recollection;

static fcmae_status recall(void *cookie, int64_t step, double value, fcmae_error *error)
{
    recollection *r = cookie;
    r->last = step;
    return fcmae_plateau_add(r->plateau, value, error);
}

fcmae_status fcmae_plateau_recall(fcmae_plateau *plateau, const char *folder, const char *figure,
                                  int64_t *last, fcmae_error *error)
{
    recollection r = {plateau, -1};
    fcmae_status status = fcmae_run_log_read(folder, figure, recall, &r, error);
    *last = r.last;
    return status;
}

static double lowest(const double *values, int64_t count)
{
    double low = INFINITY;
    for (int64_t i = 0; i < count; i++) low = fmin(low, values[i]); /* passes over NAN */
    return low;
}

bool fcmae_plateau_reached(const fcmae_plateau *plateau, int64_t planned)
{
    int64_t patience = planned / PATIENCE;
    if (patience < LEAST_PATIENCE) patience = LEAST_PATIENCE;
    int64_t before = plateau->count - patience;
    if (before < 1) return false;
    return lowest(plateau->values + before, patience) >
           (1 - WORTH) * lowest(plateau->values, before);
}
