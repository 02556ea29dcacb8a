/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae finetune: a classifier from a pretrained encoder, or from scratch. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "commands.h"
#include "dense.h"
#include "json.h"
#include "shared.h"

struct finetune_values {
    const char *checkpoint, *key, *data, *model, *output, *resume;
    int64_t input_size, steps, batch_size, accumulate, threads, lanes, micro_batch, seed,
        save_every;
    int64_t keep, workers, tune_last, augment_operations;
    double epochs, lr, base_lr, min_lr, warmup_epochs, weight_decay, clip, ema, layer_decay, beta1;
    double beta2, epsilon, crop_scale, crop_ratio, flip, bad_share, label_fraction, evaluate_every;
    double magnitude, deviation, erasing, mixup, cutmix, mix_probability, mix_switch, smoothing;
    double drop_path, head_init;
    bool keep_head, fast_decode, ema_warmup, json;
    int recipe, layer_grouping, precision;
};
#define AT(member) offsetof(struct finetune_values, member)
#define FROM_RECIPE .otherwise = "from the recipe"

static const cli_option options[] = {
    {.type = CLI_HEADING, .help = "Run"},
    {"checkpoint", CLI_TEXT, AT(checkpoint), .required = true, .unit = "FILE|RUN|none",
     .help = CLI_HELP_CHECKPOINT " none: train from scratch."},
    {"key", CLI_TEXT, AT(key), .otherwise = "the weights themselves", .help = CLI_HELP_KEY},
    {"data", CLI_TEXT, AT(data), .required = true, .unit = "DIR",
     .help = "Folder with train and val, each with one subfolder per class."},
    {"output", CLI_TEXT, AT(output), .required = true, .unit = "RUN",
     .help = "Run folder: config.json, log.jsonl, checkpoints and best.safetensors."},
    {"model", CLI_TEXT, AT(model), .otherwise = "atto from scratch, else as the checkpoint says",
     .unit = "NAME|FILE",
     .help = "Preset: the network, when training from scratch, and the recipe."},
    {"recipe", CLI_CHOICE, AT(recipe), .fallback = "preset", .choices = "preset|short",
     .help =
         "preset: the published one of the model, made for 1024 images per update and hundreds "
         "of epochs. short: for a few epochs on up to some ten thousand images: base-lr 4e-3 "
         "(1e-3 at batch 64), weight decay 0.05, 20 epochs, 2 of warm-up, layer decay 0.9, "
         "RandAugment 6, erasing 0.1, smoothing 0.1, no mixup, no drop path, average with decay "
         "0.998 and a warm-up."},
    {"resume", CLI_TEXT, AT(resume), .fallback = "auto", .unit = "auto|never|FILE",
     .help = "auto continues from the newest complete checkpoint of the run folder; never insists "
             "on a fresh folder; FILE continues from that checkpoint."},
    {"epochs", CLI_NUMBER, AT(epochs), FROM_RECIPE, .range = "(0, 1e6]",
     .help = "Passes over the training images."},
    {"steps", CLI_INTEGER, AT(steps), .range = "[1, 1000000000]", .otherwise = "from the epochs",
     .help = "Length in updates instead of epochs."},
    {"batch-size", CLI_INTEGER, AT(batch_size), .fallback = "64", .range = "[1, 65536]",
     .help = "Images per batch."},
    {"accumulate", CLI_INTEGER, AT(accumulate), .fallback = "1", .range = "[1, 65536]",
     .help = "Batches per update. The effective batch is batch-size times this."},
    {"label-fraction", CLI_NUMBER, AT(label_fraction), .fallback = "1", .range = "(0, 1]",
     .help = "Share of the training images to use, the same of every class, drawn by the seed."},
    {"tune-last", CLI_INTEGER, AT(tune_last), .range = "[0, 10000]", .otherwise = "everything",
     .help = "Train only that many of the last blocks and the head; 0: the head alone."},
    {"evaluate-every", CLI_NUMBER, AT(evaluate_every), .fallback = "1", .range = "(0, 1e6]",
     .help = "Epochs between evaluations on val; there is always one at the end."},
    {"seed", CLI_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Same seed, same bits, on any number of threads."},
    {"save-every", CLI_INTEGER, AT(save_every), .range = "[1, 1000000000]",
     .otherwise = "once an epoch", .help = "Updates between checkpoints."},
    {"keep", CLI_INTEGER, AT(keep), .fallback = "3", .range = "[0, 1000000]",
     .help = "Checkpoints that stay in the run folder, beside the best; 0: all."},

    {.type = CLI_HEADING, .help = "Optimisation"},
    {"lr", CLI_NUMBER, AT(lr), .range = "[0, inf)", .otherwise = "from base-lr",
     .help = "Peak learning rate, whatever the batch."},
    {"base-lr", CLI_NUMBER, AT(base_lr), .range = "[0, inf)", FROM_RECIPE,
     .help = "Peak learning rate for an effective batch of 256; scaled with the batch."},
    {"min-lr", CLI_NUMBER, AT(min_lr), .range = "[0, inf)", FROM_RECIPE,
     .help = "Learning rate at the end of the cosine."},
    {"warmup-epochs", CLI_NUMBER, AT(warmup_epochs), .range = "[0, inf)",
     .otherwise = "from the recipe, in proportion to the epochs; with --steps at most 5 %",
     .help = "Epochs over which the learning rate rises from 0."},
    {"weight-decay", CLI_NUMBER, AT(weight_decay), .range = "[0, inf)", FROM_RECIPE,
     .help = "On the weights of convolutions and linears."},
    {"beta1", CLI_NUMBER, AT(beta1), .range = "[0, 1)", FROM_RECIPE, .help = "Of AdamW."},
    {"beta2", CLI_NUMBER, AT(beta2), .range = "[0, 1)", FROM_RECIPE, .help = "Of AdamW."},
    {"epsilon", CLI_NUMBER, AT(epsilon), .range = "(0, inf)", FROM_RECIPE, .help = "Of AdamW."},
    {"layer-decay", CLI_NUMBER, AT(layer_decay), .range = "(0, 1]", FROM_RECIPE,
     .help = "Factor of the learning rate from layer to layer, towards the input; 1: none."},
    {"layer-grouping", CLI_CHOICE, AT(layer_grouping), .choices = "single|group", FROM_RECIPE,
     .help = "single: every block is a layer. group: twelve layers, for depths 3, 3, 27, 3."},
    {"clip", CLI_NUMBER, AT(clip), .fallback = "0", .range = "[0, inf)",
     .help = "Largest norm of the gradient; 0: not clipped."},
    {"ema", CLI_NUMBER, AT(ema), .range = "[0, 1)", FROM_RECIPE,
     .help = "Decay of a moving average of the weights, evaluated beside them; 0: none."},
    {"ema-warmup", CLI_SWITCH, AT(ema_warmup), .otherwise = "off; on with --recipe short",
     .help = "At update t the decay is at most (1 + t) / (10 + t)."},
    {"drop-path", CLI_NUMBER, AT(drop_path), .range = "[0, 1)", FROM_RECIPE,
     .help = "Probability that the last block's branch is left out; rises linearly from 0."},
    {"keep-head", CLI_FLAG, AT(keep_head),
     .help = "Start from the checkpoint's head, which must have as many classes."},
    {"head-init", CLI_NUMBER, AT(head_init), .range = "[0, 1]", FROM_RECIPE,
     .help = "Standard deviation of a fresh head's weights."},

    {.type = CLI_HEADING, .help = "Images"},
    {"input-size", CLI_INTEGER, AT(input_size), .fallback = "224", .range = "[32, 4096]",
     .unit = "PX", .help = "Side of the input, a multiple of the patch (32)."},
    {"crop-scale", CLI_NUMBER, AT(crop_scale), .fallback = "0.08", .range = "(0, 1]",
     .help = "Smallest share of an image's area in a random crop."},
    {"crop-ratio", CLI_NUMBER, AT(crop_ratio), .range = "(0, 1]",
     .otherwise = "0.875; from 384 pixels on the whole picture is squeezed",
     .help = "Evaluation: the shorter side is resized to input-size / crop-ratio."},
    {"flip", CLI_NUMBER, AT(flip), .fallback = "0.5", .range = "[0, 1]",
     .help = "Probability of mirroring an image."},
    {"augment-operations", CLI_INTEGER, AT(augment_operations), .range = "[0, 16]",
     .otherwise = "2 where the recipe has a magnitude",
     .help = "RandAugment: operations per image."},
    {"augment-magnitude", CLI_NUMBER, AT(magnitude), .range = "[0, 10]", FROM_RECIPE,
     .help = "RandAugment: strength of the operations."},
    {"augment-deviation", CLI_NUMBER, AT(deviation), .range = "[0, 10]", FROM_RECIPE,
     .help = "RandAugment: standard deviation of the strength."},
    {"random-erasing", CLI_NUMBER, AT(erasing), .range = "[0, 1]", FROM_RECIPE,
     .help = "Probability that a box of an image becomes noise."},
    {"mixup", CLI_NUMBER, AT(mixup), .range = "[0, 1000]", FROM_RECIPE,
     .help = "Alpha of mixup; 0: none."},
    {"cutmix", CLI_NUMBER, AT(cutmix), .range = "[0, 1000]", FROM_RECIPE,
     .help = "Alpha of cutmix; 0: none."},
    {"mix-probability", CLI_NUMBER, AT(mix_probability), .fallback = "1", .range = "[0, 1]",
     .help = "Probability that a batch is mixed at all."},
    {"mix-switch", CLI_NUMBER, AT(mix_switch), .range = "[0, 1]", FROM_RECIPE,
     .help = "With both mixup and cutmix: probability of cutmix."},
    {"label-smoothing", CLI_NUMBER, AT(smoothing), .range = "[0, 1)", FROM_RECIPE,
     .help = "Share of the target that is spread over all classes."},
    {"fast-decode", CLI_FLAG, AT(fast_decode),
     .help = "Let JPEG shrink while decoding: faster on large pictures, no longer Pillow's bits."},
    {"bad-share", CLI_NUMBER, AT(bad_share), .range = "[0, 1]",
     .otherwise = "5 %, of a small set a little more",
     .help = "Share of unreadable files above which the run stops; below it they are skipped."},

    {.type = CLI_HEADING, .help = "Machine"},
    {"threads", CLI_INTEGER, AT(threads), .range = "[1, 4096]", .otherwise = "all processors",
     .help = "Threads that compute. Does not change the result."},
    {"workers", CLI_INTEGER, AT(workers), .range = "[1, 4096]", .otherwise = "as threads",
     .help = "Threads that prepare images. Does not change the result."},
    {"lanes", CLI_INTEGER, AT(lanes), .range = "[1, 4096]", .otherwise = "chosen, then kept",
     .help = "Independent streams of images. Shapes the order of sums; recorded in checkpoints."},
    {"micro-batch", CLI_INTEGER, AT(micro_batch), .range = "[1, 4096]",
     .otherwise = "chosen, then kept", .help = "Images a lane carries at a time; likewise."},
    {"precision", CLI_CHOICE, AT(precision), .fallback = "f32", .choices = "f32|bf16",
     .help = CLI_HELP_PRECISION},
    {"json", CLI_FLAG, AT(json), .help = "Print the result as one JSON object."},
};

/** What the callbacks share. */
typedef struct session {
    const cli_arguments *arguments;
    cli_progress bar;
    fcmae_log log;
    fcmae_train_progress last;
    fcmae_finetune_result result;
    char checkpoint[CLI_PATH];
    int64_t samples, updates;
    double started;
} session;

static void show_plan(void *cookie, const fcmae_train_plan *plan)
{
    session *s = cookie;
    char memory[32];
    if (!s->arguments->quiet)
        fprintf(stderr,
                "%" PRId64 " images, %" PRId64 " updates of %" PRId64
                " (%.4g epochs), learning rate "
                "%.3g, %d lanes of %d, %s of memory\n",
                plan->images, plan->steps, plan->effective_batch, plan->epochs, plan->lr,
                plan->engine.options.lanes, plan->engine.options.micro_batch,
                cli_bytes((double)plan->total_bytes, memory, sizeof memory));
    if (plan->resumed_from[0] && !s->arguments->quiet)
        fprintf(stderr, "continues after update %" PRId64 " from %s\n", plan->first_step,
                plan->resumed_from);
    if (plan->resumed_from[0])
        snprintf(s->checkpoint, sizeof s->checkpoint, "%s", plan->resumed_from);
    s->last.step = plan->first_step;
    s->started = fcmae_measure_seconds();
    cli_progress_start(&s->bar, s->arguments, "finetune", "step", plan->first_step, plan->steps);
}

static void show_progress(void *cookie, const fcmae_train_progress *progress)
{
    session *s = cookie;
    s->last = *progress;
    s->samples += progress->samples;
    s->updates++;
    cli_progress_update(&s->bar, progress->step, progress->samples, progress->loss);
}

static void note_checkpoint(void *cookie, int64_t step, const char *path)
{
    session *s = cookie;
    (void)step;
    snprintf(s->checkpoint, sizeof s->checkpoint, "%s", path);
}

static bool should_stop(void *cookie)
{
    (void)cookie;
    return cli_stop_requested();
}

static void show_remark(void *cookie, fcmae_log_level level, const char *message)
{
    session *s = cookie;
    if (s->log.write) s->log.write(s->log.cookie, level, message);
}

static void show_evaluation(void *cookie, const fcmae_finetune_result *r)
{
    session *s = cookie;
    char text[200];
    int used = snprintf(text, sizeof text, "epoch %.4g: top-1 %.2f %%, top-5 %.2f %%, loss %.4f",
                        r->epoch, r->top1, r->top5, r->loss);
    if (r->has_average && used > 0 && used < (int)sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, "; average: top-1 %.2f %%, loss %.4f",
                 r->average_top1, r->average_loss);
    s->result = *r;
    show_remark(s, FCMAE_LOG_INFO, text);
}

/** The recipe: that of --model, else of the checkpoint's name, else the default. */
static fcmae_status choose_recipe(const struct finetune_values *o, const char *checkpoint,
                                  fcmae_model_config *config, fcmae_finetune_recipe *recipe,
                                  fcmae_error *error)
{
    fcmae_recipe both;
    fcmae_status status = FCMAE_OK;
    fcmae_recipe_default(&both);
    if (o->model || !checkpoint) {
        status = fcmae_preset_load(o->model ? o->model : "atto", config, &both, error);
    } else {
        fcmae_checkpoint *file = NULL;
        fcmae_model_config preset;
        /* a file that cannot be read is reported by the run, unless the run goes on without it */
        if (fcmae_checkpoint_open(&file, checkpoint, o->key, NULL) == FCMAE_OK) {
            const char *name = fcmae_checkpoint_describe(file)->config.name;
            if (!name[0] || fcmae_preset_load(name, &preset, &both, NULL) != FCMAE_OK)
                fcmae_recipe_default(&both);
        }
        fcmae_checkpoint_close(&file);
    }
    *recipe = both.finetune;
    if (o->recipe == 1) fcmae_finetune_recipe_short(recipe);
    return status;
}

static void set_number(const cli_arguments *a, const char *name, double value, double *member)
{
    if (cli_given(a, name)) *member = value;
}

/** Options without a default of their own change what the recipe says. */
static void change_recipe(fcmae_finetune_recipe *r, const cli_arguments *a)
{
    const struct finetune_values *o = a->values;
    double epochs = r->epochs;
    set_number(a, "epochs", o->epochs, &r->epochs);
    r->warmup_epochs *= r->epochs / epochs;
    if (cli_given(a, "steps")) r->warmup_epochs = -r->warmup_epochs;
    set_number(a, "warmup-epochs", o->warmup_epochs, &r->warmup_epochs);
    set_number(a, "base-lr", o->base_lr, &r->base_lr);
    set_number(a, "min-lr", o->min_lr, &r->min_lr);
    set_number(a, "weight-decay", o->weight_decay, &r->weight_decay);
    set_number(a, "beta1", o->beta1, &r->beta1);
    set_number(a, "beta2", o->beta2, &r->beta2);
    set_number(a, "epsilon", o->epsilon, &r->epsilon);
    set_number(a, "layer-decay", o->layer_decay, &r->layer_decay);
    if (cli_given(a, "layer-grouping")) r->layer_grouping = (fcmae_layer_grouping)o->layer_grouping;
    set_number(a, "ema", o->ema, &r->ema);
    set_number(a, "drop-path", o->drop_path, &r->drop_path);
    set_number(a, "head-init", o->head_init, &r->head_init);
    set_number(a, "augment-magnitude", o->magnitude, &r->rand_augment_magnitude);
    set_number(a, "augment-deviation", o->deviation, &r->rand_augment_deviation);
    set_number(a, "random-erasing", o->erasing, &r->random_erasing);
    set_number(a, "mixup", o->mixup, &r->mixup);
    set_number(a, "cutmix", o->cutmix, &r->cutmix);
    set_number(a, "mix-switch", o->mix_switch, &r->mix_switch);
    set_number(a, "label-smoothing", o->smoothing, &r->label_smoothing);
}

static void set_run(fcmae_run_options *run, const struct finetune_values *o)
{
    run->output = o->output;
    run->resume = o->resume;
    run->steps = o->steps;
    run->batch_size = o->batch_size;
    run->accumulate = (int)o->accumulate;
    run->seed = (uint64_t)o->seed;
    run->threads = (int)o->threads;
    run->lanes = (int)o->lanes;
    run->micro_batch = (int)o->micro_batch;
    run->workers = (int)o->workers;
    run->precision = (fcmae_precision)o->precision;
    run->save_every = o->save_every;
    run->keep = (int)o->keep;
}

static void set_options(fcmae_finetune_options *f, const cli_arguments *a)
{
    const struct finetune_values *o = a->values;
    f->key = o->key;
    f->keep_head = o->keep_head;
    f->input_size = (int)o->input_size;
    f->crop_ratio = o->crop_ratio;
    f->crop_scale = o->crop_scale;
    f->flip = o->flip;
    f->fast_decode = o->fast_decode;
    f->label_fraction = o->label_fraction;
    f->evaluate_every = o->evaluate_every;
    f->mixing.mix_probability = o->mix_probability;
    f->optimisation.lr = o->lr;
    f->optimisation.adamw.clip = o->clip;
    f->optimisation.ema_warmup = cli_given(a, "ema-warmup") ? o->ema_warmup : o->recipe == 1;
    if (cli_given(a, "tune-last")) f->tune_last = (int)o->tune_last;
    if (cli_given(a, "augment-operations")) f->augment_operations = (int)o->augment_operations;
    if (cli_given(a, "bad-share")) f->bad_share = o->bad_share > 0 ? o->bad_share : -1;
    set_run(&f->run, o);
}

static json_t *evaluation_json(const fcmae_finetune_result *r)
{
    json_t *object = json_pack(
        "{s:f, s:f, s:f, s:f, s:I}", "top1", r->top1, "top1_error",
        cli_binomial_error(r->top1 * (double)r->images / 100, (double)r->images), "top5", r->top5,
        "loss", r->loss, "images", (json_int_t)r->images);
    if (object && r->has_average)
        json_object_update_new(object,
                               json_pack("{s:f, s:f, s:f}", "ema_top1", r->average_top1, "ema_top5",
                                         r->average_top5, "ema_loss", r->average_loss));
    return object;
}

static int print_result(const session *s)
{
    const struct finetune_values *o = s->arguments->values;
    const fcmae_finetune_result *r = &s->result;
    double taken = fcmae_measure_seconds() - s->started;
    double rate = taken > 0 ? (double)s->samples / taken : 0;
    bool evaluated = r->step > 0;
    if (o->json)
        return cli_print_json(
            s->arguments,
            json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:o, s:I}", "run", o->output,
                      "checkpoint", s->checkpoint, "step", (json_int_t)s->last.step, "updates",
                      (json_int_t)s->updates, "loss", s->last.loss, "images_per_s", rate, "elapsed",
                      s->last.elapsed, "best_top1", evaluated ? r->best_top1 : 0.0, "best_step",
                      (json_int_t)(evaluated ? r->best_step : 0), "evaluation",
                      evaluated ? evaluation_json(r) : json_null(), "peak_memory_bytes",
                      (json_int_t)fcmae_measure_peak_memory()));
    char time[32], memory[32];
    if (s->updates == 0)
        printf("Nothing was left to do: update %" PRId64 " is in %s\n", s->last.step,
               s->checkpoint);
    else
        printf("Update %" PRId64
               ", loss %.4f, %.1f images/s (evaluations included), %s, peak memory "
               "%s\nCheckpoint: %s\n",
               s->last.step, s->last.loss, rate, cli_duration(taken, time, sizeof time),
               cli_bytes((double)fcmae_measure_peak_memory(), memory, sizeof memory),
               s->checkpoint[0] ? s->checkpoint : "none yet");
    if (evaluated)
        printf("Top-1 %.2f %% (+- %.2f)%s, best %.2f %% after update %" PRId64
               ": %s/best.safetensors\n",
               r->top1, cli_binomial_error(r->top1 * (double)r->images / 100, (double)r->images),
               r->has_average ? "" : " without an average", r->best_top1, r->best_step, o->output);
    return cli_finish(s->arguments);
}

