/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae synth: a labelled image set made by the program itself. */
#include "commands.h"
#include "fcmae/data.h"
#include "json.h"
#include "shared.h"
#include "shown.h"

struct synth_values {
    const char *output;
    int64_t classes, images, validation_images, size, seed, threads;
    int format;
    bool json;
};
#define AT(member) offsetof(struct synth_values, member)

static const fcmae_option options[] = {
    {"output", FCMAE_OPTION_TEXT, AT(output), .required = true, .unit = "DIR",
     .help = "Folder that gets train/ and val/; made if it does not exist. Files of the same names "
             "are replaced."},
    {"classes", FCMAE_OPTION_INTEGER, AT(classes), .fallback = "10", .range = "[1, 1000]",
     .help = "Classes: a shape and a texture each."},
    {"images", FCMAE_OPTION_INTEGER, AT(images), .fallback = "1000", .range = "[1, 100000000]",
     .help = "Training images in all, dealt evenly to the classes."},
    {"validation-images", FCMAE_OPTION_INTEGER, AT(validation_images), .range = "[1, 100000000]",
     .otherwise = "a fifth of --images, at least one per class",
     .help = "Validation images in all."},
    {"size", FCMAE_OPTION_INTEGER, AT(size), .fallback = "64", .range = "[16, 2048]", .unit = "PX",
     .help = "Side of an image in pixels."},
    {"format", FCMAE_OPTION_CHOICE, AT(format), .fallback = "jpeg", .choices = "jpeg|png",
     .help = "File format; jpeg has quality 90."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "The same seed writes the same files."},
    {"threads", FCMAE_OPTION_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object about what was written."},
};

static int run(const cli_arguments *arguments)
{
    const struct synth_values *o = arguments->values;
    if (o->images < o->classes)
        return cli_usage_error(arguments->command,
                               "--images %lld: must be at least --classes (%lld)",
                               (long long)o->images, (long long)o->classes);
    fcmae_synthetic_options synthetic = {.classes = (int)o->classes,
                                         .images = o->images,
                                         .validation_images = o->validation_images,
                                         .size = (int)o->size,
                                         .seed = (uint64_t)o->seed,
                                         .png = o->format == 1,
                                         .threads = (int)o->threads};
    fcmae_error error = {0};
    if (fcmae_synthetic_write(o->output, &synthetic, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);

    /* count what is there rather than repeat what was asked for */
    int64_t counts[2] = {0};
    int classes = 0;
    static const char *const parts[2] = {"train", "val"};
    for (int part = 0; part < 2; part++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", o->output, parts[part]);
        fcmae_dataset *dataset = NULL;
        fcmae_dataset_options labelled = {.labelled = true};
        if (fcmae_dataset_open(&dataset, path, &labelled, &error) != FCMAE_OK)
            return cli_fail(arguments, &error);
        counts[part] = fcmae_dataset_count(dataset);
        classes = fcmae_dataset_classes(dataset);
        fcmae_dataset_close(&dataset);
    }
    if (o->json)
        return cli_print_json(arguments,
                              json_pack("{s:s, s:i, s:I, s:I, s:I}", "output", o->output, "classes",
                                        classes, "train", (json_int_t)counts[0], "val",
                                        (json_int_t)counts[1], "size", (json_int_t)o->size));
    printf("%s: %lld training and %lld validation images of %d classes, %lld x %lld pixels\n",
           CLI_SHOWN(o->output), (long long)counts[0], (long long)counts[1], classes,
           (long long)o->size, (long long)o->size);
    return cli_finish(arguments);
}

const cli_command cli_command_synth = {
    .set =
        &(const fcmae_option_set){
            .name = "synth",
            .purpose = "write a labelled synthetic image set to try things on",
            .description =
                "Writes train/class_NNN/ and val/class_NNN/: shaded objects before a textured "
                "background. A class is a shape and a texture; colour, place, size, rotation and "
                "light vary, so that a classifier has something to learn and a masked autoencoder "
                "something to see.",
            .example = "fcmae synth --output demo/data --classes 10 --images 2000 --size 96",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct synth_values),
        },
    .run = run,
};
