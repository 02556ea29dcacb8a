/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae report: runs as one page. */
#include "commands.h"
#include "fcmae/fcmae.h"
#include "progress.h"
#include "shown.h"

struct report_values {
    fcmae_texts runs;
    const char *output;
};
#define AT(member) offsetof(struct report_values, member)

static const fcmae_option options[] = {
    {"RUN", FCMAE_OPTION_TEXTS, AT(runs), .positional = true, .required = true,
     .help = "Run folders, as written by pretrain and finetune. Several are drawn into the same "
             "charts and their options compared."},
    {"output", FCMAE_OPTION_TEXT, AT(output), .unit = "FILE",
     .otherwise = "RUN/report.html; of several, comparison.html in the first",
     .help = "The page to write."},
};

static int run(const cli_arguments *arguments)
{
    const struct report_values *o = arguments->values;
    cli_progress progress = {0};
    fcmae_log log = cli_progress_log(&progress);
    fcmae_error error = {0};
    char path[4200];
    /* the page of a comparison does not replace the first run's own */
    const char *page = o->output ? "" : o->runs.count > 1 ? "/comparison.html" : "/report.html";
    int length = snprintf(path, sizeof path, "%s%s", o->output ? o->output : o->runs.items[0],
                          page);
    if (length < 0 || (size_t)length >= sizeof path)
        return cli_usage_error(arguments->command, "the path of the page is too long");
    if (fcmae_report_write(o->runs.items, o->runs.count, path, &log, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    printf("%s\n", CLI_SHOWN(path));
    return cli_finish(arguments);
}

const cli_command cli_command_report = {
    .set =
        &(const fcmae_option_set){
            .name = "report",
            .purpose = "one self-contained HTML page of one or more runs",
            .description = "Writes a page that opens in any browser without network: an overview, "
                           "the curves of log.jsonl, watched and analysed feature collapse "
                           "(RUN/collapse*, written by 'fcmae collapse --output RUN/collapse'), "
                           "reconstructions across training (RUN/reconstructions/step-*.png), the "
                           "configuration and the command that reproduces it. What a run does not "
                           "have is left out. It can be written while the run is going on.",
            .example =
                "fcmae report runs/v2\nfcmae report runs/v1 runs/v2 --output comparison.html",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct report_values),
        },
    .run = run,
};
