/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "progress.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fcmae/measure.h"
#include "shown.h"

/* Seconds between two drawings: a bar should move, a log file should stay readable. */
static const double terminal_interval = 0.1, plain_interval = 30;

const char *cli_duration(double seconds, char *text, int size)
{
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, (size_t)size, "?");
        return text;
    }
    long long whole = (long long)(seconds + 0.5);
    if (whole >= 86400)
        snprintf(text, (size_t)size, "%lld d %lld h", whole / 86400, whole % 86400 / 3600);
    else if (whole >= 3600)
        snprintf(text, (size_t)size, "%lld h %02lld min", whole / 3600, whole % 3600 / 60);
    else if (whole >= 60)
        snprintf(text, (size_t)size, "%lld min %02lld s", whole / 60, whole % 60);
    else
        snprintf(text, (size_t)size, "%lld s", whole);
    return text;
}

const char *cli_bytes(double bytes, char *text, int size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    while (bytes >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, (size_t)size, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes,
             units[unit]);
    return text;
}

void cli_progress_start(cli_progress *progress, const cli_arguments *arguments, const char *label,
                        const char *unit, int64_t done, int64_t total)
{
    *progress = (cli_progress){
        .label = label, .unit = unit, .total = total, .done = done, .first = done};
    progress->active = !arguments->quiet;
    progress->terminal = isatty(STDERR_FILENO);
    progress->started = progress->recent_time = fcmae_measure_seconds();
}

/* Images per second over about the last ten seconds, so that a change shows. */
static void update_rate(cli_progress *progress, double now, int64_t images)
{
    progress->images += (double)images;
    progress->recent_images += (double)images;
    double span = now - progress->recent_time;
    if (span < 1 && progress->rate > 0) return;
    if (span <= 0) return;
    double recent = progress->recent_images / span, keep = exp(-span / 10);
    progress->rate = progress->rate > 0 ? keep * progress->rate + (1 - keep) * recent : recent;
    progress->recent_images = 0;
    progress->recent_time = now;
}

static int terminal_width(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

/* "step 1410/3000  loss 0.4312  168.2 images/s  ETA 2 min 31 s" */
static void describe(const cli_progress *progress, double loss, double now, char *text, size_t size)
{
    char eta[32];
    int used = snprintf(text, size, "%s %lld", progress->unit, (long long)progress->done);
#define ADD(...)                          \
    if (used >= 0 && (size_t)used < size) \
    used += snprintf(text + used, size - (size_t)used, __VA_ARGS__)
    if (progress->total > 0) ADD("/%lld", (long long)progress->total);
    if (!isnan(loss)) ADD("  loss %.4f", loss);
    if (progress->rate > 0) ADD("  %.4g images/s", progress->rate);
    int64_t finished = progress->done - progress->first;
    if (progress->total > progress->done && finished > 0) {
        double each = (now - progress->started) / (double)finished;
        ADD("  ETA %s",
            cli_duration(each * (double)(progress->total - progress->done), eta, sizeof eta));
    }
    if (progress->watched[0]) ADD("  %s", progress->watched);
#undef ADD
}

static void draw_bar(cli_progress *progress, const char *text)
{
    enum { MAXIMUM = 30 };
    int width = terminal_width() - 1;
    int room = width - (int)strlen(progress->label) - (int)strlen(text) - 10;
    int cells = room > MAXIMUM ? MAXIMUM : room;
    double part = progress->total > 0 ? (double)progress->done / (double)progress->total : 0;
    if (part > 1) part = 1;
    fprintf(stderr, "\r%s ", progress->label);
    if (progress->total > 0 && cells >= 5) {
        int full = (int)(part * cells);
        fputc('[', stderr);
        for (int i = 0; i < cells; i++) fputc(i < full ? '=' : i == full ? '>' : ' ', stderr);
        fprintf(stderr, "] %3d%% ", (int)(100 * part));
    }
    int used = (int)strlen(progress->label) + 1 + (cells >= 5 ? cells + 8 : 0);
    fprintf(stderr, " %.*s\033[K", width > used + 1 ? width - used - 1 : 0, text);
    fflush(stderr);
    progress->drawn = true;
}

void cli_progress_update(cli_progress *progress, int64_t done, int64_t images, double loss)
{
    if (!progress->active) return;
    double now = fcmae_measure_seconds();
    progress->done = done;
    update_rate(progress, now, images);
    bool last = progress->total > 0 && done >= progress->total;
    double interval = progress->terminal ? terminal_interval : plain_interval;
    if (progress->shown > 0 && !last && now - progress->shown < interval) return;
    progress->shown = now;
    char text[256];
    describe(progress, loss, now, text, sizeof text);
    if (progress->terminal)
        draw_bar(progress, text);
    else
        fprintf(stderr, "%s: %s\n", progress->label, text);
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->drawn) fputc('\n', stderr);
    progress->drawn = false;
    progress->active = false;
}

static void write_remark(void *cookie, fcmae_log_level level, const char *message)
{
    cli_progress *progress = cookie;
    if (progress->drawn) fputs("\r\033[K", stderr);
    progress->drawn = false;
    if (level == FCMAE_LOG_WARNING || progress->active)
        fprintf(stderr, "%s%s\n", level == FCMAE_LOG_WARNING ? "warning: " : "",
                CLI_SHOWN(message));
}

fcmae_log cli_progress_log(cli_progress *progress)
{
    return (fcmae_log){write_remark, progress};
}
