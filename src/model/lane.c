/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The walk of one micro-batch through the network, forward and back. */
#include "model/lane.h"

#include <string.h>

#include "sparse/dense_map.h"

/** Where one chunk of a stage stands in the lane's buffers. */
typedef struct chunk_view {
    const fcmae_site_map *map;
    int first, images; /* samples of the micro-batch */
    int64_t row;       /* first row in the stage's buffers */
} chunk_view;

static int micro_images(const fcmae_lane *lane, int s, int chunk, int count, int *first)
{
    *first = chunk * lane->shape.chunk[s];
    int left = count - *first;
    return left < lane->shape.chunk[s] ? left : lane->shape.chunk[s];
}

/** Calls for chunk after chunk; keeps the running row. */
static bool next_chunk(const fcmae_lane *lane, int s, int chunk, int count, chunk_view *view)
{
    if (chunk == 0)
        view->row = 0;
    else
        view->row += view->map->rows;
    view->images = micro_images(lane, s, chunk, count, &view->first);
    view->map = &lane->stage[s].map[chunk];
    return view->images > 0;
}

/** State of a block for the rows of a chunk. Inference: the same small buffers every time. */
static fcmae_block_state chunk_state(const fcmae_lane *lane, int s, int block,
                                     const chunk_view *view)
{
    fcmae_block_state state = lane->stage[s].state[block];
    if (!lane->shape.backward) return state;
    const fcmae_model_config *config = &lane->network->model->config;
    int channels = s < FCMAE_STAGES ? config->dims[s] : config->decoder_dim;
    int64_t hidden = 4 * (int64_t)channels;
    state.normalised += view->row * fcmae_stride(channels);
    state.rstd += view->row;
    if (state.narrow) state.narrow += view->row * fcmae_stride(channels);
    state.hidden += view->row * hidden;
    if (state.slope) state.slope += view->row * hidden;
    state.scale += view->first * hidden;
    state.norm += view->first * hidden;
    state.mean += view->first;
    return state;
}

/** Drop path factors of a block for the samples of a chunk. */
static const float *branch_factors(const fcmae_call *call, int block, int64_t sample)
{
    if (!call->batch->branch_scale) return 0;
    return call->batch->branch_scale + (int64_t)block * call->batch->samples + sample;
}

/* Observers: only in forward calls. */

static void observe_rows(fcmae_lane *lane, const fcmae_call *call, fcmae_observation *observation,
                         const chunk_view *view, int64_t first_sample, const float *rows)
{
    const fcmae_site_map *map = view->map;
    for (int begin = 0; begin < map->rows;) {
        int end = begin;
        while (end < map->rows && map->image[end] == map->image[begin]) end++;
        observation->sample = first_sample + view->first + map->image[begin];
        observation->sites = end - begin;
        observation->values = rows + begin * observation->stride;
        observation->position = map->position + begin;
        call->outputs->observe(call->outputs->cookie, observation);
        begin = end;
    }
}

static void observe_block(fcmae_lane *lane, const fcmae_call *call, int s, int index,
                          const fcmae_block *block, const fcmae_block_state *state,
                          const chunk_view *view, int64_t first_sample, const float *x,
                          const float *out)
{
    const fcmae_site_map *map = view->map;
    if (s == FCMAE_STAGES) return; /* decoder rows are not in image order */
    fcmae_observation o = {.stage = s,
                           .block = index,
                           .height = map->height,
                           .width = map->width,
                           .lane = lane->index,
                           .channels = block->hidden,
                           .stride = block->hidden};
    for (int grn = 0; grn < (block->parameters->grn_gamma ? 2 : 1); grn++) {
        o.point = grn ? FCMAE_OBSERVE_GRN : FCMAE_OBSERVE_HIDDEN;
        fcmae_block_unpanel(block, map, state, grn, 0, map->rows, lane->observed);
        observe_rows(lane, call, &o, view, first_sample, lane->observed);
    }
    o.channels = block->channels;
    o.stride = block->stride;
    o.point = FCMAE_OBSERVE_BRANCH;
    int64_t count = (int64_t)map->rows * block->stride;
    for (int64_t i = 0; i < count; i++) lane->observed[i] = out[i] - x[i];
    observe_rows(lane, call, &o, view, first_sample, lane->observed);
    o.point = FCMAE_OBSERVE_OUTPUT;
    observe_rows(lane, call, &o, view, first_sample, out);
}

