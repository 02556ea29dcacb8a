/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Which images a run is of: their names below the folder and their order, as one number. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

#define START UINT64_C(0xcbf29ce484222325) /* FNV-1a */
#define MOST_STEPS 1e9                     /* of a search; about a second */

/** Name of an image below the folder, wherever that lies. */
static const char *relative_name(const fcmae_run *run, int64_t index, char name[FCMAE_PATH])
{
    size_t root = strlen(run->data_root);
    fcmae_dataset_name(run->dataset, index, name, FCMAE_PATH);
    const char *relative = strncmp(name, run->data_root, root) == 0 ? name + root : name;
    while (*relative == '/') relative++;
    return relative;
}

static uint64_t add_name(uint64_t sum, const char *name)
{
    for (const char *c = name;; c++) {
        sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        if (!*c) return sum;
    }
}

void fcmae_run_fingerprint(fcmae_run *run)
{
    uint64_t sum = START;
    char name[FCMAE_PATH];
    for (int64_t i = 0; i < fcmae_dataset_count(run->dataset); i++)
        sum = add_name(sum, relative_name(run, i, name));
    snprintf(run->fingerprint, sizeof run->fingerprint, "%016" PRIx64, sum);
    run->values->data_names = run->fingerprint;
    if (!run->subset) run->values->data_images = fcmae_dataset_count(run->dataset);
}

/** Names one behind the other, each with its end. */
typedef struct listing {
    char *text;
    size_t *start; /* [count + 1] */
    int64_t count;
} listing;

static bool list_names(const fcmae_run *run, listing *names)
{
    char name[FCMAE_PATH];
    size_t size = 0;
    names->count = fcmae_dataset_count(run->dataset);
    for (int64_t i = 0; i < names->count; i++) size += strlen(relative_name(run, i, name)) + 1;
    if ((double)size * (double)names->count / 2 > MOST_STEPS) return false;
    names->text = malloc(size + 1);
    names->start = calloc((size_t)names->count + 1, sizeof *names->start);
    if (!names->text || !names->start) return false;
    size_t used = 0;
    for (int64_t i = 0; i < names->count; i++) {
        names->start[i] = used;
        const char *relative = relative_name(run, i, name);
        size_t length = strlen(relative) + 1;
        memcpy(names->text + used, relative, length);
        used += length;
    }
    return true;
}

/** The first of `extra` neighbouring images without which the names are the recorded ones; -1:
 *  it is not that simple. */
static int64_t find_added(const listing *names, int64_t extra, const char *recorded)
{
    uint64_t before = START;
    for (int64_t i = 0; i + extra <= names->count; i++) {
        uint64_t sum = before;
        char text[32];
        for (int64_t k = i + extra; k < names->count; k++)
            sum = add_name(sum, names->text + names->start[k]);
        snprintf(text, sizeof text, "%016" PRIx64, sum);
        if (strstr(recorded, text)) return i;
        before = add_name(before, names->text + names->start[i]);
    }
    return -1;
}

/** ", the first new one ...", where that can be known, else "". */
static void describe_added(const fcmae_run *run, int64_t before, const char *recorded, char *text,
                           size_t size)
{
    listing names = {0};
    int64_t extra = fcmae_dataset_count(run->dataset) - before;
    text[0] = 0;
    if (extra > 0 && before > 0 && list_names(run, &names)) {
        int64_t first = find_added(&names, extra, recorded);
        if (first >= 0)
            snprintf(text, size, " (%s new: %.200s%s)", extra > 1 ? "the first" : "the one",
                     names.text + names.start[first], extra > 1 ? " and what follows it" : "");
    }
    free(names.text);
    free(names.start);
}

fcmae_status fcmae_run_check_images(const fcmae_run *run, fcmae_error *error)
{
    char names[64] = "", images[32] = "?", added[300], difference[64];
    if (!fcmae_run_recorded(run, "data-names", names, sizeof names)) return FCMAE_OK;
    if (strstr(names, run->fingerprint)) return FCMAE_OK; /* in the quotes of JSON */
    fcmae_run_recorded(run, "data-images", images, sizeof images);
    int64_t before = strtoll(images, NULL, 10), now = run->values->data_images;
    describe_added(run, before, names, added, sizeof added);
    if (now == before)
        snprintf(difference, sizeof difference, "as many, but under other names");
    else
        snprintf(difference, sizeof difference, "%" PRId64 " %s",
                 now > before ? now - before : before - now, now > before ? "more" : "fewer");
    return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                      "%.500s has changed since the run began: it trained on %s images then, now "
                      "there are %" PRId64 ", %s%s (data_names). Bring the old ones back, or begin "
                      "a new run in another folder with these weights (pretrain --init, finetune "
                      "--checkpoint)",
                      run->data_root, images, now, difference, added);
}
