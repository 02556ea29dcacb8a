/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Sparse convolutions alone: a drawing of a few lines on a large grid, blurred by a submanifold
 * 7x7 convolution and merged twice by 2x2. The empty paper costs nothing, and the lines never
 * spread.
 *
 *     cc sparse_conv.c $(pkg-config --cflags --libs fcmae) -lm -o sparse_conv
 */
#include <fcmae/fcmae.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEIGHT = 48, WIDTH = 96, CHANNELS = 4, TAPS = 49 };

/** A circle and a diagonal, one site wide. */
static void draw(uint8_t *active)
{
    for (int i = 0; i < 400; i++) {
        double angle = i * 2 * 3.14159265358979 / 400;
        int y = (int)lround(24 + 18 * sin(angle)), x = (int)lround(28 + 18 * cos(angle));
        active[y * WIDTH + x] = 1;
    }
    for (int i = 4; i < 44; i++) active[i * WIDTH + 48 + i] = 1;
}

static void print_sites(const fcmae_sites *sites)
{
    int shape[3];
    fcmae_sites_shape(sites, shape);
    int32_t *coordinates = malloc((size_t)fcmae_sites_count(sites) * 3 * sizeof *coordinates);
    char *picture = calloc((size_t)(shape[1] * shape[2]), 1);
    if (coordinates && picture) {
        fcmae_sites_coordinates(sites, coordinates);
        for (int64_t i = 0; i < fcmae_sites_count(sites); i++)
            picture[coordinates[3 * i + 1] * shape[2] + coordinates[3 * i + 2]] = 1;
        for (int i = 0; i < shape[1] * shape[2]; i++) {
            putchar(picture[i] ? '#' : '.');
            if (i % shape[2] == shape[2] - 1) putchar('\n');
        }
    }
    free(coordinates);
    free(picture);
}

/** Merges twice by 2x2 means and prints the sites that are left. */
static fcmae_status merge_twice(const fcmae_sites *fine, float *x, fcmae_error *error)
{
    float weight[CHANNELS * CHANNELS * 4] = {0};
    for (int c = 0; c < CHANNELS; c++)
        for (int k = 0; k < 4; k++) weight[(c * CHANNELS + c) * 4 + k] = 0.25f;
    fcmae_sites *coarse = NULL;
    fcmae_status status = FCMAE_OK;
    for (int stage = 0; stage < 2 && status == FCMAE_OK; stage++) {
        fcmae_sites *next = NULL;
        status = fcmae_sites_coarsen(&next, coarse ? coarse : fine, error);
        if (status != FCMAE_OK) break;
        int64_t count = fcmae_sites_count(next);
        float *y = malloc((size_t)count * CHANNELS * sizeof *y);
        status = y ? fcmae_sites_downsample_forward(next, CHANNELS, CHANNELS, x, weight, NULL, y,
                                                    error)
                   : FCMAE_ERR_MEMORY;
        for (int64_t i = 0; status == FCMAE_OK && i < count * CHANNELS; i++) x[i] = y[i];
        free(y);
        fcmae_sites_destroy(&coarse);
        coarse = next;
    }
    if (status == FCMAE_OK) {
        printf("after two 2x2 downsamplings: %lld sites\n", (long long)fcmae_sites_count(coarse));
        print_sites(coarse);
    }
    fcmae_sites_destroy(&coarse);
    return status;
}

int main(void)
{
    uint8_t *active = calloc(HEIGHT * WIDTH, 1);
    float *image = malloc(CHANNELS * HEIGHT * WIDTH * sizeof *image);
    float *x = malloc(CHANNELS * HEIGHT * WIDTH * sizeof *x); /* room for every site */
    float *y = malloc(CHANNELS * HEIGHT * WIDTH * sizeof *y);
    if (!active || !image || !x || !y) return EXIT_FAILURE;
    float weight[CHANNELS * TAPS];
    for (int i = 0; i < CHANNELS * TAPS; i++) weight[i] = 1.0f / TAPS;
    for (int i = 0; i < CHANNELS * HEIGHT * WIDTH; i++) image[i] = 1;
    draw(active);

    fcmae_error error = {0};
    fcmae_sites *sites = NULL;
    fcmae_status status = fcmae_sites_create(&sites, 1, HEIGHT, WIDTH, active, 0, &error);
    if (status == FCMAE_OK) {
        printf("%lld of %d sites are active\n", (long long)fcmae_sites_count(sites),
               HEIGHT * WIDTH);
        print_sites(sites);
        status = fcmae_sites_gather(sites, CHANNELS, FCMAE_LAYOUT_NCHW, image, x, &error);
    }
    if (status == FCMAE_OK)
        status = fcmae_sites_depthwise_forward(sites, CHANNELS, x, weight, NULL, y, &error);
    if (status == FCMAE_OK) {
        printf("neighbours within 7x7 of the first site: %.0f\n", (double)(y[0] * TAPS));
        status = merge_twice(sites, y, &error);
    }
    if (status != FCMAE_OK) fprintf(stderr, "sparse_conv: %s\n", error.message);

    fcmae_sites_destroy(&sites);
    free(active);
    free(image);
    free(x);
    free(y);
    return status == FCMAE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
