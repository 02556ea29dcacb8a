/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Images to feature vectors with a pretrained encoder, one line of numbers per image.
 *
 *     cc features.c $(pkg-config --cflags --libs fcmae) -lm -o features
 *     ./features my-run/latest photo1.jpg photo2.png > features.txt
 */
#include <fcmae/fcmae.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 224, BATCH = 16 };

/** Runs every image of the loader through the encoder and prints what comes out. */
static fcmae_status print_features(fcmae_engine *engine, fcmae_loader *loader, int channels,
                                   fcmae_error *error)
{
    float *pooled = malloc(BATCH * (size_t)channels * sizeof *pooled);
    fcmae_outputs outputs = {.pooled = pooled};
    fcmae_samples samples;
    fcmae_status status = pooled ? FCMAE_OK : FCMAE_ERR_MEMORY;
    while (status == FCMAE_OK) {
        status = fcmae_loader_next(loader, &samples, error);
        if (status != FCMAE_OK || samples.count == 0) break;
        /* no mask: every cell is visible */
        fcmae_batch batch = {.images = {.count = samples.count,
                                        .bytes = samples.images,
                                        .mean = fcmae_imagenet_mean,
                                        .deviation = fcmae_imagenet_deviation},
                             .samples = samples.count};
        status = fcmae_engine_forward(engine, &batch, &outputs, error);
        for (int i = 0; status == FCMAE_OK && i < samples.count; i++)
            for (int c = 0; c < channels; c++)
                printf("%.6g%c", pooled[i * channels + c], c + 1 < channels ? ' ' : '\n');
    }
    free(pooled);
    return status;
}

int main(int count, char **words)
{
    if (count < 3) {
        fprintf(stderr, "usage: features CHECKPOINT IMAGE...\n");
        return 2;
    }
    fcmae_error error = {0};
    fcmae_model *model = NULL;
    fcmae_engine *engine = NULL;
    fcmae_dataset *dataset = NULL;
    fcmae_loader *loader = NULL;
    fcmae_engine_options options = {.height = SIDE, .width = SIDE, .batch = BATCH};
    fcmae_loader_options loading = {.transform = fcmae_transform_evaluate(SIDE, 0), .batch = BATCH};

    const fcmae_model_source source = {.path = words[1]}; /* its encoder alone */
    fcmae_status status = fcmae_checkpoint_load_model(&model, &source, NULL, NULL, &error);
    if (status == FCMAE_OK) status = fcmae_engine_create(&engine, model, &options, &error);
    if (status == FCMAE_OK)
        status = fcmae_dataset_from_files(&dataset, (const char *const *)words + 2, count - 2,
                                          &error);
    if (status == FCMAE_OK) status = fcmae_loader_create(&loader, dataset, &loading, &error);
    if (status == FCMAE_OK)
        status = print_features(engine, loader, fcmae_model_configuration(model)->dims[3], &error);
    if (status != FCMAE_OK) fprintf(stderr, "features: %s\n", error.message);

    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&dataset);
    fcmae_engine_destroy(&engine);
    fcmae_model_destroy(&model);
    return status == FCMAE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
