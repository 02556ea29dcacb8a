/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "step_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 256, MOST_THREADS = 64 };

typedef struct line {
    profile_key key;
    double seconds, flops;
    int64_t calls;
} line;

typedef struct profile {
    line lines[MOST_LINES];
    int count;
} profile;

static struct {
    profile threads[MOST_THREADS];
    int count;
} all;

static _Thread_local profile *mine;

/* The line of a key, made if there is none; NULL if there is no room. */
static line *find(profile *p, const profile_key *key)
{
    for (int i = 0; i < p->count; i++) {
        const profile_key *k = &p->lines[i].key;
        if (k->name == key->name && k->depth == key->depth && k->width == key->width &&
            k->stride == key->stride)
            return &p->lines[i];
    }
    if (p->count == MOST_LINES) return NULL;
    p->lines[p->count] = (line){.key = *key};
    return &p->lines[p->count++];
}

static void add(profile *p, const line *more)
{
    line *found = find(p, &more->key);
    if (!found) return;
    found->seconds += more->seconds;
    found->flops += more->flops;
    found->calls += more->calls;
}

void profile_add(const profile_key *key, double flops, double seconds)
{
    if (!mine) {
        int index = __atomic_fetch_add(&all.count, 1, __ATOMIC_RELAXED);
        mine = &all.threads[index % MOST_THREADS];
    }
    add(mine, &(line){.key = *key, .seconds = seconds, .flops = flops, .calls = 1});
}

void profile_reset(void)
{
    for (int i = 0; i < MOST_THREADS; i++) all.threads[i].count = 0;
}

static int by_time(const void *a, const void *b)
{
    double x = ((const line *)a)->seconds, y = ((const line *)b)->seconds;
    return (x < y) - (x > y);
}

static void print_line(const line *l, const profile_run *run)
{
    printf("    %8.4f  %4.1f%%  ", 1e3 * l->seconds / run->images,
           100 * l->seconds / (run->threads * run->seconds));
    if (l->flops > 0)
        printf("  %5.2f  ", l->flops / l->seconds / (run->peak / run->threads));
    else
        printf("         ");
    printf("%9.1f  %s", (double)l->calls / run->images, l->key.name);
    if (l->key.depth)
        printf(" %d x %d, %d", l->key.depth, l->key.width, l->key.stride);
    else if (l->key.width)
        printf(" %d", l->key.width);
    printf("\n");
}

void profile_print(const profile_run *run)
{
    static profile sum;
    sum.count = 0;
    for (int t = 0; t < MOST_THREADS; t++)
        for (int i = 0; i < all.threads[t].count; i++) add(&sum, &all.threads[t].lines[i]);
    qsort(sum.lines, (size_t)sum.count, sizeof *sum.lines, by_time);
    printf("%s: %.1f images/s, %.3f ms of a thread per image; peak %.1f GFLOP/s per thread\n",
           run->name, run->images / run->seconds, 1e3 * run->threads * run->seconds / run->images,
           run->peak / run->threads * 1e-9);
    printf("    ms/image  share  of peak      calls  kernel (products: k x width, stride; "
           "gradients: rows x width, stride)\n");
    line products = {.key = {.name = "all products"}}, kernels = {.key = {.name = "all kernels"}};
    for (int i = 0; i < sum.count; i++) {
        const line *l = &sum.lines[i];
        print_line(l, run);
        kernels.seconds += l->seconds;
        kernels.calls += l->calls;
        if (l->flops <= 0) continue;
        products.seconds += l->seconds;
        products.flops += l->flops;
        products.calls += l->calls;
    }
    print_line(&products, run);
    print_line(&kernels, run);
}
