/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae parity: runs a reference file and compares every tensor it expects. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fcmae/checkpoint.h"
#include "json.h"
#include "parity.h"
#include "shared.h"
#include "shown.h"

struct parity_values {
    const char *file;
    double tolerance;
    int64_t threads, lanes, micro_batch;
    int precision;
    bool json;
};
#define AT(member) offsetof(struct parity_values, member)

static const fcmae_option options[] = {
    {"FILE", FCMAE_OPTION_TEXT, AT(file), .positional = true, .required = true,
     .help = "A parity file (safetensors; .npz and PyTorch files do as well)."},
    {"tolerance", FCMAE_OPTION_NUMBER, AT(tolerance), .fallback = "1e-4", .range = "[0, inf)",
     .help = "Largest error of an element, relative to the largest magnitude of its tensor."},
    {"precision", FCMAE_OPTION_CHOICE, AT(precision), .fallback = "f32", .choices = "f32|bf16",
     .help = CLI_HELP_PRECISION},
    {"threads", FCMAE_OPTION_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"lanes", FCMAE_OPTION_INTEGER, AT(lanes), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_LANES},
    {"micro-batch", FCMAE_OPTION_INTEGER, AT(micro_batch), .fallback = "0", .range = "[0, 65536]",
     .help = CLI_HELP_MICRO_BATCH},
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

/* One expected tensor beside what was computed. */
typedef struct comparison {
    char name[160];
    double magnitude, error; /* largest |expected|, largest |difference| */
    int rank;
    int64_t where[FCMAE_TENSOR_RANK]; /* index of the largest error */
    double expected, computed;        /* values there */
    bool pass;
} comparison;

typedef struct comparisons {
    comparison *items;
    int count;
    double tolerance;
} comparisons;

static double relative(const comparison *c)
{
    return c->magnitude > 0 ? c->error / c->magnitude : c->error;
}

/* Compares in C order of `shape`. A NaN on either side is the largest error there is. */
static void compare(comparisons *list, const char *name, int rank, const int64_t *shape,
                    const float *expected, const float *computed)
{
    comparison *c = &list->items[list->count++];
    int64_t count = 1, worst = 0;
    *c = (comparison){.rank = rank};
    snprintf(c->name, sizeof c->name, "%s", name);
    for (int i = 0; i < rank; i++) count *= shape[i];
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)expected[i] - (double)computed[i]);
        if (isnan(difference)) difference = INFINITY;
        if (fabs((double)expected[i]) > c->magnitude) c->magnitude = fabs((double)expected[i]);
        if (difference > c->error) {
            c->error = difference;
            worst = i;
        }
    }
    c->expected = count ? expected[worst] : 0;
    c->computed = count ? computed[worst] : 0;
    for (int i = rank - 1; i >= 0; i--) {
        c->where[i] = shape[i] ? worst % shape[i] : 0;
        worst = shape[i] ? worst / shape[i] : 0;
    }
    c->pass = isfinite(c->error) && relative(c) <= list->tolerance;
}

static void compare_case(comparisons *list, const cli_parity_case *p)
{
    for (int i = 0; i < CLI_PARITY_OUTPUTS; i++) {
        const cli_parity_tensor *t = &p->output[i];
        if (t->expected)
            compare(list, cli_parity_output_names[i], t->rank, t->shape, t->expected, t->computed);
    }
    int count = 0;
    const fcmae_parameter *table = fcmae_model_parameters(p->model, &count);
    for (int i = 0; p->gradients && i < count; i++) {
        if (!p->gradient_expected[i]) continue;
        char name[160];
        snprintf(name, sizeof name, "expected.grad.%s", table[i].name);
        fcmae_parameter_export(&table[i], p->gradients, p->scratch[0]);
        fcmae_parameter_export(&table[i], p->computed_gradients, p->scratch[1]);
        compare(list, name, table[i].rank, table[i].shape, p->scratch[0], p->scratch[1]);
    }
}

static const comparison *worst_of(const comparisons *list)
{
    const comparison *worst = &list->items[0];
    for (int i = 1; i < list->count; i++)
        if (!(relative(&list->items[i]) <= relative(worst))) worst = &list->items[i];
    return worst;
}

static int failures(const comparisons *list)
{
    int count = 0;
    for (int i = 0; i < list->count; i++) count += !list->items[i].pass;
    return count;
}

static const char *place(const comparison *c, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < c->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? ", " : "",
                                 c->where[i]);
    if (used < size) snprintf(text + used, size - used, "]");
    return text;
}

