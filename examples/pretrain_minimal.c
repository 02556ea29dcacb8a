/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Masked pretraining in one page: a model, an engine, an optimiser and a loop.
 *
 * Sixteen drawn images stand for a data set. Every step hides 60 % of each and lets the network
 * fill it in; the printed loss falls because the images are learned by heart. Ends with status 0 if
 * it did.
 *
 *     cc pretrain_minimal.c $(pkg-config --cflags --libs fcmae) -lm -o pretrain_minimal
 */
#include <fcmae/fcmae.h>
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 16, SIDE = 96, CELLS = (SIDE / 32) * (SIDE / 32), STEPS = 30 };

static uint8_t pixels[IMAGES][SIDE][SIDE][3];
static uint8_t removed[IMAGES][CELLS];

/** A disc of one colour on a slope of another, different in every image. */
static void draw(int image)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int dx = x - 20 - 4 * image, dy = y - 70 + 3 * image;
            int inside = dx * dx + dy * dy < 25 * 25;
            for (int c = 0; c < 3; c++)
                pixels[image][y][x][c] = (uint8_t)(inside ? (image * 37 + c * 90) % 256
                                                          : (x + y + c * 30 * image) % 256);
        }
}

static int stop(const fcmae_error *error)
{
    fprintf(stderr, "%s\n", error->message);
    return EXIT_FAILURE;
}

int main(void)
{
    fcmae_error error = {0};
    fcmae_model_config config;
    fcmae_model *model = NULL;
    if (fcmae_preset_load("atto", &config, &error) != FCMAE_OK ||
        fcmae_model_create(&model, &config, &error) != FCMAE_OK)
        return stop(&error);
    fcmae_model_initialise(model, 1);

    int visible = fcmae_mask_visible(CELLS, 0.6);
    fcmae_engine_options options = {
        .train = true, .height = SIDE, .width = SIDE, .visible_cells = visible, .batch = IMAGES};
    fcmae_engine *engine = NULL;
    fcmae_adamw *optimiser = NULL;
    fcmae_adamw_options adamw = fcmae_adamw_defaults();
    if (fcmae_engine_create(&engine, model, &options, &error) != FCMAE_OK ||
        fcmae_adamw_create(&optimiser, model, &adamw, &error) != FCMAE_OK)
        return stop(&error);

    for (int i = 0; i < IMAGES; i++) draw(i);
    fcmae_batch batch = {.images = {.count = IMAGES,
                                    .bytes = &pixels[0][0][0][0],
                                    .mean = fcmae_imagenet_mean,
                                    .deviation = fcmae_imagenet_deviation},
                         .samples = IMAGES,
                         .removed = &removed[0][0]};
    const fcmae_mask_shape shape = {.seed = 1,
                                    .height = SIDE / 32,
                                    .width = SIDE / 32,
                                    .unit = 1,
                                    .visible = visible,
                                    .views = 1};
    double first = 0, loss = 0;
    float *gradients;
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < IMAGES; i++)
            if (fcmae_mask_generate(&shape, (uint32_t)step, (uint64_t)i, removed[i], &error) !=
                FCMAE_OK)
                return stop(&error);
        fcmae_engine_zero_gradients(engine);
        if (fcmae_engine_step(engine, &batch, 1, &loss, &error) != FCMAE_OK ||
            fcmae_engine_gradients(engine, &gradients, &error) != FCMAE_OK ||
            fcmae_adamw_step(optimiser, fcmae_model_values(model), gradients, 1e-3, 0, NULL,
                             &error) != FCMAE_OK)
            return stop(&error);
        fcmae_engine_pack(engine);
        if (step == 0) first = loss;
        if (step % 5 == 0 || step == STEPS - 1) printf("step %2d  loss %.4f\n", step, loss);
    }

    fcmae_adamw_destroy(&optimiser);
    fcmae_engine_destroy(&engine);
    fcmae_model_destroy(&model);
    return loss < first ? EXIT_SUCCESS : EXIT_FAILURE;
}
