/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/status.h"
#include "model/objective.h"

int fcmae_config_patch(const fcmae_model_config *config)
{
    return config->stem_stride << (FCMAE_STAGES - 1);
}

int fcmae_config_patch_values(const fcmae_model_config *config)
{
    int patch = fcmae_config_patch(config);
    return patch * patch * config->channels;
}

fcmae_status fcmae_check_range(const char *field, int64_t value, int64_t low, int64_t high,
                               fcmae_error *error)
{
    if (value >= low && value <= high) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is %lld, but must be between %lld and %lld",
                      field, (long long)value, (long long)low, (long long)high);
}

fcmae_status fcmae_check_multiple(const char *field, int value, int unit, fcmae_error *error)
{
    if (value % unit == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is %d, but must be a multiple of %d", field,
                      value, unit);
}

fcmae_status fcmae_config_check(const fcmae_model_config *config, fcmae_error *error)
{
    FCMAE_TRY(fcmae_check_range("version", config->version, 1, 2, error));
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        FCMAE_TRY(fcmae_check_range("depths", config->depths[stage], 1, 256, error));
        FCMAE_TRY(fcmae_check_range("dims", config->dims[stage], 8, 16384, error));
        FCMAE_TRY(fcmae_check_multiple("dims", config->dims[stage], 8, error));
    }
    FCMAE_TRY(fcmae_check_range("channels", config->channels, 1, 64, error));
    if (config->stem_stride != 2 && config->stem_stride != 4 && config->stem_stride != 8)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "stem_stride is %d, but the stem is built for 2, 4 or 8 (patches of 16, "
                          "32 or 64 pixels)",
                          config->stem_stride);
    FCMAE_TRY(
        fcmae_check_range("grn_scope", config->grn_scope, FCMAE_GRN_IMAGE, FCMAE_GRN_BATCH, error));
    if (config->version == 1 &&
        !(config->layer_scale_init > -1e6 && config->layer_scale_init < 1e6))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "layer_scale_init is %g",
                          config->layer_scale_init);
    return fcmae_objective_check(config, error);
}
