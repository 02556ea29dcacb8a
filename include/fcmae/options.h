/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Options: everything a run, or any other thing with many settings, can be told, as one table.
 *
 * A row states an option once: name, type, range, default, help, and what a resumed run may do with
 * it. The command line, help, manual pages, completion, recipe keys of presets, `--config` files,
 * config.json, the comparison at a resume and the calls below all read that row.
 *
 *     fcmae_options *options = NULL;
 *     fcmae_options_create(&options, fcmae_task_options("pretrain"), &error);
 *     fcmae_options_set(options, "data", "photos", &error);
 *     fcmae_options_set(options, "output", "run", &error);
 *     fcmae_options_set(options, "mask-ratio", "0.75", &error);
 *     fcmae_train(options, NULL, NULL, &error);                     (fcmae/train.h)
 *     fcmae_options_destroy(&options);
 *
 * Values are texts, as they would be typed. Each comes from a level: a default, a recipe, a file,
 * or the caller; a higher level hides the lower ones, whatever the order of the calls.
 */
#ifndef FCMAE_OPTIONS_H
#define FCMAE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Type of an option and of the member of the values that holds it. */
typedef enum fcmae_option_type {
    FCMAE_OPTION_HEADING, /**< no option: `help` heads the rows below it        */
    FCMAE_OPTION_FLAG,    /**< bool: given or not                               */
    FCMAE_OPTION_SWITCH,  /**< bool: on or off                                  */
    FCMAE_OPTION_INT,     /**< int                                              */
    FCMAE_OPTION_INTEGER, /**< int64_t                                          */
    FCMAE_OPTION_NUMBER,  /**< double, always finite                            */
    FCMAE_OPTION_TEXT,    /**< const char *                                     */
    FCMAE_OPTION_CHOICE,  /**< int (or an enumeration): index into `choices`    */
    FCMAE_OPTION_TEXTS,   /**< fcmae_texts: one or more values                  */
    FCMAE_OPTION_FOUR     /**< int[4]: "2, 2, 6, 2", one for each stage         */
} fcmae_option_type;

/** What becomes of a value in a run: nothing, or recorded in config.json, or in checkpoints too. */
typedef enum fcmae_option_record {
    FCMAE_RECORD_NOT,     /**< stands for another value, or is of this process alone              */
    FCMAE_RECORD_MACHINE, /**< cannot change the result: config.json only                         */
    FCMAE_RECORD_FREE,    /**< shapes the result; a resumed run may change it, which it says      */
    FCMAE_RECORD_FIXED    /**< shapes the result; a resumed run must have the same                */
} fcmae_option_record;

/** Who may set it. */
typedef enum fcmae_option_source {
    FCMAE_SOURCE_ANY,    /**< everybody                                                           */
    FCMAE_SOURCE_PRESET, /**< preset files alone: it is a property of the model or of its recipe */
    FCMAE_SOURCE_FACT    /**< nobody: the run finds it out and records it                         */
} fcmae_option_source;

/** Level of a value; a higher one hides the lower ones. */
typedef enum fcmae_option_level {
    FCMAE_LEVEL_UNSET,   /**< there is no value; the member is zero */
    FCMAE_LEVEL_DEFAULT, /**< `fallback`                            */
    FCMAE_LEVEL_RECIPE,  /**< a preset                              */
    FCMAE_LEVEL_FILE,    /**< `--config`                            */
    FCMAE_LEVEL_GIVEN    /**< the caller, the command line          */
} fcmae_option_level;

/** Several values of one option. */
typedef struct fcmae_texts {
    const char **items; /**< owned by the options */
    int count;
} fcmae_texts;

/** One row. In files and JSON the name has '_' for '-'. All strings are literals. */
typedef struct fcmae_option {
    const char *name; /**< "mask-ratio"; a positional argument's name in capitals              */
    fcmae_option_type type;
    size_t offset;         /**< of the member in the values                                    */
    const char *also;      /**< an older name that is still understood, or NULL                */
    const char *fallback;  /**< default as it would be typed; NULL: unset                      */
    const char *otherwise; /**< where there is no fallback, what happens: "from the recipe"    */
    const char *range;     /**< numbers: "[1, 64]", "(0, 1)", "[0, inf)"; NULL: of the type    */
    const char *choices;   /**< CHOICE: "image|batch"                                          */
    const char *unit;      /**< placeholder of the value in help: "PX", "DIR"; NULL: by type   */
    const char *help;      /**< one or two sentences                                           */
    const char *excludes;  /**< an option that must not be given beside it; this one is stronger */
    const char *section;   /**< of preset files, where it is a key there: "model", "pretrain"  */
    fcmae_option_record record;
    fcmae_option_source source;
    bool required;
    bool positional; /**< on a command line given by place; TEXTS take all that remain         */
} fcmae_option;