/* Forward */

static void forward_blocks(fcmae_lane *lane, const fcmae_call *call, int s, const chunk_view *view,
                           int64_t first_sample, int first_block)
{
    const fcmae_network *network = lane->network;
    fcmae_lane_stage *stage = &lane->stage[s];
    bool decoder = s == FCMAE_STAGES;
    const fcmae_block *blocks = decoder ? network->decoder_blocks : network->stage[s];
    int depth = decoder ? network->model->config.decoder_depth : network->model->config.depths[s];
    fcmae_site_map whole = *view->map; /* only the last decoder block may leave rows out */
    whole.live = whole.rows;
    whole.live_segments = whole.segments;
    whole.live_blocks = whole.blocks;
    for (int b = 0; b < depth; b++) {
        int64_t at = view->row * blocks[b].stride;
        fcmae_block_state state = chunk_state(lane, s, b, view);
        const float *branch = decoder ? 0
                                      : branch_factors(call, first_block + b,
                                                       first_sample + view->first);
        fcmae_block_forward(&blocks[b], &lane->workspace, b == depth - 1 ? view->map : &whole,
                            stage->x[b] + at, branch, &state, stage->x[b + 1] + at);
        if (call->outputs && call->outputs->observe)
            observe_block(lane, call, s, b, &blocks[b], &state, view, first_sample,
                          stage->x[b] + at, stage->x[b + 1] + at);
    }
}

static void forward_encoder(fcmae_lane *lane, const fcmae_call *call, int64_t first_sample,
                            int count)
{
    const fcmae_network *network = lane->network;
    const fcmae_model_config *config = &network->model->config;
    bool keep = lane->shape.backward;
    int first_block = 0;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        fcmae_lane_stage *stage = &lane->stage[s];
        const fcmae_patch_layer *front = &network->patch[s];
        chunk_view view = {0};
        for (int c = 0; c < stage->chunks && next_chunk(lane, s, c, count, &view); c++) {
            fcmae_site_map_from_cells(&stage->map[c], view.images,
                                      lane->removed[0] ? lane->removed + view.first : 0);
            int64_t kept_row = keep ? view.row : 0, rows = view.map->rows;
            float *out = stage->x[0] + view.row * front->out_stride;
            if (s == 0)
                fcmae_stem_forward(
                    front, &lane->workspace, config, view.map, &call->batch->images,
                    lane->image_index + view.first,
                    &(fcmae_stem_state){stage->patches + kept_row * fcmae_stem_patch_stride(config),
                                        stage->normalised + kept_row * front->out_stride,
                                        stage->rstd + kept_row},
                    out);
            else
                fcmae_downsample_forward(front, &lane->workspace, (int)rows,
                                         lane->stage[s - 1].x[config->depths[s - 1]] +
                                             4 * view.row * front->in_stride,
                                         stage->normalised + 4 * kept_row * front->in_stride,
                                         stage->rstd + 4 * kept_row, out);
            forward_blocks(lane, call, s, &view, first_sample, first_block);
        }
        first_block += config->depths[s];
    }
}

/** Rows of the encoder output that belong to the images of a decoder chunk. */
static int64_t encoder_rows_before(const fcmae_lane *lane, int image, int count)
{
    chunk_view view = {0};
    const fcmae_lane_stage *stage = &lane->stage[3];
    for (int c = 0; c < stage->chunks && next_chunk(lane, 3, c, count, &view); c++)
        if (view.first + view.images > image) {
            int row = 0;
            while (row < view.map->rows && view.map->image[row] < image - view.first) row++;
            return view.row + row;
        }
    return view.row + (view.map ? view.map->rows : 0);
}

static const float *encoder_output(const fcmae_lane *lane)
{
    return lane->stage[3].x[lane->network->model->config.depths[3]];
}

