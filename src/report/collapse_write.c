/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The files of a collapse analysis. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/status.h"
#include "report/chart.h"
#include "report/gallery.h"

#define VERDICT_SIZE 700

static void member_text(fcmae_buffer *out, const char *key, const char *value)
{
    fcmae_text_format(out, "\"%s\": ", key);
    if (value)
        fcmae_text_json(out, value);
    else
        fcmae_text_add(out, "null");
}

static void member_number(fcmae_buffer *out, const char *key, double value)
{
    fcmae_text_format(out, ", \"%s\": ", key);
    fcmae_text_number(out, value);
}

static void layer_json(fcmae_buffer *out, const fcmae_collapse_layer *layer)
{
    fcmae_text_format(out, "      {\"layer\": \"stages.%d.%d\", \"tensor\": \"%s\"", layer->stage,
                      layer->block, fcmae_observation_point_name(layer->point));
    member_number(out, "index", layer->index);
    member_number(out, "depth", layer->depth);
    member_number(out, "channels", (double)layer->channels);
    member_number(out, "sites", layer->sites);
    member_number(out, "distance", layer->distance);
    member_number(out, "distance_error", layer->distance_error);
    member_number(out, "distance_alive", layer->distance_alive);
    member_number(out, "distance_alive_error", layer->distance_alive_error);
    member_number(out, "distance_low", layer->distance_low);
    member_number(out, "distance_high", layer->distance_high);
    member_number(out, "dead", layer->dead);
    member_number(out, "dead_everywhere", layer->dead_everywhere);
    member_number(out, "saturated", layer->saturated);
    member_number(out, "effective_rank", layer->effective_rank);
    member_number(out, "rank_limit", layer->rank_limit);
    member_number(out, "selectivity", layer->selectivity);
    if (isfinite(layer->selectivity)) {
        fcmae_text_add(out, ", \"selectivity_histogram\": [");
        for (int i = 0; i < FCMAE_SELECTIVITY_BINS; i++) {
            if (i) fcmae_text_add(out, ", ");
            fcmae_text_number(out, layer->selectivity_histogram[i]);
        }
        fcmae_text_add(out, "]");
    }
    fcmae_text_add(out, "}");
}

static void model_json(fcmae_buffer *out, const fcmae_collapse_entry *entry)
{
    char verdict[VERDICT_SIZE];
    static const char *const states[] = {"diverse", "weakened", "collapsed"};
    const fcmae_model_config *config = fcmae_collapse_config(entry->collapse);
    fcmae_collapse_state state = fcmae_collapse_verdict(entry->collapse, verdict, sizeof verdict);
    fcmae_text_add(out, "  {");
    member_text(out, "label", entry->label);
    fcmae_text_add(out, ", ");
    member_text(out, "checkpoint", entry->checkpoint);
    fcmae_text_add(out, ", ");
    member_text(out, "model", config->name);
    member_number(out, "version", config->version);
    member_number(out, "step", entry->step >= 0 ? (double)entry->step : NAN);
    member_number(out, "images", (double)fcmae_collapse_images(entry->collapse));
    fcmae_text_add(out, ",\n    ");
    member_text(out, "state", states[state]);
    fcmae_text_add(out, ", ");
    member_text(out, "verdict", verdict);
    fcmae_text_add(out, ",\n    \"layers\": [\n");
    int count;
    const fcmae_collapse_layer *layers = fcmae_collapse_layers(entry->collapse, &count);
    for (int i = 0; i < count; i++) {
        layer_json(out, &layers[i]);
        fcmae_text_add(out, i + 1 < count ? ",\n" : "\n");
    }
    fcmae_text_add(out, "    ]}");
}

static void write_json(fcmae_buffer *out, const fcmae_collapse_setup *setup,
                       const fcmae_collapse_entry *entries, int count)
{
    fcmae_text_add(out, "{\"kind\": \"fcmae collapse analysis\",\n ");
    member_text(out, "data", setup->data);
    fcmae_text_add(out, ", ");
    member_text(out, "command", setup->command);
    member_number(out, "height", setup->height);
    member_number(out, "width", setup->width);
    member_number(out, "mask_ratio", setup->mask_ratio);
    fcmae_text_format(out, ", \"seed\": %llu,\n \"models\": [\n", (unsigned long long)setup->seed);
    for (int i = 0; i < count; i++) {
        model_json(out, &entries[i]);
        fcmae_text_add(out, i + 1 < count ? ",\n" : "\n");
    }
    fcmae_text_add(out, " ]}\n");
}

