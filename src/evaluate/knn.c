/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Cosines of a block of validation images with a block of training images are a matrix product. The
 * blocks are fixed, and each block of validation images is one task: the neighbours are the same
 * for any number of threads.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/blas.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "fcmae/evaluate.h"

enum { ROWS = 64, COLUMNS = 1024, MOST_NEIGHBOURS = 10000 };

typedef struct neighbour {
    float cosine;
    int32_t image;
} neighbour;

typedef struct knn_work {
    const fcmae_features *training, *validation;
    const fcmae_knn_options *options;
    const float *rows, *columns; /* validation and training features, of unit length */
    int most, classes;
    uint8_t *correct; /* [validation][options->count] */
    bool *failed;     /* [blocks]: memory was short */
} knn_work;

/** Features less `mean`, of unit length. */
static float *unit_rows(const fcmae_features *f, const float *mean)
{
    float *rows = fcmae_allocate_aligned((size_t)f->count * (size_t)f->dimension, sizeof *rows);
    if (!rows) return NULL;
    for (int64_t i = 0; i < f->count; i++) {
        const float *x = f->values + i * f->dimension;
        float *y = rows + i * f->dimension;
        double square = 0;
        for (int c = 0; c < f->dimension; c++) {
            y[c] = x[c] - (mean ? mean[c] : 0);
            square += (double)y[c] * y[c];
        }
        float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
        for (int c = 0; c < f->dimension; c++) y[c] *= scale;
    }
    return rows;
}

static float *mean_of(const fcmae_features *f)
{
    float *mean = calloc((size_t)f->dimension, sizeof *mean);
    for (int c = 0; c < f->dimension && mean; c++) {
        double sum = 0;
        for (int64_t i = 0; i < f->count; i++) sum += f->values[i * f->dimension + c];
        mean[c] = (float)(sum / (double)f->count);
    }
    return mean;
}

/** Keeps the nearest, best first; of equal ones the earlier image. */
static void consider(neighbour *list, int *count, int most, float cosine, int32_t image)
{
    if (*count == most && !(cosine > list[most - 1].cosine)) return;
    int place = *count < most ? (*count)++ : most - 1;
    while (place > 0 && list[place - 1].cosine < cosine) {
        list[place] = list[place - 1];
        place--;
    }
    list[place] = (neighbour){cosine, image};
}

/** Class with the most votes among the first k; of equal ones the one met first. */
static int32_t elect(const knn_work *work, const neighbour *list, int k, double *votes)
{
    const int32_t *labels = work->training->labels;
    double temperature = work->options->temperature;
    for (int i = 0; i < k; i++) votes[labels[list[i].image]] = 0;
    for (int i = 0; i < k; i++)
        votes[labels[list[i].image]] += temperature > 0
                                            ? exp((list[i].cosine - list[0].cosine) / temperature)
                                            : 1;
    int32_t best = labels[list[0].image];
    for (int i = 1; i < k; i++)
        if (votes[labels[list[i].image]] > votes[best]) best = labels[list[i].image];
    return best;
}

/** Meets all training images, block by block, with `rows` validation images from `first` on. */
static void find_neighbours(const knn_work *work, int64_t first, int rows, float *cosine,
                            neighbour *lists, int *found)
{
    int dimension = work->training->dimension;
    fcmae_matrix asked = {work->rows + first * dimension, dimension, false};
    for (int64_t start = 0; start < work->training->count; start += COLUMNS) {
        int64_t left = work->training->count - start;
        int columns = left < COLUMNS ? (int)left : COLUMNS;
        fcmae_matrix known = {work->columns + start * dimension, dimension, true};
        fcmae_blas_product(rows, columns, dimension, asked, known, false, cosine, COLUMNS);
        for (int i = 0; i < rows; i++)
            for (int n = 0; n < columns; n++)
                if (!work->options->leave_one_out || start + n != first + i)
                    consider(lists + (size_t)i * (size_t)work->most, &found[i], work->most,
                             cosine[i * COLUMNS + n], (int32_t)(start + n));
    }
}

