/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Presets: a model of a known size together with the recipe it was trained by.
 *
 * A preset is a short .ini file (see models/ of the sources for all of them) with three sections.
 * [model] says what the network is, [pretrain] and [finetune] how it is trained. The files of the
 * published sizes are built into the library; any other model is a file of one's own:
 *
 *     [model]
 *     depths = 2, 2, 6, 2
 *     dims = 40, 80, 160, 320
 *
 * Only depths and dims must be given; everything else has the defaults stated below. Unknown
 * sections and keys, keys given twice and impossible values are refused with file and line.
 *
 * Numbers: ConvNeXt V2 (Woo et al., arXiv 2301.00808), tables 8 to 11, and the commands published
 * with its code where the two differ (models/base.ini says where).
 */
#ifndef FCMAE_PRESET_H
#define FCMAE_PRESET_H

#include "fcmae/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Masked pretraining (section [pretrain]; key = member). lr = base_lr * batch / 256. */
typedef struct fcmae_pretrain_recipe {
    double base_lr;       /**< per 256 images; 1.5e-4                                            */
    double min_lr;        /**< where the cosine ends; 0                                          */
    double weight_decay;  /**< 0.05                                                              */
    double beta1, beta2;  /**< AdamW; 0.9, 0.95                                                  */
    double epsilon;       /**< AdamW; 1e-8                                                       */
    int batch;            /**< images per optimiser step, accumulation included; 4096             */
    double epochs;        /**< 800; may be a fraction                                            */
    double warmup_epochs; /**< linear warm-up, per step; 40                                       */
    double mask_ratio;    /**< part of the cells removed, in (0, 1); 0.6                          */
    double crop_min, crop_max; /**< area of the random resized crop as part of the image; 0.2, 1 */
    double flip; /**< probability of a horizontal flip; 0.5                             */
} fcmae_pretrain_recipe;

/** How layer-wise learning-rate decay numbers the layers. */
typedef enum fcmae_layer_grouping {
    FCMAE_LAYERS_SINGLE = 0, /**< every block is a layer ("single") */
    FCMAE_LAYERS_GROUP = 1 /**< 12 layers, the third stage in threes ("group"); for 3, 3, 27, 3   */
} fcmae_layer_grouping;

/** Supervised fine-tuning (section [finetune]; key = member). lr = base_lr * batch / 256. */
typedef struct fcmae_finetune_recipe {
    double base_lr;       /**< per 256 images; 8e-4                                            */
    double min_lr;        /**< where the cosine ends; 1e-6                                     */
    double weight_decay;  /**< not applied to biases, norms and GRN; 0.05                       */
    double beta1, beta2;  /**< AdamW; 0.9, 0.999                                               */
    double epsilon;       /**< AdamW; 1e-8                                                     */
    int batch;            /**< images per optimiser step, accumulation included; 1024           */
    double epochs;        /**< 300                                                             */
    double warmup_epochs; /**< 40                                                              */
    double layer_decay;   /**< factor of the learning rate from layer to layer, in (0, 1]; 0.9    */
    fcmae_layer_grouping layer_grouping; /**< single | group; single */
    double rand_augment_magnitude;       /**< 0 .. 10; 9. Two operations per image       */
    double rand_augment_deviation;       /**< standard deviation of the magnitude; 0.5       */
    double random_erasing;  /**< probability; 0.25                                               */
    double label_smoothing; /**< in [0, 1); 0.1                                                  */
    double mixup, cutmix; /**< alpha of the Beta distribution, 0: off; 0.8, 1.0                   */
    double mix_switch;    /**< with both on: probability of cutmix; 0.5                         */
    double drop_path;     /**< rate of the last block, rising linearly from 0; 0.2               */
    double ema;           /**< decay of the averaged weights per step, 0: off; 0.9999            */
    double head_init;     /**< standard deviation of the fresh head's weights; 2e-5              */
} fcmae_finetune_recipe;

typedef struct fcmae_recipe {
    fcmae_pretrain_recipe pretrain;
    fcmae_finetune_recipe finetune;
} fcmae_recipe;

/** The defaults stated above: what a preset file that gives no recipe gets. */
FCMAE_API void fcmae_recipe_default(fcmae_recipe *recipe);
/** The defaults of [model]: version 2, 3 channels, stem 4, decoder 1 x 512, norm_pix on, GRN per
 *  image, layer_scale_init 1e-6, objective "masked", 1000 classes; depths and dims are 0. */
FCMAE_API void fcmae_config_default(fcmae_model_config *config);

/**
 * Reads a preset.
 * @param name    a built-in name ("atto", "base-v1", see fcmae_preset_names()) or the path of a
 * file. A name without '/' and '.' that is built in means the built-in one, whatever files lie
 * about.
 * @param config  [out] objective "masked", 1000 classes: set both as needed.
 * @param recipe  [out] may be NULL.
 * @return FCMAE_ERR_NOT_FOUND (the sentence lists the names), FCMAE_ERR_IO, FCMAE_ERR_FORMAT with
 *         file and line; outputs are untouched then.
 */
FCMAE_API fcmae_status fcmae_preset_load(const char *name, fcmae_model_config *config,
                                         fcmae_recipe *recipe, fcmae_error *error);

/** The same from text; `file` is the name used in errors and, without folder and .ini,
 * config->name. */
FCMAE_API fcmae_status fcmae_preset_parse(const char *text, const char *file,
                                          fcmae_model_config *config, fcmae_recipe *recipe,
                                          fcmae_error *error);

/** Names of the built-in presets, smallest first, V1 after V2. Static. */
FCMAE_API const char *const *fcmae_preset_names(int *count);
/** Text of a built-in preset, to start one's own from; NULL if there is none of that name. */
FCMAE_API const char *fcmae_preset_text(const char *name);

#ifdef __cplusplus
}
#endif
#endif
