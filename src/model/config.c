/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/status.h"
#include "fcmae/model.h"

int fcmae_config_patch(const fcmae_model_config *config)
{
    return config->stem_stride << (FCMAE_STAGES - 1);
}

int fcmae_config_patch_values(const fcmae_model_config *config)
{
    int patch = fcmae_config_patch(config);
    return patch * patch * config->channels;
}

static fcmae_status check_range(const char *field, int64_t value, int64_t low, int64_t high,
                                fcmae_error *error)
{
    if (value >= low && value <= high) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is %lld, but must be between %lld and %lld",
                      field, (long long)value, (long long)low, (long long)high);
}

static fcmae_status check_multiple(const char *field, int value, int unit, fcmae_error *error)
{
    if (value % unit == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is %d, but must be a multiple of %d", field,
                      value, unit);
}

fcmae_status fcmae_config_check(const fcmae_model_config *config, fcmae_error *error)
{
    FCMAE_TRY(check_range("kind", config->kind, FCMAE_KIND_PRETRAIN, FCMAE_KIND_ENCODER, error));
    FCMAE_TRY(check_range("version", config->version, 1, 2, error));
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        FCMAE_TRY(check_range("depths", config->depths[stage], 1, 256, error));
        FCMAE_TRY(check_range("dims", config->dims[stage], 8, 16384, error));
        FCMAE_TRY(check_multiple("dims", config->dims[stage], 8, error));
    }
    FCMAE_TRY(check_range("channels", config->channels, 1, 64, error));
    if (config->stem_stride != 2 && config->stem_stride != 4 && config->stem_stride != 8)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "stem_stride is %d, but the stem is built for 2, 4 or 8 (patches of 16, "
                          "32 or 64 pixels)",
                          config->stem_stride);
    if (config->kind == FCMAE_KIND_PRETRAIN) {
        FCMAE_TRY(check_range("decoder_depth", config->decoder_depth, 1, 64, error));
        FCMAE_TRY(check_range("decoder_dim", config->decoder_dim, 16, 8192, error));
        FCMAE_TRY(check_multiple("decoder_dim", config->decoder_dim, 16, error));
    }
    if (config->kind == FCMAE_KIND_CLASSIFIER)
        FCMAE_TRY(check_range("classes", config->classes, 1, 1000000, error));
    FCMAE_TRY(check_range("grn_scope", config->grn_scope, FCMAE_GRN_IMAGE, FCMAE_GRN_BATCH, error));
    if (config->version == 1 &&
        !(config->layer_scale_init > -1e6 && config->layer_scale_init < 1e6))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "layer_scale_init is %g",
                          config->layer_scale_init);
    return FCMAE_OK;
}