static fcmae_status train(session *s, const cli_arguments *arguments, fcmae_error *error)
{
    const struct finetune_values *o = arguments->values;
    char train_folder[CLI_PATH], validation_folder[CLI_PATH], checkpoint[CLI_PATH];
    bool scratch = strcmp(o->checkpoint, "none") == 0;
    fcmae_model_config config;
    fcmae_finetune_recipe recipe;
    fcmae_config_default(&config);
    fcmae_status status = FCMAE_OK;
    if (!scratch) status = cli_checkpoint_path(o->checkpoint, checkpoint, error);
    if (status == FCMAE_OK)
        status = choose_recipe(o, scratch ? NULL : checkpoint, &config, &recipe, error);
    if (status == FCMAE_OK)
        status = cli_data_folders(o->data, train_folder, validation_folder, error);
    if (status != FCMAE_OK) return status;
    change_recipe(&recipe, arguments);
    fcmae_finetune_options f = fcmae_finetune_from_recipe(&recipe);
    set_options(&f, arguments);
    f.train = train_folder;
    f.validation = validation_folder;
    f.checkpoint = scratch ? NULL : checkpoint;
    f.model = config;
    char *command = cli_command_line();
    f.run.command = command;
    const fcmae_finetune_callbacks callbacks = {.train = {.cookie = s,
                                                          .log = {show_remark, s},
                                                          .begin = show_plan,
                                                          .progress = show_progress,
                                                          .saved = note_checkpoint,
                                                          .should_stop = should_stop},
                                                .evaluated = show_evaluation};
    status = fcmae_finetune(&f, &callbacks, NULL, error);
    free(command);
    return status;
}

