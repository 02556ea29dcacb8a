/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae pretrain: a masked autoencoder from a folder of images. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "commands.h"
#include "fcmae/fcmae.h"
#include "inspection.h"
#include "json.h"
#include "progress.h"
#include "shared.h"
#include "stop.h"

struct pretrain_values {
    const char *data, *model, *output, *resume;
    int64_t input_size, mask_unit, masks_per_image, steps, batch_size, accumulate, threads, lanes;
    int64_t micro_batch, seed, save_every, keep, workers, decoder_depth, decoder_dim;
    int64_t watch_collapse, pictures;
    double mask_ratio, epochs, lr, base_lr, min_lr, warmup_epochs, weight_decay, clip, ema;
    double crop_scale, flip, bad_share;
    bool norm_pix, grn_decay, fast_decode, json;
    int grn_scope, precision;
};
#define AT(member) offsetof(struct pretrain_values, member)

static const cli_option options[] = {
    {.type = CLI_HEADING, .help = "Run"},
    {"data", CLI_TEXT, AT(data), .required = true, .unit = "DIR",
     .help = "Folder of JPEG and PNG images, with any subfolders. Labels are not used."},
    {"model", CLI_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE",
     .help = "Preset or preset file; it also gives the recipe that the options below change."},
    {"output", CLI_TEXT, AT(output), .required = true, .unit = "RUN",
     .help = "Run folder: config.json, log.jsonl and checkpoints."},
    {"resume", CLI_TEXT, AT(resume), .fallback = "auto", .unit = "auto|never|FILE",
     .help = "auto continues from the newest complete checkpoint of the run folder; never insists "
             "on a fresh folder; FILE continues from that checkpoint."},
    {"epochs", CLI_NUMBER, AT(epochs), .otherwise = "from the model's recipe", .range = "(0, 1e6]",
     .help = "Passes over the images."},
    {"steps", CLI_INTEGER, AT(steps), .range = "[1, 1000000000]", .otherwise = "from the epochs",
     .help = "Length in updates instead of epochs."},
    {"batch-size", CLI_INTEGER, AT(batch_size), .fallback = "64", .range = "[1, 65536]",
     .help = "Masked views per batch."},
    {"accumulate", CLI_INTEGER, AT(accumulate), .fallback = "1", .range = "[1, 65536]",
     .help = "Batches per update. The effective batch is batch-size times this."},
    {"seed", CLI_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Same seed, same bits, on any number of threads."},
    {"save-every", CLI_INTEGER, AT(save_every), .range = "[1, 1000000000]",
     .otherwise = "once an epoch", .help = "Updates between checkpoints."},
    {"keep", CLI_INTEGER, AT(keep), .fallback = "3", .range = "[0, 1000000]",
     .help = "Checkpoints that stay in the run folder; 0: all."},
    {"watch-collapse", CLI_INTEGER, AT(watch_collapse), .fallback = "0", .range = "[0, 1000000000]",
     .help = "Updates between measurements of feature collapse: the mean cosine distance between "
             "channels, per stage, on 8 views of the batch, goes into log.jsonl. 0: never."},
    {"pictures", CLI_INTEGER, AT(pictures), .fallback = "4", .range = "[0, 64]",
     .help = "Fixed images whose reconstruction is drawn some ten times in the run, into "
             "RUN/reconstructions; 0: none."},

    {.type = CLI_HEADING, .help = "Masked autoencoder"},
    {"input-size", CLI_INTEGER, AT(input_size), .fallback = "224", .range = "[32, 4096]",
     .unit = "PX", .help = "Side of the input, a multiple of the patch (32)."},
    {"mask-ratio", CLI_NUMBER, AT(mask_ratio), .otherwise = "from the model's recipe",
     .range = "(0, 1)", .help = "Share of the cells removed."},
    {"mask-unit", CLI_INTEGER, AT(mask_unit), .fallback = "1", .range = "[1, 128]",
     .help = "Cells along the side of the squares that are removed together."},
    {"masks-per-image", CLI_INTEGER, AT(masks_per_image), .fallback = "1", .range = "[1, 256]",
     .help =
         "Views of each decoded image, each with other visible cells. batch-size counts views."},
    {"norm-pix", CLI_SWITCH, AT(norm_pix), .otherwise = "from the model's preset",
     .help = "Normalise the pixels to predict by their patch."},
    {"grn-scope", CLI_CHOICE, AT(grn_scope), .choices = "image|batch",
     .otherwise = "from the model's preset",
     .help = "Set of visible sites over which GRN takes its norm."},
    {"decoder-depth", CLI_INTEGER, AT(decoder_depth), .range = "[1, 64]",
     .otherwise = "from the model's preset", .help = "Blocks of the decoder."},
    {"decoder-dim", CLI_INTEGER, AT(decoder_dim), .range = "[16, 8192]",
     .otherwise = "from the model's preset", .help = "Channels of the decoder, a multiple of 16."},

    {.type = CLI_HEADING, .help = "Optimisation"},
    {"lr", CLI_NUMBER, AT(lr), .range = "(0, inf)", .otherwise = "from base-lr",
     .help = "Peak learning rate, whatever the batch."},
    {"base-lr", CLI_NUMBER, AT(base_lr), .range = "(0, inf)",
     .otherwise = "from the model's recipe",
     .help = "Peak learning rate for an effective batch of 256; scaled with the batch."},
    {"min-lr", CLI_NUMBER, AT(min_lr), .range = "[0, inf)", .otherwise = "from the model's recipe",
     .help = "Learning rate at the end of the cosine."},
    {"warmup-epochs", CLI_NUMBER, AT(warmup_epochs), .range = "[0, inf)",
     .otherwise = "as the model's recipe, at most 5 % of the run",
     .help = "Epochs over which the learning rate rises from 0."},
    {"weight-decay", CLI_NUMBER, AT(weight_decay), .range = "[0, inf)",
     .otherwise = "from the model's recipe", .help = "On the weights of convolutions and linears."},
    {"grn-decay", CLI_SWITCH, AT(grn_decay), .fallback = "off",
     .help = "Decay GRN's gamma and beta and the mask token too, as the official code does."},
    {"clip", CLI_NUMBER, AT(clip), .fallback = "0", .range = "[0, inf)",
     .help = "Largest norm of the gradient; 0: not clipped."},
    {"ema", CLI_NUMBER, AT(ema), .fallback = "0", .range = "[0, 1)",
     .help = "Decay of a moving average of the weights, saved with the state; 0: none."},

    {.type = CLI_HEADING, .help = "Images"},
    {"crop-scale", CLI_NUMBER, AT(crop_scale), .otherwise = "from the model's recipe",
     .range = "(0, 1]", .help = "Smallest share of an image's area in a random crop."},
    {"flip", CLI_NUMBER, AT(flip), .otherwise = "from the model's recipe", .range = "[0, 1]",
     .help = "Probability of mirroring an image."},
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
    cli_inspection inspection;
    cli_progress bar;
    fcmae_log log;
    fcmae_train_progress last;
    char checkpoint[4096];
    double loss_sum; /* of this sitting */
    int64_t samples, updates;
    double started;
} session;

static void show_plan(void *cookie, const fcmae_train_plan *plan)
{
    session *s = cookie;
    char memory[32];
    if (!s->arguments->quiet)
        fprintf(stderr,
                "%" PRId64 " images, %" PRId64 " updates of %" PRId64 " views (%.4g epochs), "
                "learning rate %.3g, %d lanes of %d, %s of memory\n",
                plan->images, plan->steps, plan->effective_batch, plan->epochs, plan->lr,
                plan->engine.options.lanes, plan->engine.options.micro_batch,
                cli_bytes((double)plan->total_bytes, memory, sizeof memory));
    if (plan->resumed_from[0] && !s->arguments->quiet)
        fprintf(stderr, "continues after update %" PRId64 " from %s\n", plan->first_step,
                plan->resumed_from);
    if (plan->resumed_from[0])
        snprintf(s->checkpoint, sizeof s->checkpoint, "%s", plan->resumed_from);
    s->last.step = plan->first_step;
    cli_inspection_begin(&s->inspection, plan);
    s->started = fcmae_measure_seconds();
    cli_progress_start(&s->bar, s->arguments, "pretrain", "step", plan->first_step, plan->steps);
}

static void show_progress(void *cookie, const fcmae_train_progress *progress)
{
    session *s = cookie;
    s->last = *progress;
    s->samples += progress->samples;
    s->updates++;
    s->loss_sum += progress->loss;
    cli_progress_update(&s->bar, progress->step, progress->samples, progress->loss);
}

static void note_checkpoint(void *cookie, int64_t step, const char *path)
{
    (void)step;
    snprintf(((session *)cookie)->checkpoint, sizeof((session *)cookie)->checkpoint, "%s", path);
}

static fcmae_status inspect(void *cookie, int64_t step, fcmae_engine *engine,
                            const fcmae_batch *batch, fcmae_train_figures *figures,
                            fcmae_error *error)
{
    return cli_inspection_update(&((session *)cookie)->inspection, step, engine, batch, figures,
                                 error);
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

static void apply_recipe(fcmae_pretrain_options *p, const fcmae_pretrain_recipe *recipe)
{
    p->mask_ratio = recipe->mask_ratio;
    p->crop_scale = recipe->crop_min;
    p->flip = recipe->flip;
    p->run.epochs = recipe->epochs;
    p->optimisation.base_lr = recipe->base_lr;
    p->optimisation.min_lr = recipe->min_lr;
    p->optimisation.warmup_epochs = -recipe->warmup_epochs;
    p->optimisation.adamw.weight_decay = recipe->weight_decay;
    p->optimisation.adamw.beta1 = recipe->beta1;
    p->optimisation.adamw.beta2 = recipe->beta2;
    p->optimisation.adamw.epsilon = recipe->epsilon;
}

/** Options that have no default of their own change what preset and recipe say. */
static void apply_given(fcmae_pretrain_options *p, const cli_arguments *a)
{
    const struct pretrain_values *o = a->values;
    if (cli_given(a, "mask-ratio")) p->mask_ratio = o->mask_ratio;
    if (cli_given(a, "crop-scale")) p->crop_scale = o->crop_scale;
    if (cli_given(a, "flip")) p->flip = o->flip;
    if (cli_given(a, "bad-share")) p->bad_share = o->bad_share > 0 ? o->bad_share : -1;
    if (cli_given(a, "epochs")) p->run.epochs = o->epochs;
    if (cli_given(a, "base-lr")) p->optimisation.base_lr = o->base_lr;
    if (cli_given(a, "min-lr")) p->optimisation.min_lr = o->min_lr;
    if (cli_given(a, "warmup-epochs")) p->optimisation.warmup_epochs = o->warmup_epochs;
    if (cli_given(a, "weight-decay")) p->optimisation.adamw.weight_decay = o->weight_decay;
    if (cli_given(a, "norm-pix")) p->model.norm_pix = o->norm_pix;
    if (cli_given(a, "grn-scope"))
        p->model.grn_scope = o->grn_scope == 1 ? FCMAE_GRN_BATCH : FCMAE_GRN_IMAGE;
    if (cli_given(a, "decoder-depth")) p->model.decoder_depth = (int)o->decoder_depth;
    if (cli_given(a, "decoder-dim")) p->model.decoder_dim = (int)o->decoder_dim;
}

static void apply_rest(fcmae_pretrain_options *p, const struct pretrain_values *o)
{
    p->data = o->data;
    p->input_size = (int)o->input_size;
    p->mask_unit = (int)o->mask_unit;
    p->masks_per_image = (int)o->masks_per_image;
    p->fast_decode = o->fast_decode;
    p->optimisation.lr = o->lr;
    p->optimisation.adamw.grn_decay = o->grn_decay;
    p->optimisation.adamw.clip = o->clip;
    p->optimisation.ema_decay = o->ema;
    p->run.output = o->output;
    p->run.resume = o->resume;
    p->run.steps = o->steps;
    p->run.batch_size = o->batch_size;
    p->run.accumulate = (int)o->accumulate;
    p->run.seed = (uint64_t)o->seed;
    p->run.threads = (int)o->threads;
    p->run.lanes = (int)o->lanes;
    p->run.micro_batch = (int)o->micro_batch;
    p->run.precision = (fcmae_precision)o->precision;
    p->run.workers = (int)o->workers;
    p->run.save_every = o->save_every;
    p->run.keep = (int)o->keep;
}

static int print_result(const session *s)
{
    const struct pretrain_values *o = s->arguments->values;
    double taken = fcmae_measure_seconds() - s->started;
    double rate = taken > 0 ? (double)s->samples / taken : 0;
    double mean = s->updates > 0 ? s->loss_sum / (double)s->updates : 0;
    if (o->json)
        return cli_print_json(s->arguments,
                              json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:I}", "run",
                                        o->output, "checkpoint", s->checkpoint, "step",
                                        (json_int_t)s->last.step, "updates", (json_int_t)s->updates,
                                        "loss", s->last.loss, "mean_loss", mean, "images_per_s",
                                        rate, "elapsed", s->last.elapsed, "peak_memory_bytes",
                                        (json_int_t)fcmae_measure_peak_memory()));
    char time[32], memory[32];
    if (s->updates == 0)
        printf("Nothing was left to do: update %" PRId64 " is in %s\n", s->last.step,
               s->checkpoint);
    else
        printf("Update %" PRId64 ", loss %.4f (mean of this sitting %.4f), %.1f images/s, %s, peak "
               "memory %s\nCheckpoint: %s\n",
               s->last.step, s->last.loss, mean, rate, cli_duration(taken, time, sizeof time),
               cli_bytes((double)fcmae_measure_peak_memory(), memory, sizeof memory),
               s->checkpoint[0] ? s->checkpoint : "none yet");
    return cli_finish(s->arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct pretrain_values *o = arguments->values;
    if (cli_given(arguments, "lr") && cli_given(arguments, "base-lr"))
        return cli_usage_error(arguments->command, "--lr and --base-lr exclude each other");
    if (cli_given(arguments, "steps") && cli_given(arguments, "epochs"))
        return cli_usage_error(arguments->command, "--steps and --epochs exclude each other");
    fcmae_pretrain_options p = fcmae_pretrain_defaults();
    fcmae_recipe recipe;
    fcmae_error error = {0};
    if (fcmae_preset_load(o->model, &p.model, &recipe, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    apply_recipe(&p, &recipe.pretrain);
    apply_given(&p, arguments);
    apply_rest(&p, o);

    session s = {.arguments = arguments};
    s.log = cli_progress_log(&s.bar);
    s.inspection = (cli_inspection){.pretrain = &p,
                                    .watch_every = o->watch_collapse,
                                    .pictures = (int)o->pictures,
                                    .log = s.log};
    char *command = cli_command_line();
    p.run.command = command;
    fcmae_train_callbacks callbacks = {.cookie = &s,
                                       .log = {show_remark, &s},
                                       .begin = show_plan,
                                       .progress = show_progress,
                                       .saved = note_checkpoint,
                                       .should_stop = should_stop,
                                       .inspect = inspect,
                                       .inspect_every = 1};
    cli_remark_emulation(arguments, o->precision, 0);
    cli_stop_on_signals();
    fcmae_status status = fcmae_pretrain(&p, &callbacks, &error);
    cli_progress_end(&s.bar);
    cli_inspection_release(&s.inspection);
    free(command);
    if (status == FCMAE_ERR_INTERRUPTED) {
        fprintf(stderr, "fcmae pretrain: %s; the same command goes on from there\n", error.message);
        return print_result(&s);
    }
    return status == FCMAE_OK ? print_result(&s) : cli_fail(arguments, &error);
}

const cli_command cli_command_pretrain = {
    .name = "pretrain",
    .purpose = "train a masked autoencoder on a folder of images",
    .description =
        "Removes most cells of each image, shows the rest to a sparse ConvNeXt encoder and learns "
        "to "
        "predict the removed pixels (ConvNeXt V2's FCMAE).\n\n"
        "The run can be stopped at any moment, by Ctrl-C, a signal or a power cut: the same "
        "command "
        "line continues it, and it ends in the same bytes as if it had never stopped. Ctrl-C saves "
        "first; a second Ctrl-C does not wait.",
    .example =
        "fcmae pretrain --data photos --output run\n"
        "fcmae pretrain --data photos --model tiny --input-size 160 --epochs 20 --output run",
    .options = options,
    .option_count = CLI_COUNT(options),
    .values_size = sizeof(struct pretrain_values),
    .run = run,
};
