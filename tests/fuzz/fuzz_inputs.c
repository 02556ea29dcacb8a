/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * libFuzzer over what people hand to the program beside tensors. One program, five targets:
 *
 *     fuzz_inputs --target=image|shard|preset|run|names [--seeds] FOLDER [libFuzzer options]
 *
 * image, preset: the input is the file; shard: a tar file, whose pictures are read too; run: the
 * config.json, log.jsonl and latest of a run folder, with a zero byte between them; names: a list
 * of class names, which is then a label map too.
 *
 * --targets lists them; --seeds writes good files into the folder to start from. Both end there.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "data/dataset.h"
#include "data/shards.h"
#include "fcmae/checkpoint.h"
#include "fcmae/evaluate.h"
#include "fcmae/preset.h"
#include "image/codec.h"
#include "report/run_data.h"
#include "run/run_log.h"

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIXELS = 1 << 20 }; /* larger pictures are probed and not decoded: that is their own cost */

static char scratch[200]; /* folder for targets that read files */

/** Every refusal has a sentence. */
static bool good(fcmae_status status, const fcmae_error *error)
{
    if (status != FCMAE_OK && error->message[0] == 0) abort();
    return status == FCMAE_OK;
}

static const char *write_file(const char *name, const void *data, size_t size)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) exit(1);
    return path;
}

/* ---------------------------------------------------------------- targets -------------------- */

static void read_image(const uint8_t *data, size_t size)
{
    fcmae_error error = {0};
    fcmae_image_info info = {0};
    if (!good(fcmae_image_probe(&info, data, size, &error), &error)) return;
    if ((int64_t)info.width * info.height > PIXELS) return;
    fcmae_image image = {0}, turned = {0};
    fcmae_region part = {info.width / 3, info.height / 3, 1 + info.width / 4, 1 + info.height / 4};
    good(fcmae_image_decode(&image, data, size, &error), &error);
    good(fcmae_image_decode_region(&image, &turned, &info, data, size, 1, &part, &error), &error);
    fcmae_image_release(&image);
    fcmae_image_release(&turned);
}

static void read_shard(const uint8_t *data, size_t size)
{
    char *path = (char *)write_file("a.tar", data, size);
    fcmae_error error = {0};
    fcmae_dataset *dataset = NULL;
    fcmae_buffer file = {0};
    if (!good(fcmae_shards_open(&dataset, &path, 1, size % 2, NULL, &error), &error)) return;
    for (int64_t i = 0; i < fcmae_dataset_count(dataset) && i < 20; i++)
        good(fcmae_dataset_fetch(dataset, i, &file, &error), &error);
    fcmae_buffer_release(&file);
    fcmae_dataset_close(&dataset);
}

static void read_preset(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    fcmae_error error = {0};
    fcmae_preset *preset = NULL;
    memcpy(text, data, size);
    text[size] = 0;
    good(fcmae_preset_parse(&preset, text, "some/preset.ini", &error), &error);
    fcmae_preset_close(&preset);
    free(text);
}

static fcmae_status see_number(void *cookie, int64_t step, double value, fcmae_error *error)
{
    *(double *)cookie += value + (double)step;
    return FCMAE_OK;
}