/* quoted where a comma, quote or line break would break the row */
static void csv_text(fcmae_buffer *out, const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        fcmae_text_add(out, text);
        return;
    }
    fcmae_text_add(out, "\"");
    for (; *text; text++) {
        if (*text == '"') fcmae_text_add(out, "\"");
        fcmae_buffer_add(out, text, 1);
    }
    fcmae_text_add(out, "\"");
}

static void csv_number(fcmae_buffer *out, double value)
{
    fcmae_text_add(out, ",");
    if (isfinite(value)) fcmae_text_format(out, "%.9g", value);
}

static void write_csv(fcmae_buffer *out, const fcmae_collapse_entry *entries, int count)
{
    fcmae_text_add(out, "model,step,layer,tensor,index,depth,channels,sites,images,distance,"
                        "distance_error,distance_alive,distance_alive_error,dead,dead_everywhere,"
                        "saturated,effective_rank,rank_limit,selectivity\n");
    for (int m = 0; m < count; m++) {
        int layers;
        const fcmae_collapse_layer *layer = fcmae_collapse_layers(entries[m].collapse, &layers);
        for (int i = 0; i < layers; i++, layer++) {
            csv_text(out, entries[m].label);
            csv_number(out, entries[m].step >= 0 ? (double)entries[m].step : NAN);
            fcmae_text_format(out, ",stages.%d.%d,%s,%d", layer->stage, layer->block,
                              fcmae_observation_point_name(layer->point), layer->index);
            const double numbers[] = {
                layer->depth,          (double)layer->channels,
                layer->sites,          (double)fcmae_collapse_images(entries[m].collapse),
                layer->distance,       layer->distance_error,
                layer->distance_alive, layer->distance_alive_error,
                layer->dead,           layer->dead_everywhere,
                layer->saturated,      layer->effective_rank,
                layer->rank_limit,     layer->selectivity};
            for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
                csv_number(out, numbers[k]);
            fcmae_text_add(out, "\n");
        }
    }
}

/* ---- the curves ---- */

typedef struct depth_curve {
    double *values; /* x, y, low, high, one after the other */
    int64_t count;
    char label[160];
} depth_curve;

static bool take_curve(depth_curve *curve, const fcmae_collapse_entry *entry,
                       fcmae_observation_point point, bool name_tensor)
{
    int layers;
    const fcmae_collapse_layer *layer = fcmae_collapse_layers(entry->collapse, &layers);
    curve->values = calloc((size_t)layers * 4 + 1, sizeof(double));
    if (!curve->values) return false;
    double *x = curve->values, *y = x + layers, *low = y + layers, *high = low + layers;
    for (int i = 0; i < layers; i++, layer++) {
        if (layer->point != point) continue;
        double error = isfinite(layer->distance_error) ? layer->distance_error : 0;
        int64_t k = curve->count++;
        x[k] = layer->depth;
        y[k] = layer->distance;
        low[k] = fmax(0, layer->distance - 2 * error);
        high[k] = fmin(0.5, layer->distance + 2 * error);
    }
    snprintf(curve->label, sizeof curve->label, "%.110s%s%s", entry->label, name_tensor ? ", " : "",
             name_tensor ? fcmae_observation_point_name(point) : "");
    return true;
}

static bool has_point(const fcmae_collapse *collapse, fcmae_observation_point point)
{
    int layers;
    const fcmae_collapse_layer *layer = fcmae_collapse_layers(collapse, &layers);
    for (int i = 0; i < layers; i++)
        if (layer[i].point == point) return true;
    return false;
}

static fcmae_status write_chart(const char *directory, const fcmae_series *series, int count,
                                fcmae_error *error);

