/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The table of layouts. */
#include "checkpoint/layout_names.h"

#include <stddef.h>

const fcmae_parameter_role fcmae_block_roles[FCMAE_BLOCK_LEAVES] = {
    FCMAE_ROLE_LAYER_SCALE,   FCMAE_ROLE_DEPTHWISE_WEIGHT, FCMAE_ROLE_DEPTHWISE_BIAS,
    FCMAE_ROLE_NORM_WEIGHT,   FCMAE_ROLE_NORM_BIAS,        FCMAE_ROLE_EXPAND_WEIGHT,
    FCMAE_ROLE_EXPAND_BIAS,   FCMAE_ROLE_GRN_GAMMA,        FCMAE_ROLE_GRN_BETA,
    FCMAE_ROLE_REDUCE_WEIGHT, FCMAE_ROLE_REDUCE_BIAS,
};

static const fcmae_layout_names rows[FCMAE_LAYOUT_LAST] = {
    [FCMAE_LAYOUT_SPARSE -
     1] = {.name = "official sparse",
           .stem = {"downsample_layers.0.0", "downsample_layers.0.1"},
           .downsample = {"downsample_layers.%s.0.ln", "downsample_layers.%s.1"},
           .block = "stages.%s.%b",
           .norm = "norm",
           .head = "head",
           .leaf = {"gamma", "dwconv.kernel", "dwconv.bias", "norm.ln.weight", "norm.ln.bias",
                    "pwconv1.linear.weight", "pwconv1.linear.bias", "grn.gamma", "grn.beta",
                    "pwconv2.linear.weight", "pwconv2.linear.bias"}},
    /* DINOv3's own code writes these names too, and its last norm a second time as norms.3 */
    [FCMAE_LAYOUT_DENSE - 1] = {.name = "official dense",
                                .stem = {"downsample_layers.0.0", "downsample_layers.0.1"},
                                .downsample = {"downsample_layers.%s.0", "downsample_layers.%s.1"},
                                .block = "stages.%s.%b",
                                .norm = "norm",
                                .head = "head",
                                .beside = "norms.",
                                .leaf = {"gamma", "dwconv.weight", "dwconv.bias", "norm.weight",
                                         "norm.bias", "pwconv1.weight", "pwconv1.bias", "grn.gamma",
                                         "grn.beta", "pwconv2.weight", "pwconv2.bias"}},
    [FCMAE_LAYOUT_TIMM - 1] = {.name = "timm",
                               .stem = {"stem.0", "stem.1"},
                               .downsample = {"stages.%s.downsample.0", "stages.%s.downsample.1"},
                               .block = "stages.%s.blocks.%b",
                               .norm = "head.norm",
                               .head = "head.fc",
                               .leaf = {"gamma", "conv_dw.weight", "conv_dw.bias", "norm.weight",
                                        "norm.bias", "mlp.fc1.weight", "mlp.fc1.bias",
                                        "mlp.grn.weight", "mlp.grn.bias", "mlp.fc2.weight",
                                        "mlp.fc2.bias"}},
    [FCMAE_LAYOUT_HUGGINGFACE -
        1] = {.name = "huggingface",
              .stem = {"embeddings.patch_embeddings", "embeddings.layernorm"},
              .downsample = {"encoder.stages.%s.downsampling_layer.0",
                             "encoder.stages.%s.downsampling_layer.1"},
              .block = "encoder.stages.%s.layers.%b",
              .norm = "layernorm",
              .head = "classifier",
              .beside = "hidden_states_norms.",
              .leaf = {"layer_scale_parameter", "dwconv.weight", "dwconv.bias", "layernorm.weight",
                       "layernorm.bias", "pwconv1.weight", "pwconv1.bias", "grn.weight", "grn.bias",
                       "pwconv2.weight", "pwconv2.bias"}},
    /* torchvision/models/convnext.py: V1 alone; stem, stages and downsamplings in one list */
    [FCMAE_LAYOUT_TORCHVISION - 1] = {.name = "torchvision",
                                      .stem = {"features.0.0", "features.0.1"},
                                      .downsample = {"features.%e.0", "features.%e.1"},
                                      .block = "features.%o.%b",
                                      .norm = "classifier.0",
                                      .head = "classifier.2",
                                      .leaf = {"layer_scale", "block.0.weight", "block.0.bias",
                                               "block.2.weight", "block.2.bias", "block.3.weight",
                                               "block.3.bias", NULL, NULL, "block.5.weight",
                                               "block.5.bias"}},
    /* transformers' DINOv3ConvNextModel: V1 alone, no head; models in memory add `model.` */
    [FCMAE_LAYOUT_DINOV3 -
        1] = {.name = "huggingface dinov3",
              .outer = "model",
              .stem = {"stages.0.downsample_layers.0", "stages.0.downsample_layers.1"},
              .downsample = {"stages.%s.downsample_layers.0", "stages.%s.downsample_layers.1"},
              .block = "stages.%s.layers.%b",
              .norm = "layer_norm",
              .leaf = {"gamma", "depthwise_conv.weight", "depthwise_conv.bias", "layer_norm.weight",
                       "layer_norm.bias", "pointwise_conv1.weight", "pointwise_conv1.bias", NULL,
                       NULL, "pointwise_conv2.weight", "pointwise_conv2.bias"}},
    /* mmpretrain's ConvNeXt; its classifiers keep it under `backbone.`, dense maps have norms of
     * their own */
    [FCMAE_LAYOUT_MMPRETRAIN -
        1] = {.name = "mmpretrain",
              .outer = "backbone",
              .stem = {"downsample_layers.0.0", "downsample_layers.0.1"},
              .downsample = {"downsample_layers.%s.0", "downsample_layers.%s.1"},
              .block = "stages.%s.%b",
              .norm = "norm3",
              .head = "head.fc",
              .beside = "norm0.norm1.norm2.",
              .leaf = {"gamma", "depthwise_conv.weight", "depthwise_conv.bias", "norm.weight",
                       "norm.bias", "pointwise_conv1.weight", "pointwise_conv1.bias", "grn.gamma",
                       "grn.beta", "pointwise_conv2.weight", "pointwise_conv2.bias"}},
};

const fcmae_layout_names *fcmae_layout_names_of(fcmae_layout layout)
{
    return &rows[layout - 1];
}

const char *fcmae_layout_name(fcmae_layout layout)
{
    if (layout == FCMAE_LAYOUT_AUTO) return "automatic";
    return layout >= FCMAE_LAYOUT_SPARSE && layout <= FCMAE_LAYOUT_LAST ? rows[layout - 1].name
                                                                        : "unknown";
}

const char *fcmae_block_leaf(fcmae_parameter_role role, fcmae_layout layout)
{
    for (int i = 0; i < FCMAE_BLOCK_LEAVES; i++)
        if (fcmae_block_roles[i] == role) return rows[layout - 1].leaf[i];
    return NULL;
}
