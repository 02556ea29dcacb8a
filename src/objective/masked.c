/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Objective "masked": FCMAE pretraining. A decoder of ConvNeXt blocks over the full grid predicts
 * the pixels of the removed cells; mean squared error over values and removed patches.
 */
#include <string.h>

#include "model/objective.h"
#include "model/operations.h"
#include "objective/decoder.h"

enum { LAST = FCMAE_STAGES - 1 };

/** Arrays of one lane, for one chunk. */
typedef struct masked_state {
    float *targets, *prediction;
    double *panel_loss; /* [panels of the prediction] */
    double *image_loss; /* [images of a chunk] */
} masked_state;

static fcmae_status check(const fcmae_model_config *config, fcmae_error *error)
{
    FCMAE_TRY(fcmae_check_row(config, "decoder_depth", error));
    FCMAE_TRY(fcmae_check_row(config, "decoder_dim", error));
    return fcmae_check_multiple("decoder_dim", config->decoder_dim, 16, error);
}

static void add_parameters(fcmae_table *table, const fcmae_model_config *config, bool after_encoder)
{
    int64_t d = config->decoder_dim, values = fcmae_config_patch_values(config);
    if (!after_encoder) {
        fcmae_table_prefix(table, FCMAE_PART_DECODER, FCMAE_STAGES, 0, "%s", "");
        fcmae_table_add(table, "mask_token", FCMAE_ROLE_MASK_TOKEN, FCMAE_ORDER_SAME,
                        FCMAE_INIT_NORMAL, 4, (const int64_t[]){1, d, 1, 1});
        return;
    }
    fcmae_table_prefix(table, FCMAE_PART_DECODER, FCMAE_STAGES, 0, "proj.");
    fcmae_table_add(table, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL,
                    4, (const int64_t[]){d, config->dims[LAST], 1, 1});
    fcmae_table_vector(table, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, d);
    for (int block = 0; block < config->decoder_depth; block++) {
        fcmae_table_prefix(table, FCMAE_PART_DECODER, FCMAE_STAGES, block, "decoder.%d.", block);
        fcmae_table_block(table, d);
    }
    fcmae_table_prefix(table, FCMAE_PART_DECODER, FCMAE_STAGES, 0, "pred.");
    fcmae_table_add(table, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL,
                    4, (const int64_t[]){values, d, 1, 1});
    fcmae_table_vector(table, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, values);
}

static fcmae_stage own_stage(const fcmae_model_config *config)
{
    return (fcmae_stage){.depth = config->decoder_depth,
                         .channels = config->decoder_dim,
                         .cell = 1,
                         .complete = true};
}

static void reserve(const fcmae_network *network, fcmae_arena *arena)
{
    fcmae_decoder_reserve(network->layers, arena, network);
}

static void reserve_backward(const fcmae_network *network, fcmae_arena *arena)
{
    fcmae_decoder_reserve_backward(network->layers, arena);
}

static int pack_tasks(const fcmae_network *network)
{
    return fcmae_decoder_pack_tasks(network->layers);
}

static void pack(const fcmae_network *network, const fcmae_kernels *kernels, int task)
{
    fcmae_decoder_pack(network->layers, kernels, task);
}

static void reserve_lane(fcmae_lane *lane, fcmae_arena *arena, fcmae_workspace_size *size)
{
    const fcmae_decoder *decoder = lane->network->layers;
    masked_state *state = lane->state;
    int64_t images = lane->own.chunk;
    int64_t rows = images * fcmae_stage_rows(lane->own.stage, &lane->shape);
    state->targets = fcmae_take_floats(arena, rows, decoder->value_stride);
    state->prediction = fcmae_take_floats(arena, rows, decoder->value_stride);
    state->panel_loss = fcmae_arena_take(arena, (size_t)decoder->pred.panels, sizeof(double));
    state->image_loss = fcmae_arena_take(arena, (size_t)images, sizeof(double));
    size->narrow_hidden = rows * decoder->value_stride; /* the prediction's error in bfloat16 */
}