static fcmae_status write_curves(const char *directory, const fcmae_collapse_entry *entries,
                                 int count, fcmae_error *error)
{
    depth_curve *curves = calloc((size_t)count * 4, sizeof *curves);
    fcmae_series *series = calloc((size_t)count * 4, sizeof *series);
    bool several_tensors = false, complete = curves && series;
    fcmae_observation_point first = FCMAE_OBSERVE_HIDDEN;
    while (first < FCMAE_OBSERVE_OUTPUT && !has_point(entries[0].collapse, first)) first++;
    for (int i = 0; i < count; i++)
        for (int p = 0; p < 4; p++)
            several_tensors |= p != (int)first &&
                               has_point(entries[i].collapse, (fcmae_observation_point)p);
    int used = 0;
    for (int i = 0; complete && i < count; i++)
        for (int p = 0, dash = 0; complete && p < 4; p++) {
            fcmae_observation_point point = (fcmae_observation_point)p;
            if (!has_point(entries[i].collapse, point)) continue;
            depth_curve *curve = &curves[used];
            complete = take_curve(curve, &entries[i], point, several_tensors);
            int layers;
            fcmae_collapse_layers(entries[i].collapse, &layers);
            series[used++] = (fcmae_series){.label = curve->label,
                                            .x = curve->values,
                                            .y = curve->values + layers,
                                            .low = curve->values + 2 * layers,
                                            .high = curve->values + 3 * layers,
                                            .count = curve->count,
                                            .colour = i,
                                            .dash = dash++,
                                            .markers = true};
        }
    fcmae_status status = complete ? write_chart(directory, series, used, error)
                                   : fcmae_fail(error, FCMAE_ERR_MEMORY,
                                                "collapse chart: out of memory");
    for (int i = 0; curves && i < used; i++) free(curves[i].values);
    free(curves);
    free(series);
    return status;
}

static fcmae_status write_file(const char *directory, const char *name, const fcmae_buffer *text,
                               fcmae_error *error)
{
    char path[4200];
    if (text->failed) return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: out of memory", name);
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path %.100s... is too long", directory);
    return fcmae_file_write(path, text->bytes, text->size, error);
}

static fcmae_status write_chart(const char *directory, const fcmae_series *series, int count,
                                fcmae_error *error)
{
    fcmae_chart chart = {.title = "Feature diversity",
                         .x_label = "relative depth (block / blocks)",
                         .y_label = "mean cosine distance between channels",
                         .series = series,
                         .count = count,
                         .from_zero = true,
                         .y_top = 0.5,
                         .width = 760,
                         .height = 480};
    fcmae_buffer text = {0};
    fcmae_status status = fcmae_chart_svg(&chart, &text, error);
    if (status == FCMAE_OK) status = write_file(directory, "distance.svg", &text, error);
    text.size = 0;
    if (status == FCMAE_OK) status = fcmae_chart_png(&chart, &text, error);
    if (status == FCMAE_OK) status = write_file(directory, "distance.png", &text, error);
    fcmae_buffer_release(&text);
    return status;
}

/* label with everything but letters, digits, '.', '-' and '_' replaced */
static void safe_name(const char *label, char *out, size_t size)
{
    size_t n = 0;
    for (; *label && n + 1 < size; label++) {
        char c = *label;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || (c == '.' && n > 0);
        out[n++] = plain ? c : '_';
    }
    out[n] = 0;
}

static fcmae_status write_galleries(const char *directory, const fcmae_collapse_setup *setup,
                                    const fcmae_collapse_entry *entry, fcmae_error *error)
{
    for (int p = 0; p < 4; p++) {
        fcmae_buffer text = {0};
        bool any = false;
        fcmae_observation_point point = (fcmae_observation_point)p;
        fcmae_status status = fcmae_gallery_png(entry, point, setup, &text, &any, error);
        if (status == FCMAE_OK && any) {
            char label[100], name[160];
            safe_name(entry->label, label, sizeof label);
            snprintf(name, sizeof name, "activations-%s-%s.png", label,
                     fcmae_observation_point_name(point));
            status = write_file(directory, name, &text, error);
        }
        fcmae_buffer_release(&text);
        FCMAE_TRY(status);
    }
    return FCMAE_OK;
}

fcmae_status fcmae_collapse_write(const char *directory, const fcmae_collapse_setup *setup,
                                  const fcmae_collapse_entry *entries, int count,
                                  fcmae_error *error)
{
    if (count < 1)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "collapse: no model to write about");
    for (int i = 0; i < count; i++) {
        int layers;
        fcmae_collapse_layers(entries[i].collapse, &layers);
        if (layers == 0)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "collapse: the analysis of %s is not finished", entries[i].label);
    }
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "cannot create the folder %s",
                                 directory);
    fcmae_buffer text = {0};
    write_json(&text, setup, entries, count);
    fcmae_status status = write_file(directory, "collapse.json", &text, error);
    text.size = 0;
    if (status == FCMAE_OK) {
        write_csv(&text, entries, count);
        status = write_file(directory, "collapse.csv", &text, error);
    }
    fcmae_buffer_release(&text);
    FCMAE_TRY(status);
    FCMAE_TRY(write_curves(directory, entries, count, error));
    for (int i = 0; i < count; i++)
        FCMAE_TRY(write_galleries(directory, setup, &entries[i], error));
    return FCMAE_OK;
}
