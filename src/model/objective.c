/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Questions to the table of objectives. */
#include "model/objective.h"

#include <stdio.h>
#include <string.h>

#include "core/status.h"

static const char encoder_kind[] = "encoder"; /* a network without objective */

const fcmae_objective *fcmae_objective_find(const char *name)
{
    for (int i = 0; name && fcmae_objectives[i]; i++)
        if (strcmp(fcmae_objectives[i]->name, name) == 0) return fcmae_objectives[i];
    return NULL;
}

const char *fcmae_objective_name(int index)
{
    for (int i = 0; fcmae_objectives[i] && i <= index; i++)
        if (i == index) return fcmae_objectives[i]->name;
    return NULL;
}

const char *fcmae_objective_of_part(fcmae_parameter_part part)
{
    for (int i = 0; fcmae_objectives[i]; i++)
        if (fcmae_objectives[i]->parts & FCMAE_BIT(part)) return fcmae_objectives[i]->name;
    return NULL;
}

const char *fcmae_objective_kind(const fcmae_model_config *config)
{
    const fcmae_objective *objective = fcmae_objective_find(config->objective);
    return objective ? objective->kind : encoder_kind;
}

bool fcmae_objective_of_kind(const char *kind, const char **objective)
{
    *objective = NULL;
    for (int i = 0; fcmae_objectives[i]; i++)
        if (strcmp(fcmae_objectives[i]->kind, kind) == 0) *objective = fcmae_objectives[i]->name;
    return *objective || strcmp(kind, encoder_kind) == 0;
}

bool fcmae_config_has_part(const fcmae_model_config *config, fcmae_parameter_part part)
{
    const fcmae_objective *objective = fcmae_objective_find(config->objective);
    if (part == FCMAE_PART_DOWNSAMPLE || part == FCMAE_PART_BLOCK) return true;
    return objective && (objective->parts & FCMAE_BIT(part));
}

fcmae_status fcmae_objective_check(const fcmae_model_config *config, fcmae_error *error)
{
    const fcmae_objective *objective = fcmae_objective_find(config->objective);
    if (objective) return objective->check ? objective->check(config, error) : FCMAE_OK;
    if (!config->objective) return FCMAE_OK;
    char names[200] = "";
    for (int i = 0; fcmae_objectives[i]; i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "",
                 fcmae_objectives[i]->name);
    }
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "there is no objective %.60s; there are %s",
                      config->objective, names);
}