/** Every sample needs something to predict; the loss is the mean over all removed patches. */
static fcmae_status begin(fcmae_call *call, int cells, fcmae_error *error)
{
    const fcmae_batch *batch = call->batch;
    call->terms = 0;
    for (int64_t i = 0; i < batch->samples; i++) {
        int removed = 0;
        for (int c = 0; batch->removed && c < cells; c++)
            removed += batch->removed[i * cells + c] != 0;
        if (removed == 0)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "sample %lld: no cell is removed, nothing is left to predict",
                              (long long)i);
        call->terms += removed;
    }
    return FCMAE_OK;
}

/** First row of the encoder's output that belongs to sample `image` of the micro-batch. */
static int64_t encoder_row(const fcmae_lane *lane, int image, int count)
{
    const fcmae_stage_lane *stage = &lane->stage[LAST];
    fcmae_chunk chunk = {0};
    for (int c = 0; fcmae_stage_chunk(stage, c, count, &chunk); c++)
        if (chunk.first + chunk.images > image) {
            int row = 0;
            while (row < chunk.map->rows && chunk.map->image[row] < image - chunk.first) row++;
            return chunk.row + row;
        }
    return 0;
}

static double sum_in_order(const double *value, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) sum += value[i];
    return sum;
}

/** Copies prediction panels of a chunk to [sample][cell][values] and sums each sample's loss. */
static void write_prediction(fcmae_lane *lane, const fcmae_call *call, const fcmae_chunk *chunk,
                             int64_t first_sample, double *loss)
{
    const fcmae_decoder *decoder = lane->network->layers;
    const masked_state *state = lane->state;
    const fcmae_site_map *map = chunk->map;
    int cells = map->height * map->width, width = decoder->pred.width;
    for (int row = 0; row < map->live; row++) {
        int64_t sample = first_sample + chunk->first + map->image[row];
        float *out = call->outputs->prediction
                         ? call->outputs->prediction +
                               (sample * cells + map->position[row]) * decoder->values
                         : 0;
        const float *target = state->targets + (int64_t)row * decoder->value_stride;
        double sum = 0;
        for (int i = 0; i < decoder->values; i++) {
            float p =
                state->prediction[((int64_t)(i / width) * map->live + row) * width + i % width];
            if (out) out[i] = p;
            sum += ((double)p - target[i]) * ((double)p - target[i]);
        }
        if (row < map->removed) loss[map->image[row]] += sum / decoder->values;
    }
}

/** One chunk of a forward call; returns the sum of the removed patches' losses. */
static double evaluate(fcmae_lane *lane, const fcmae_call *call, const fcmae_chunk *chunk,
                       int64_t first_sample, const float *rows)
{
    const fcmae_decoder *decoder = lane->network->layers;
    const masked_state *state = lane->state;
    const fcmae_site_map *map = chunk->map;
    double total = 0, *loss = state->image_loss;
    fcmae_decoder_predict(decoder, &lane->workspace, map->live, rows, state->prediction);
    fcmae_decoder_targets(decoder, &lane->workspace, map, &call->batch->images,
                          lane->image_index + chunk->first, state->targets);
    for (int i = 0; i < chunk->images; i++) loss[i] = 0;
    write_prediction(lane, call, chunk, first_sample, loss);
    for (int i = 0; i < chunk->images; i++) {
        int cells = map->height * map->width, removed = 0;
        for (int cell = 0; cell < cells; cell++)
            removed += lane->removed[chunk->first + i] && lane->removed[chunk->first + i][cell];
        if (call->outputs->sample_loss)
            call->outputs->sample_loss[first_sample + chunk->first + i] = removed
                                                                              ? loss[i] / removed
                                                                              : 0;
        total += loss[i];
    }
    return total;
}

