/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/status.h"
#include "fcmae/preset.h"
#include "model/model_options.h"
#include "model/objective.h"

#define AT(member) offsetof(fcmae_model_config, member)
static const fcmae_option model_rows[] = {FCMAE_MODEL_OPTIONS(AT, FCMAE_SOURCE_ANY),
                                          FCMAE_DECODER_OPTIONS(AT, FCMAE_SOURCE_ANY)};
const fcmae_option_set fcmae_model_option_set = {.name = "model",
                                                 .options = model_rows,
                                                 .count = FCMAE_COUNT(model_rows),
                                                 .values_size = sizeof(fcmae_model_config)};

void fcmae_config_default(fcmae_model_config *config)
{
    fcmae_option_defaults(&fcmae_model_option_set, config);
    config->objective = "masked";
}

int fcmae_config_patch(const fcmae_model_config *config)
{
    return config->stem_stride << (FCMAE_STAGES - 1);
}

int fcmae_config_patch_values(const fcmae_model_config *config)
{
    int patch = fcmae_config_patch(config);
    return patch * patch * config->channels;
}

fcmae_status fcmae_check_row(const fcmae_model_config *config, const char *name, fcmae_error *error)
{
    const fcmae_option *row = fcmae_option_find(&fcmae_model_option_set, name);
    const void *member = (const char *)config + row->offset;
    int values = row->type == FCMAE_OPTION_FOUR ? 4 : 1;
    for (int i = 0; i < values; i++) {
        double value = row->type == FCMAE_OPTION_NUMBER ? *(const double *)member
                                                        : ((const int *)member)[i];
        if (!fcmae_option_in_range(row->range, value)) /* false for NaN */
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is %g, but must be in %s", name, value,
                              row->range);
    }
    return FCMAE_OK;
}

fcmae_status fcmae_check_multiple(const char *field, int value, int unit, fcmae_error *error)
{
    if (value % unit == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is %d, but must be a multiple of %d", field,
                      value, unit);
}

fcmae_status fcmae_config_check(const fcmae_model_config *config, fcmae_error *error)
{
    FCMAE_TRY(fcmae_check_row(config, "version", error));
    FCMAE_TRY(fcmae_check_row(config, "depths", error));
    FCMAE_TRY(fcmae_check_row(config, "dims", error));
    for (int stage = 0; stage < FCMAE_STAGES; stage++)
        FCMAE_TRY(fcmae_check_multiple("dims", config->dims[stage], 8, error));
    FCMAE_TRY(fcmae_check_row(config, "channels", error));
    if (config->stem_stride != 2 && config->stem_stride != 4 && config->stem_stride != 8)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "stem_stride is %d, but the stem is built for 2, 4 or 8 (patches of 16, "
                          "32 or 64 pixels)",
                          config->stem_stride);
    if (config->grn_scope != FCMAE_GRN_IMAGE && config->grn_scope != FCMAE_GRN_BATCH)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "grn_scope is %d", config->grn_scope);
    if (config->version == 1) FCMAE_TRY(fcmae_check_row(config, "layer_scale_init", error));
    return fcmae_objective_check(config, error);
}