static void read_run(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.json", "log.jsonl", "latest"};
    for (int i = 0; i < 3; i++) {
        const uint8_t *end = i < 2 && size ? memchr(data, 0, size) : NULL;
        size_t length = end ? (size_t)(end - data) : size;
        write_file(names[i], data, length);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    fcmae_run_data run = {0};
    fcmae_error error = {0};
    double sum = 0;
    char path[4096];
    if (good(fcmae_run_data_read(&run, scratch, NULL, &error), &error)) {
        fcmae_run_data_column(&run, "loss");
        fcmae_run_data_release(&run);
    }
    good(fcmae_run_log_read(scratch, "loss", see_number, &sum, &error), &error);
    good(fcmae_checkpoint_find(scratch, path, sizeof path, &error), &error);
}

static void read_names(const uint8_t *data, size_t size)
{
    static char cat[] = "cat", dog[] = "dog";
    static char *classes[] = {cat, dog};
    const fcmae_dataset dataset = {.classes = classes, .class_count = 2};
    const char *path = write_file("names", data, size);
    fcmae_class_names names = {0};
    fcmae_error error = {0};
    int32_t output_of[2];
    if (good(fcmae_class_names_read(&names, path, &error), &error))
        fcmae_class_names_find(&names, "n01440764");
    good(fcmae_class_names_match(&names, 10, &dataset, path, output_of, NULL, &error), &error);
    fcmae_class_names_release(&names);
}

/* ---------------------------------------------------------------- seeds ---------------------- */

static const char *seed_folder;

static void seed(const char *name, const void *data, size_t size)
{
    snprintf(scratch, sizeof scratch, "%s", seed_folder);
    write_file(name, data, size);
}

static void seed_image(void)
{
    uint8_t pixels[24 * 16 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7);
    fcmae_buffer jpeg = {0}, png = {0};
    if (fcmae_jpeg_encode(&jpeg, pixels, 16, 24, 80, NULL) != FCMAE_OK ||
        fcmae_png_encode(&png, pixels, 16, 24, NULL) != FCMAE_OK)
        exit(1);
    seed("picture.jpg", jpeg.bytes, jpeg.size);
    seed("picture.png", png.bytes, png.size);
    fcmae_buffer_release(&jpeg);
    fcmae_buffer_release(&png);
}

/** Two members, as a shard of WebDataset: a picture's file and its label. */
static void seed_shard(void)
{
    static const char *const names[] = {"0001.jpg", "0001.cls"}, *const contents[] = {"\xff\xd8",
                                                                                      "1"};
    unsigned char tar[6 * 512] = {0};
    for (int i = 0; i < 2; i++) {
        unsigned char *header = tar + i * 1024;
        unsigned sum = 0;
        strcpy((char *)header, names[i]);
        memcpy(header + 100, "0000644\0000000000\0000000000", 24);
        snprintf((char *)header + 124, 13, "%011o", (unsigned)strlen(contents[i]));
        memcpy(header + 136, "00000000000", 12);
        memcpy(header + 148, "        0", 9);
        memcpy(header + 257, "ustar\00000", 8);
        for (int k = 0; k < 512; k++) sum += header[k];
        snprintf((char *)header + 148, 8, "%06o", sum);
        strcpy((char *)header + 512, contents[i]);
    }
    seed("shard.tar", tar, sizeof tar);
}

static void seed_preset(void)
{
    const char *text = fcmae_preset_text("atto");
    seed("atto.ini", text, strlen(text));
}

static void seed_run(void)
{
    static const char run[] =
        "{\"command\": [\"pretrain\"], \"options\": {\"model\": \"atto\", \"steps\": 2}}\0"
        "{\"step\": 1, \"loss\": 0.5, \"collapse\": [0.1, 0.2]}\n{\"step\": 2, \"loss\": 1e-3}\n"
        "{\"step\": 2, \"event\": \"saved\", \"message\": \"x\"}\n\0checkpoint-2.safetensors\n";
    seed("run", run, sizeof run - 1);
}

static void seed_names(void)
{
    seed("names", "n01440764 tench\nn01443537 goldfish\n", 35);
    seed("map", "cat 1\ndog 2 # a remark\n", 23);
}

static const struct target {
    const char *name;
    void (*read)(const uint8_t *data, size_t size);
    void (*seed)(void);
} targets[] = {
    {"image", read_image, seed_image},    {"shard", read_shard, seed_shard},
    {"preset", read_preset, seed_preset}, {"run", read_run, seed_run},
    {"names", read_names, seed_names},
};
static const struct target *target = targets;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size + !size); /* its own block: one byte too far is seen */
    if (size) memcpy(copy, data, size);
    target->read(copy, size);
    free(copy);
    return 0;
}

static void remove_scratch(void)
{
    static const char *const names[] = {"a.tar", "names", "config.json", "log.jsonl", "latest"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
        unlink(path);
    }
    rmdir(scratch);
}

int LLVMFuzzerInitialize(int *count, char ***words)
{
    bool seeds = false;
    for (int i = 1; i < *count; i++) {
        const char *word = (*words)[i];
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
            if (strncmp(word, "--target=", 9) == 0 && strcmp(word + 9, targets[t].name) == 0)
                target = &targets[t];
        if (strcmp(word, "--targets") == 0) {
            for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) puts(targets[t].name);
            exit(0);
        }
        seeds |= strcmp(word, "--seeds") == 0;
        if (word[0] != '-') seed_folder = word;
    }
    if (seeds && seed_folder) {
        target->seed();
        exit(0);
    }
    const char *temporary = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%.150s/fuzz-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(scratch)) exit(1);
    atexit(remove_scratch);
    return 0;
}