static void classify_block(void *argument, int64_t block, int worker)
{
    (void)worker;
    knn_work *work = argument;
    int64_t first = block * ROWS, left = work->validation->count - first;
    int rows = left < ROWS ? (int)left : ROWS, found[ROWS] = {0};
    neighbour *lists = malloc((size_t)rows * (size_t)work->most * sizeof *lists);
    float *cosine = fcmae_allocate_aligned((size_t)rows * COLUMNS, sizeof *cosine);
    double *votes = calloc((size_t)work->classes, sizeof *votes);
    work->failed[block] = !lists || !cosine || !votes;
    if (!work->failed[block]) find_neighbours(work, first, rows, cosine, lists, found);
    for (int i = 0; i < rows && !work->failed[block]; i++)
        for (int j = 0; j < work->options->count; j++) {
            int k = work->options->k[j] < found[i] ? work->options->k[j] : found[i];
            work->correct[(first + i) * work->options->count + j] =
                elect(work, lists + (size_t)i * (size_t)work->most, k, votes) ==
                work->validation->labels[first + i];
        }
    free(lists);
    free(cosine);
    free(votes);
}

static fcmae_status check(const fcmae_features *training, const fcmae_features *validation,
                          int classes, const fcmae_knn_options *options, fcmae_error *error)
{
    if (training->count < 1 || validation->count < 1 ||
        training->dimension != validation->dimension || training->count > INT32_MAX)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "%" PRId64 " training features of %d values and %" PRId64
                          " of %d for validation do not fit together",
                          training->count, training->dimension, validation->count,
                          validation->dimension);
    if (options->leave_one_out && (training->count != validation->count || training->count < 2))
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "%" PRId64 " and %" PRId64 " images are not the same set of at least two",
                          training->count, validation->count);
    for (int i = 0; i < options->count; i++)
        if (options->k[i] < 1 || options->k[i] > MOST_NEIGHBOURS)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "k is %d, but must be 1 to %d",
                              options->k[i], MOST_NEIGHBOURS);
    for (int64_t i = 0; i < training->count; i++)
        if (training->labels[i] < 0 || training->labels[i] >= classes)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "training image %" PRId64 " has label %d",
                              i, training->labels[i]);
    if (!(options->temperature >= 0))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the temperature is %g, but must be 0 or more",
                          options->temperature);
    return FCMAE_OK;
}

static fcmae_status classify(knn_work *work, int64_t *correct, fcmae_error *error)
{
    int threads = work->options->threads > 0 ? work->options->threads : fcmae_processor_count();
    int64_t images = work->validation->count, blocks = (images + ROWS - 1) / ROWS;
    int ks = work->options->count;
    work->correct = calloc((size_t)images * (size_t)ks + 1, 1);
    work->failed = calloc((size_t)blocks, sizeof *work->failed);
    bool failed = !work->correct || !work->failed;
    if (!failed) fcmae_parallel_for(fcmae_blas_threads(threads), blocks, classify_block, work);
    for (int64_t b = 0; b < blocks && !failed; b++) failed = work->failed[b];
    for (int j = 0; j < ks && !failed; j++) {
        correct[j] = 0;
        for (int64_t i = 0; i < images; i++) correct[j] += work->correct[i * ks + j];
    }
    free(work->correct);
    free(work->failed);
    return failed ? fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to look for neighbours")
                  : FCMAE_OK;
}

fcmae_status fcmae_knn_classify(const fcmae_features *training, const fcmae_features *validation,
                                int classes, const fcmae_knn_options *options, int64_t *correct,
                                fcmae_error *error)
{
    FCMAE_TRY(check(training, validation, classes, options, error));
    FCMAE_TRY(fcmae_blas_check(error));
    float *mean = options->centre ? mean_of(training) : NULL;
    float *columns = unit_rows(training, mean), *rows = unit_rows(validation, mean);
    knn_work work = {.training = training,
                     .validation = validation,
                     .options = options,
                     .rows = rows,
                     .columns = columns,
                     .classes = classes,
                     .most = 1};
    for (int i = 0; i < options->count; i++)
        if (options->k[i] > work.most) work.most = options->k[i];
    fcmae_status status = FCMAE_OK;
    if (!columns || !rows || (options->centre && !mean))
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the features of all images");
    if (status == FCMAE_OK) status = classify(&work, correct, error);
    free(mean);
    free(columns);
    free(rows);
    return status;
}