static int run(const cli_arguments *arguments)
{
    if (cli_given(arguments, "lr") && cli_given(arguments, "base-lr"))
        return cli_usage_error(arguments->command, "--lr and --base-lr exclude each other");
    if (cli_given(arguments, "steps") && cli_given(arguments, "epochs"))
        return cli_usage_error(arguments->command, "--steps and --epochs exclude each other");
    if (cli_given(arguments, "keep-head") && cli_given(arguments, "head-init"))
        return cli_usage_error(arguments->command,
                               "--keep-head and --head-init exclude each other");
    session s = {.arguments = arguments};
    fcmae_error error = {0};
    s.log = cli_progress_log(&s.bar);
    cli_remark_emulation(arguments, ((const struct finetune_values *)arguments->values)->precision,
                         0);
    cli_stop_on_signals();
    fcmae_status status = train(&s, arguments, &error);
    cli_progress_end(&s.bar);
    if (status == FCMAE_ERR_INTERRUPTED) {
        fprintf(stderr, "fcmae finetune: %s; the same command goes on from there\n", error.message);
        return print_result(&s);
    }
    return status == FCMAE_OK ? print_result(&s) : cli_fail(arguments, &error);
}

const cli_command cli_command_finetune = {
    .name = "finetune",
    .purpose = "train a classifier, from a checkpoint or from scratch",
    .description = "Loads any checkpoint into the dense network (of a pretrained one the decoder "
                   "is left out) with "
                   "a fresh head, and trains it with the model's published recipe, every value of "
                   "which can be "
                   "changed. --recipe short suits small sets and few epochs.\n\n"
                   "Like pretraining, a run can be stopped at any moment; the same command line "
                   "continues it, and it "
                   "ends in the same bytes. best.safetensors in the run folder holds the weights, "
                   "or their moving "
                   "average, with the highest accuracy on val.",
    .example =
        "fcmae finetune --checkpoint pretrained --data photos --output tuned --recipe short\n"
        "fcmae finetune --checkpoint none --model atto --data photos --output scratch --lr 1e-3 "
        "--epochs 50",
    .options = options,
    .option_count = CLI_COUNT(options),
    .values_size = sizeof(struct finetune_values),
    .run = run,
};
