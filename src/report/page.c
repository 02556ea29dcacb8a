/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What the parts of the page write alike: sections and embedded pictures. */
#include <string.h>

#include "core/file.h"
#include "report/markup.h"
#include "report/report.h"

#define PICTURE_LIMIT ((size_t)16 << 20)

void fcmae_report_section(fcmae_report_page *page, const char *id, const char *title)
{
    fcmae_text_format(&page->html, "<section id=\"%s\"><h2>%s</h2>\n", id, title);
}

void fcmae_report_section_end(fcmae_report_page *page)
{
    fcmae_text_add(&page->html, "</section>\n");
}

void fcmae_report_picture(fcmae_report_page *page, const fcmae_picture *picture)
{
    fcmae_buffer buffer = {0};
    fcmae_error error = {0};
    bool good = fcmae_file_read(&buffer, picture->path, PICTURE_LIMIT, &error) == FCMAE_OK;
    if (good && (buffer.size < 8 || memcmp(buffer.bytes, "\x89PNG\r\n\x1a\n", 8) != 0)) {
        fcmae_fail(&error, FCMAE_ERR_FORMAT, "%s is not a PNG", picture->path);
        good = false;
    }
    if (good) {
        fcmae_text_add(&page->html, "<figure><img loading=\"lazy\" alt=\"");
        fcmae_markup_escape(&page->html, picture->caption);
        fcmae_text_add(&page->html, "\" src=\"data:image/png;base64,");
        fcmae_markup_base64(&page->html, buffer.bytes, buffer.size);
        fcmae_text_add(&page->html, "\"><figcaption>");
        fcmae_markup_escape(&page->html, picture->caption);
        fcmae_text_add(&page->html, "</figcaption></figure>\n");
    } else if (error.status == FCMAE_ERR_MEMORY) {
        page->html.failed = true;
    } else {
        fcmae_log_line(page->log, FCMAE_LOG_WARNING, "left out of the report: %s", error.message);
    }
    fcmae_buffer_release(&buffer);
}