static double sum_in_order(const double *value, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) sum += value[i];
    return sum;
}

/** Copies prediction panels of a chunk to [sample][cell][values] and sums each sample's loss. */
static void write_prediction(fcmae_lane *lane, const fcmae_call *call, const chunk_view *view,
                             int64_t first_sample, double *loss)
{
    const fcmae_decoder *decoder = &lane->network->decoder;
    const fcmae_site_map *map = view->map;
    int cells = map->height * map->width, width = decoder->pred.width;
    for (int row = 0; row < map->live; row++) {
        int64_t sample = first_sample + view->first + map->image[row];
        float *out = call->outputs->prediction
                         ? call->outputs->prediction +
                               (sample * cells + map->position[row]) * decoder->values
                         : 0;
        const float *target = lane->targets + (int64_t)row * decoder->value_stride;
        double sum = 0;
        for (int i = 0; i < decoder->values; i++) {
            float p =
                lane->prediction[((int64_t)(i / width) * map->live + row) * width + i % width];
            if (out) out[i] = p;
            sum += ((double)p - target[i]) * ((double)p - target[i]);
        }
        if (row < map->removed) loss[map->image[row]] += sum / decoder->values;
    }
}

/** Decoder of one chunk of a forward call; returns the sum of the removed patches' losses. */
static double evaluate_decoder(fcmae_lane *lane, const fcmae_call *call, const chunk_view *view,
                               int64_t first_sample, const float *rows)
{
    const fcmae_decoder *decoder = &lane->network->decoder;
    const fcmae_site_map *map = view->map;
    double total = 0, *loss = lane->image_loss;
    fcmae_decoder_predict(decoder, &lane->workspace, map->live, rows, lane->prediction);
    fcmae_decoder_targets(decoder, &lane->workspace, map, &call->batch->images,
                          lane->image_index + view->first, lane->targets);
    for (int i = 0; i < view->images; i++) loss[i] = 0;
    write_prediction(lane, call, view, first_sample, loss);
    for (int i = 0; i < view->images; i++) {
        int cells = map->height * map->width, removed = 0;
        for (int cell = 0; cell < cells; cell++)
            removed += lane->removed[view->first + i] && lane->removed[view->first + i][cell];
        if (call->outputs->sample_loss)
            call->outputs->sample_loss[first_sample + view->first + i] = removed ? loss[i] / removed
                                                                                 : 0;
        total += loss[i];
    }
    return total;
}

static void backward_decoder_blocks(fcmae_lane *lane, const chunk_view *view)
{
    const fcmae_network *network = lane->network;
    fcmae_lane_stage *stage = &lane->stage[FCMAE_STAGES];
    int depth = network->model->config.decoder_depth;
    fcmae_site_map whole = *view->map;
    whole.live = whole.rows;
    whole.live_segments = whole.segments;
    whole.live_blocks = whole.blocks;
    for (int b = depth - 1; b >= 0; b--) {
        const fcmae_block *block = &network->decoder_blocks[b];
        int64_t at = view->row * block->stride;
        fcmae_block_state state = chunk_state(lane, FCMAE_STAGES, b, view);
        fcmae_block_backward(block, &lane->workspace, b == depth - 1 ? view->map : &whole,
                             stage->x[b] + at, 0, &state, stage->gradient + at, lane->gradients);
    }
}

