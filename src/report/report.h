/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The parts of the report page; report.c puts them in order. */
#ifndef FCMAE_REPORT_REPORT_H
#define FCMAE_REPORT_REPORT_H

#include "core/text.h"
#include "report/run_data.h"

typedef struct fcmae_report_page {
    fcmae_buffer html;
    const fcmae_run_data *runs;
    int count;
    const fcmae_log *log;
    fcmae_error error; /**< first failure of a chart; FCMAE_OK otherwise */
} fcmae_report_page;

/* page.c: what the parts share */

/** Embeds a PNG file as <figure>; a file that is missing, too large or no PNG is logged and left
 *  out. */
void fcmae_report_picture(fcmae_report_page *page, const fcmae_picture *picture);
/** Opens and closes a section with a heading. */
void fcmae_report_section(fcmae_report_page *page, const char *id, const char *title);
void fcmae_report_section_end(fcmae_report_page *page);

/* the parts, a file each */

/** Style sheet of the page, without the <style> element. */
const char *fcmae_report_style(void);
/** Tiles of loss, learning rate, gradient norm, throughput, data wait, accuracy. */
void fcmae_report_curves(fcmae_report_page *page);
/** Tiles of the distances watched during training, one per run that has them. */
void fcmae_report_watch(fcmae_report_page *page);
/** The watched distances; distance against depth, verdicts, table, channel maps. */
void fcmae_report_collapse(fcmae_report_page *page);

#endif