/** Loss of one chunk and its way back to the rows in front of the decoder's blocks. */
static double train(fcmae_lane *lane, const fcmae_call *call, const fcmae_chunk *chunk,
                    const float *rows, float *gradient)
{
    const fcmae_decoder *decoder = lane->network->layers;
    const masked_state *state = lane->state;
    const fcmae_site_map *map = chunk->map;
    fcmae_decoder_targets(decoder, &lane->workspace, map, &call->batch->images,
                          lane->image_index + chunk->first, state->targets);
    double factor = 2 * call->weight / ((double)decoder->values * (double)call->terms);
    fcmae_decoder_loss(decoder, &lane->workspace,
                       &(fcmae_decoder_step){.live = map->live,
                                             .rows = rows,
                                             .targets = state->targets,
                                             .factor = (float)factor,
                                             .error = state->prediction,
                                             .panel_loss = state->panel_loss,
                                             .gradient = gradient,
                                             .gradients = lane->gradients});
    memset(gradient + (int64_t)map->live * decoder->dim, 0,
           (size_t)(map->rows - map->live) * (size_t)decoder->dim * sizeof(float));
    fcmae_stage_backward(&lane->own, &lane->workspace, chunk, (fcmae_branch){0}, 0,
                         lane->gradients);
    return sum_in_order(state->panel_loss, decoder->pred.panels) / decoder->values;
}

static double run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    const fcmae_decoder *decoder = lane->network->layers;
    const fcmae_outputs *outputs = call->outputs;
    const fcmae_stage_lane *own = &lane->own;
    const float *encoder = fcmae_stage_output(&lane->stage[LAST]);
    fcmae_chunk chunk = {0};
    double total = 0;
    if (!call->backward && !outputs->prediction && !outputs->sample_loss) return 0;
    for (int c = 0; fcmae_stage_chunk(own, c, count, &chunk); c++) {
        bool all = outputs && outputs->prediction;
        fcmae_site_map_decoder(&own->map[c], chunk.images,
                               lane->removed[0] ? lane->removed + chunk.first : 0, all);
        int64_t at = chunk.row * decoder->dim;
        int64_t from = encoder_row(lane, chunk.first, count) * decoder->stride;
        fcmae_decoder_embed(decoder, &lane->workspace, chunk.map, encoder + from, own->x[0] + at);
        fcmae_stage_forward(own, &lane->workspace, &chunk, (fcmae_branch){0}, 0);
        const float *out = fcmae_stage_output(own) + at;
        if (!call->backward) {
            total += evaluate(lane, call, &chunk, first, out);
            continue;
        }
        total += train(lane, call, &chunk, out, own->gradient + at);
        fcmae_decoder_embed_backward(decoder, &lane->workspace, chunk.map, encoder + from,
                                     own->gradient + at, lane->sent[LAST] + from, lane->gradients);
    }
    return total;
}

/** The last block's second linear and the prediction are needed at removed cells only. */
static void count(const fcmae_model_config *config, int high, int wide, int visible,
                  fcmae_engine_plan_info *info, double *necessary)
{
    int cells = high * wide;
    double d = config->decoder_dim, values = fcmae_config_patch_values(config);
    double proj = config->dims[LAST] * d, removed = cells - visible;
    double taps = fcmae_expected_taps(high, wide, 1, 1);
    info->decoder_macs = cells * (proj + d * values) +
                         config->decoder_depth * fcmae_block_macs(cells, cells, 49, d);
    *necessary += visible * proj + removed * d * values +
                  (config->decoder_depth - 1) * fcmae_block_macs(cells, cells, taps, d) +
                  fcmae_block_macs(cells, removed, taps, d);
}

const fcmae_objective fcmae_objective_masked = {
    .name = "masked",
    .kind = "pretrain",
    .parts = FCMAE_BIT(FCMAE_PART_DECODER),
    .sends = FCMAE_BIT(LAST),
    .layers_size = sizeof(fcmae_decoder),
    .state_size = sizeof(masked_state),
    .check = check,
    .add_parameters = add_parameters,
    .own_stage = own_stage,
    .reserve = reserve,
    .reserve_backward = reserve_backward,
    .pack_tasks = pack_tasks,
    .pack = pack,
    .reserve_lane = reserve_lane,
    .begin = begin,
    .run = run,
    .count = count,
};