/** All options of one thing. */
typedef struct fcmae_option_set {
    const char *name;        /**< "pretrain"                                                  */
    const char *purpose;     /**< one line without a stop                                     */
    const char *description; /**< paragraphs, blank lines between them; NULL: none            */
    const char *example;     /**< command lines that work, one per line; NULL: none           */
    const fcmae_option *options;
    int count;
    size_t values_size; /**< of the struct that the offsets are of                            */
} fcmae_option_set;

#define FCMAE_COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/** Values of a set of options. Opaque; one owner. One thread at a time; different ones in
 *  parallel. */
typedef struct fcmae_options fcmae_options;

/** With every default in place. @param set  retained: a constant. @return FCMAE_ERR_MEMORY. */
FCMAE_API fcmae_status fcmae_options_create(fcmae_options **options, const fcmae_option_set *set,
                                            fcmae_error *error);
/** Frees and sets *options to NULL; NULL and *options == NULL are fine. */
FCMAE_API void fcmae_options_destroy(fcmae_options **options);
/** The set it was created with. */
FCMAE_API const fcmae_option_set *fcmae_options_describe(const fcmae_options *options);

/** Row of that name, '-' and '_' being the same; NULL: there is none. */
FCMAE_API const fcmae_option *fcmae_option_find(const fcmae_option_set *set, const char *name);
/** Key in files and JSON: the name with '_' for '-', cut to `size`. Returns `key`. */
FCMAE_API const char *fcmae_option_key(const fcmae_option *option, char *key, size_t size);
/** The candidate closest to a mistyped word, or NULL if none is near. */
FCMAE_API const char *fcmae_suggest(const char *word, const char *const *candidates, int count);

/**
 * Sets an option for the caller. TEXTS take one more value. A flag takes "on" or "off".
 * @param text  copied.
 * @return FCMAE_ERR_ARGUMENT: there is no such option (with a suggestion), nobody may set it, or
 *         "mask-ratio 2: must be in (0, 1)". The value is unchanged then. FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_options_set(fcmae_options *options, const char *name, const char *text,
                                         fcmae_error *error);
/** The same at any level. A value of a higher level stays; the text is checked all the same. */
FCMAE_API fcmae_status fcmae_options_set_at(fcmae_options *options, fcmae_option_level level,
                                            const char *name, const char *text, fcmae_error *error);
/**
 * Reads a file: the config.json of a run, whose facts are passed over, or an .ini with lines
 * "mask_ratio = 0.75", outside any section or in the section of the set's name; other sections are
 * passed over, but not if there is nothing else. An option stands there once, a list excepted.
 * @return FCMAE_ERR_NOT_FOUND, FCMAE_ERR_IO, FCMAE_ERR_FORMAT (with file and line or key).
 */
FCMAE_API fcmae_status fcmae_options_read(fcmae_options *options, const char *path,
                                          fcmae_error *error);
/** FCMAE_ERR_ARGUMENT: a required option has no value, or two that exclude each other have one. */
FCMAE_API fcmae_status fcmae_options_check(const fcmae_options *options, fcmae_error *error);

/** Level of an option's value; UNSET also where there is no such option. */
FCMAE_API fcmae_option_level fcmae_options_level(const fcmae_options *options, const char *name);
/** Whether a file or the caller set it. */
FCMAE_API bool fcmae_options_given(const fcmae_options *options, const char *name);
/** The value as text, cut to `size`; "" where there is none. Returns `text`. */
FCMAE_API const char *fcmae_options_text(const fcmae_options *options, const char *name, char *text,
                                         size_t size);
/** The value of an INT, INTEGER, NUMBER, FLAG, SWITCH or CHOICE as a number; 0 where there is none.
 */
FCMAE_API double fcmae_options_number(const fcmae_options *options, const char *name);
/** The struct that the offsets are of. Writable by whoever defined the set: to resolve what was
 *  left open. Lives as long as the options; texts in it too. */
FCMAE_API void *fcmae_options_values(fcmae_options *options);

#ifdef __cplusplus
}
#endif
#endif