/** Decoder forward, loss and, in a training step, backward down to the encoder output. */
static double run_decoder(fcmae_lane *lane, const fcmae_call *call, int64_t first_sample, int count)
{
    const fcmae_network *network = lane->network;
    const fcmae_decoder *decoder = &network->decoder;
    fcmae_lane_stage *stage = &lane->stage[FCMAE_STAGES];
    int depth = network->model->config.decoder_depth;
    chunk_view view = {0};
    double total = 0;
    for (int c = 0; c < stage->chunks && next_chunk(lane, FCMAE_STAGES, c, count, &view); c++) {
        bool all = call->outputs && call->outputs->prediction;
        fcmae_site_map_decoder(&stage->map[c], view.images,
                               lane->removed[0] ? lane->removed + view.first : 0, all);
        const fcmae_site_map *map = view.map;
        int64_t at = view.row * decoder->dim;
        int64_t encoder_row = encoder_rows_before(lane, view.first, count);
        fcmae_decoder_embed(decoder, &lane->workspace, map,
                            encoder_output(lane) + encoder_row * decoder->stride, stage->x[0] + at);
        forward_blocks(lane, call, FCMAE_STAGES, &view, first_sample, 0);
        float *out = stage->x[depth] + at;
        if (!call->backward) {
            total += evaluate_decoder(lane, call, &view, first_sample, out);
            continue;
        }
        float *gradient = stage->gradient + at;
        fcmae_decoder_targets(decoder, &lane->workspace, map, &call->batch->images,
                              lane->image_index + view.first, lane->targets);
        double factor = 2 * call->weight / ((double)decoder->values * (double)call->removed_total);
        fcmae_decoder_loss(decoder, &lane->workspace, map->live, out, lane->targets, (float)factor,
                           lane->prediction, lane->panel_loss, gradient, lane->gradients);
        total += sum_in_order(lane->panel_loss, decoder->pred.panels) / decoder->values;
        memset(gradient + (int64_t)map->live * decoder->dim, 0,
               (size_t)(map->rows - map->live) * (size_t)decoder->dim * sizeof(float));
        backward_decoder_blocks(lane, &view);
        fcmae_decoder_embed_backward(
            decoder, &lane->workspace, map, encoder_output(lane) + encoder_row * decoder->stride,
            gradient, lane->stage[3].gradient + encoder_row * decoder->stride, lane->gradients);
    }
    return total;
}

/** Encoder output as [sample][channels][h][w], zeros where removed. */
static void write_encoder(const fcmae_call *call, const chunk_view *view, int64_t first_sample,
                          const float *rows, int channels, int stride)
{
    int64_t values = (int64_t)view->map->height * view->map->width * channels;
    fcmae_scatter(view->map, rows, channels, stride, FCMAE_LAYOUT_NCHW,
                  call->outputs->encoder + (first_sample + view->first) * values);
}

/** Pooling, head and loss of a dense call. */
static double run_head(fcmae_lane *lane, const fcmae_call *call, int64_t first_sample, int count)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_head *head = &lane->network->head;
    const fcmae_kernels *kernels = lane->workspace.kernels;
    const fcmae_outputs *outputs = call->outputs;
    int channels = config->dims[3], stride = fcmae_stride(channels);
    chunk_view view = {0};
    double total = 0;
    for (int c = 0; c < lane->stage[3].chunks && next_chunk(lane, 3, c, count, &view); c++) {
        const float *rows = encoder_output(lane) + view.row * stride;
        fcmae_pool(kernels, view.map, rows, stride,
                   lane->head.pooled + (int64_t)view.first * stride);
        if (outputs && outputs->encoder)
            write_encoder(call, &view, first_sample, rows, channels, stride);
    }
    if (outputs && outputs->pooled)
        for (int i = 0; i < count; i++)
            memcpy(outputs->pooled + (first_sample + i) * channels,
                   lane->head.pooled + (int64_t)i * stride, (size_t)channels * sizeof(float));
    if (config->kind != FCMAE_KIND_CLASSIFIER) return 0;

    fcmae_head_forward(head, kernels, count, &lane->head);
    for (int i = 0; i < count; i++) {
        float *z = lane->head.logits + (int64_t)i * head->class_stride;
        if (outputs && outputs->logits)
            memcpy(outputs->logits + (first_sample + i) * head->classes, z,
                   (size_t)head->classes * sizeof(float));
        if (!call->batch->targets) continue;
        double loss = fcmae_cross_entropy(
            head->classes, z, call->batch->targets + (first_sample + i) * head->classes);
        if (outputs && outputs->sample_loss) outputs->sample_loss[first_sample + i] = loss;
        total += loss;
    }
    return total;
}

