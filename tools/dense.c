/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared.h"

void cli_dense_release(cli_dense *dense)
{
    cli_progress_end(&dense->bar);
    fcmae_model_destroy(&dense->model);
    fcmae_class_names_release(&dense->names);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void show_pass(void *cookie, int64_t done, int64_t total)
{
    cli_progress *bar = cookie;
    bar->total = total;
    cli_progress_update(bar, done, done - bar->done, NAN);
}

static bool stop_pass(void *cookie)
{
    (void)cookie;
    return cli_stop_requested();
}

void cli_dense_bar(cli_dense *dense, const char *label, int64_t images)
{
    cli_progress_end(&dense->bar);
    cli_progress_start(&dense->bar, dense->arguments, label, "image", 0, images);
}

static void set_pass(cli_dense *d, const struct cli_dense_values *o, const cli_arguments *arguments,
                     int recorded_size)
{
    d->pass = (fcmae_pass_options){.input_size = o->input_size > 0 ? (int)o->input_size
                                                                   : recorded_size,
                                   .crop_ratio = o->crop_ratio,
                                   .batch = (int)o->batch_size,
                                   .threads = (int)o->threads,
                                   .workers = (int)o->workers,
                                   .precision = (fcmae_precision)o->precision,
                                   .log = cli_progress_log(&d->bar),
                                   .progress = show_pass,
                                   .should_stop = stop_pass,
                                   .cookie = &d->bar};
    if (cli_given(arguments, "bad-share")) d->pass.bad_share = o->bad_share > 0 ? o->bad_share : -1;
}

/** Before a large network is drawn, which takes long: whether it has room. */
static fcmae_status check_memory(const struct cli_dense_values *o, const cli_dense_wish *wish,
                                 const fcmae_model_config *config, fcmae_error *error)
{
    int64_t batch = wish->images > 0 && wish->images < o->batch_size ? wish->images : o->batch_size;
    int side = o->input_size > 0 ? (int)o->input_size : CLI_INPUT;
    const fcmae_engine_options options = {.height = side,
                                          .width = side,
                                          .batch = (int)batch,
                                          .threads = (int)o->threads,
                                          .precision = (fcmae_precision)o->precision};
    fcmae_engine_plan_info plan;
    fcmae_status status = fcmae_engine_plan(config, &options, &plan, error);
    if (status != FCMAE_OK) return status;
    return cli_check_memory((double)plan.total_bytes,
                            "a smaller --input-size, --batch-size or model", error);
}

static fcmae_status fresh_network(cli_dense *d, const struct cli_dense_values *o,
                                  const cli_dense_wish *wish, const char *preset,
                                  fcmae_error *error)
{
    fcmae_model_config config;
    fcmae_status status = fcmae_preset_load(preset, &config, error);
    config.objective = "classify";
    config.classes = wish->classes;
    if (status == FCMAE_OK) status = check_memory(o, wish, &config, error);
    if (status == FCMAE_OK) status = fcmae_model_create(&d->model, &config, error);
    if (status == FCMAE_OK) fcmae_model_initialise(d->model, wish->seed);
    return status;
}

/** Reads what the file says of itself; *size: the input size it was trained for, or 0. */
static fcmae_status inspect(cli_dense *d, const char *key, const cli_dense_wish *wish, bool lenient,
                            int *size, fcmae_error *error)
{
    fcmae_checkpoint *file = NULL;
    fcmae_status status = fcmae_checkpoint_open(&file, d->path, key, error);
    if (status != FCMAE_OK) return status;
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(file);
    cli_remark_contents(d->arguments, info, lenient);
    d->has_head = info->has_head;
    *size = info->input_size;
    if (wish->model && cli_given(d->arguments, "model"))
        status = fcmae_checkpoint_expect_preset(file, wish->model, error);
    if (status == FCMAE_OK && !wish->fresh_head && info->recognised && !info->has_head)
        status = cli_error(error, FCMAE_ERR_MISMATCH,
                           "%.500s has no classification head: fine-tune it first", d->path);
    if (status == FCMAE_OK && wish->classes == 0 && !wish->names_file)
        status = fcmae_class_names_of_checkpoint(&d->names, file, error);
    fcmae_checkpoint_close(&file);
    return status;
}

fcmae_status cli_dense_load(cli_dense *d, const cli_arguments *arguments,
                            const cli_dense_wish *wish, fcmae_error *error)
{
    const struct cli_dense_values *o = arguments->values;
    int size = 0;
    bool lenient = wish->fresh_head || o->ignore_unexpected; /* the encoder alone is wanted */
    d->arguments = arguments;
    fcmae_status status = FCMAE_OK;
    if (wish->model && strcmp(o->checkpoint, "none") == 0) {
        status = fresh_network(d, o, wish, wish->model, error);
    } else if (wish->model && cli_names_preset(o->checkpoint)) {
        if (cli_given(arguments, "model"))
            return cli_error(error, FCMAE_ERR_ARGUMENT,
                             "--checkpoint %.100s is a preset, of which the network is made: leave "
                             "--model out",
                             o->checkpoint);
        status = fresh_network(d, o, wish, o->checkpoint, error);
    } else {
        status = cli_find_checkpoint(arguments, o->checkpoint, d->path, sizeof d->path, error);
        if (status == FCMAE_OK) status = inspect(d, o->key, wish, lenient, &size, error);
        int classes = wish->classes == 0 && !d->has_head ? 1 : wish->classes;
        if (status == FCMAE_OK)
            status = fcmae_dense_load(&d->model, d->path, o->key, classes, wish->fresh_head,
                                      lenient, wish->seed, error);
    }
    if (status == FCMAE_OK && wish->names_file)
        status = fcmae_class_names_read(&d->names, wish->names_file, error);
    if (status != FCMAE_OK) return status;
    int outputs = fcmae_model_configuration(d->model)->classes;
    if (d->names.count > 0 && d->names.count != outputs)
        return cli_error(error, FCMAE_ERR_MISMATCH,
                         "there are %d class names, but the checkpoint has %d outputs",
                         d->names.count, outputs);
    set_pass(d, o, arguments, size);
    cli_remark_emulation(arguments, o->precision, 0);
    return FCMAE_OK;
}

static bool part_folders(const char *data, char *train, char *val)
{
    return snprintf(train, CLI_PATH, "%s/train", data) < CLI_PATH &&
           snprintf(val, CLI_PATH, "%s/val", data) < CLI_PATH && is_folder(train) && is_folder(val);
}

fcmae_status cli_data_folders(const char *data, char *train, char *val, fcmae_error *error)
{
    if (part_folders(data, train, val)) return FCMAE_OK;
    return cli_error(
        error, FCMAE_ERR_NOT_FOUND,
        "%.800s must hold the folders train and val, with a folder for each class in both", data);
}

fcmae_status cli_open_part(fcmae_dataset **dataset, const char *data, const char *part, bool both,
                           fcmae_log log, fcmae_error *error)
{
    char train[CLI_PATH], val[CLI_PATH];
    const fcmae_dataset_options labelled = {.labelled = true, .log = log};
    bool pair = part_folders(data, train, val);
    if (both && !pair) return cli_data_folders(data, train, val, error);
    const char *path = !pair ? data : strcmp(part, "train") == 0 ? train : val;
    return fcmae_dataset_open(dataset, path, &labelled, error);
}

const char *cli_class_name(const cli_dense *dense, int output, char *text, int size)
{
    if (output >= 0 && output < dense->names.count) return dense->names.names[output];
    snprintf(text, (size_t)size, "output %d", output);
    return text;
}

double cli_binomial_error(double correct, double n)
{
    double share = n > 0 ? correct / n : 0;
    return n > 0 ? 100 * sqrt(share * (1 - share) / n) : 0;
}