static int print_text(const cli_arguments *arguments, const comparisons *list)
{
    char text[160];
    printf("%-46s %10s %10s %10s  %s\n", "tensor", "magnitude", "abs error", "rel error",
           "where the error is largest: expected, computed");
    for (int i = 0; i < list->count; i++) {
        const comparison *c = &list->items[i];
        printf("%-46s %10.3e %10.3e %10.3e  %s %s %.9g, %.9g\n", CLI_SHOWN(c->name), c->magnitude,
               c->error, relative(c), c->pass ? "PASS" : "FAIL", place(c, text, sizeof text),
               c->expected, c->computed);
    }
    const comparison *worst = worst_of(list);
    int failed = failures(list);
    printf("%s: %d of %d tensors within %g; the worst relative error is %.3e, %s\n",
           failed ? "FAIL" : "PASS", list->count - failed, list->count, list->tolerance,
           relative(worst), CLI_SHOWN(worst->name));
    int result = cli_finish(arguments);
    return failed ? CLI_FAILURE : result;
}

static int print_json(const cli_arguments *arguments, const comparisons *list)
{
    json_t *tensors = json_array();
    for (int i = 0; i < list->count; i++) {
        const comparison *c = &list->items[i];
        json_t *where = json_array();
        for (int k = 0; k < c->rank; k++)
            cli_json_append(&where, json_integer((json_int_t)c->where[k]));
        cli_json_append(&tensors, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "name",
                                            cli_json_text(c->name), "magnitude",
                                            cli_json_figure(c->magnitude), "absolute_error",
                                            cli_json_figure(c->error), "relative_error",
                                            cli_json_figure(relative(c)), "where", where,
                                            "expected", cli_json_figure(c->expected), "computed",
                                            cli_json_figure(c->computed), "pass", c->pass));
    }
    int failed = failures(list);
    int result = cli_print_json(
        arguments, json_pack("{s:o, s:b, s:i, s:f, s:o}", "tensors", tensors, "pass", failed == 0,
                             "failed", failed, "tolerance", list->tolerance, "worst_relative_error",
                             cli_json_figure(relative(worst_of(list)))));
    return failed ? CLI_FAILURE : result;
}

static int run(const cli_arguments *arguments)
{
    const struct parity_values *o = arguments->values;
    cli_parity_case parity = {.engine = {.threads = (int)o->threads,
                                         .lanes = (int)o->lanes,
                                         .micro_batch = (int)o->micro_batch,
                                         .precision = (fcmae_precision)o->precision}};
    fcmae_error error = {0};
    cli_remark_emulation(arguments, o->precision, 0);
    fcmae_status status = cli_parity_read(&parity, o->file, &error);
    if (status == FCMAE_OK) status = cli_parity_run(&parity, &error);
    int result;
    if (status == FCMAE_OK) {
        int count = 0;
        fcmae_model_parameters(parity.model, &count);
        comparisons list = {.tolerance = o->tolerance};
        list.items = calloc((size_t)count + CLI_PARITY_OUTPUTS, sizeof *list.items);
        if (list.items) {
            compare_case(&list, &parity);
            result = o->json ? print_json(arguments, &list) : print_text(arguments, &list);
        } else {
            snprintf(error.message, sizeof error.message, "out of memory");
            result = cli_fail(arguments, &error);
        }
        free(list.items);
    } else {
        result = cli_fail(arguments, &error);
    }
    cli_parity_release(&parity);
    return result;
}

const cli_command cli_command_parity = {
    .set =
        &(const fcmae_option_set){
            .name = "parity",
            .purpose = "run a reference file of another framework and compare",
            .description =
                "A parity file holds a batch, the parameters of a network and what another "
                "implementation made of them. fcmae runs the same batch and prints, per expected "
                "tensor, the largest error and where it is. Exit status 1 if one is outside the "
                "tolerance.\n\n"
                "Tensors: image [N,C,H,W], normalised; mask [N,cells], 1 = removed (absent: every "
                "cell visible); labels [N], classes; the parameters under official names, sparse "
                "or dense. Compared are those of expected.loss [1], expected.pred [N,cells,P], "
                "expected.encoder [N,C,h,w], expected.logits [N,K] and expected.grad.<parameter> "
                "that are there. Metadata: model (a preset) or depths and dims; norm_pix on|off; "
                "grn_scope image|batch.",
            .example = "fcmae parity tests/golden/pretrain-dense.safetensors\n"
                       "fcmae parity reference.safetensors --tolerance 1e-5 --lanes 2 --json",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct parity_values),
        },
    .run = run,
};