/** Gradient of the encoder output from the head, in the rows of stage 3. */
static void backward_head(fcmae_lane *lane, const fcmae_call *call, int count)
{
    const fcmae_head *head = &lane->network->head;
    float factor = (float)(call->weight / (double)call->batch->samples);
    for (int64_t i = 0; i < (int64_t)count * head->class_stride; i++)
        lane->head.logits[i] *= factor;
    fcmae_head_backward(head, lane->workspace.kernels, count, &lane->head, lane->gradients);
    chunk_view view = {0};
    for (int c = 0; c < lane->stage[3].chunks && next_chunk(lane, 3, c, count, &view); c++) {
        float *gradient = lane->stage[3].gradient + view.row * head->stride;
        float share = (float)view.images / (float)view.map->rows; /* every image is complete */
        for (int row = 0; row < view.map->rows; row++) {
            const float *d = lane->head.dpooled +
                             (int64_t)(view.first + view.map->image[row]) * head->stride;
            for (int i = 0; i < head->stride; i++)
                gradient[(int64_t)row * head->stride + i] = d[i] * share;
        }
    }
}

/* Backward through the encoder, stage by stage in reverse; chunks in the same order as forward. */
static void backward_encoder(fcmae_lane *lane, const fcmae_call *call, int64_t first_sample,
                             int count)
{
    const fcmae_network *network = lane->network;
    const fcmae_model_config *config = &network->model->config;
    int first_block = fcmae_config_blocks(config), frozen = lane->shape.frozen_blocks;
    for (int s = FCMAE_STAGES - 1; s >= 0 && first_block > frozen; s--) {
        fcmae_lane_stage *stage = &lane->stage[s];
        const fcmae_patch_layer *front = &network->patch[s];
        first_block -= config->depths[s];
        chunk_view view = {0};
        for (int c = 0; c < stage->chunks && next_chunk(lane, s, c, count, &view); c++) {
            float *gradient = stage->gradient + view.row * front->out_stride;
            for (int b = config->depths[s] - 1; b >= 0 && first_block + b >= frozen; b--) {
                fcmae_block_state state = chunk_state(lane, s, b, &view);
                fcmae_block_backward(
                    &network->stage[s][b], &lane->workspace, view.map,
                    stage->x[b] + view.row * front->out_stride,
                    branch_factors(call, first_block + b, first_sample + view.first), &state,
                    gradient, lane->gradients);
            }
            if (first_block < frozen) continue; /* what is before a frozen block is frozen too */
            if (s == 0) {
                int patch_stride = fcmae_stem_patch_stride(config);
                fcmae_stem_backward(
                    front, &lane->workspace, view.map->rows, patch_stride,
                    &(fcmae_stem_state){stage->patches + view.row * patch_stride,
                                        stage->normalised + view.row * front->out_stride,
                                        stage->rstd + view.row},
                    gradient, lane->gradients);
            } else {
                int64_t at = 4 * view.row * front->in_stride;
                fcmae_downsample_backward(front, &lane->workspace, view.map->rows,
                                          stage->normalised + at, stage->rstd + 4 * view.row,
                                          gradient, lane->stage[s - 1].gradient + at,
                                          lane->gradients);
            }
        }
    }
}

double fcmae_lane_run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    const fcmae_batch *batch = call->batch;
    int cells = lane->shape.height * lane->shape.width;
    fcmae_model_kind kind = lane->network->model->config.kind;
    for (int i = 0; i < count; i++) {
        int64_t sample = first + i;
        lane->removed[i] = batch->removed ? batch->removed + sample * cells : 0;
        lane->image_index[i] = batch->image_of ? batch->image_of[sample] : (int32_t)sample;
    }
    forward_encoder(lane, call, first, count);
    double loss = 0;
    bool wants_decoder = call->backward || call->outputs->prediction || call->outputs->sample_loss;
    if (kind != FCMAE_KIND_PRETRAIN || !call->backward) loss = run_head(lane, call, first, count);
    if (kind == FCMAE_KIND_PRETRAIN && wants_decoder) loss = run_decoder(lane, call, first, count);
    if (call->backward) {
        if (kind == FCMAE_KIND_CLASSIFIER) backward_head(lane, call, count);
        backward_encoder(lane, call, first, count);
    }
    return loss;
}
