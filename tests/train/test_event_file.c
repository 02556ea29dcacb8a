/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Event files of TensorBoard, read back by a reader of their own. */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/crc32c.h"
#include "run/event_file.h"
#include "run/run_log.h"
#include "scratch.h"
#include "support/suite.h"

static char folder[SCRATCH_PATH];

static void setup(void)
{
    scratch_make(folder);
}

static void teardown(void)
{
    scratch_forget();
    scratch_remove(folder);
}

/* ---- a reader ---- */

/** Bit by bit, from the polynomial. */
static uint32_t slow_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < 8 * size; i++) {
        crc ^= (uint32_t)(bytes[i / 8] >> (i % 8) & 1);
        crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static uint64_t little_endian(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

typedef struct field {
    int number, type;
    uint64_t value;       /* of a number, or the size of ... */
    const uint8_t *bytes; /* a text or message */
} field;

static uint64_t varint(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        ck_assert(*at < end);
        value |= (uint64_t)(**at & 0x7f) << shift;
        if (!(*(*at)++ & 0x80)) return value;
    }
}

/** The next field of a message; false at its end. */
static bool next(const uint8_t **at, const uint8_t *end, field *f)
{
    if (*at == end) return false;
    uint64_t key = varint(at, end);
    *f = (field){.number = (int)(key >> 3), .type = (int)(key & 7)};
    if (f->type == 0) {
        f->value = varint(at, end);
        return true;
    }
    size_t size = f->type == 1 ? 8 : f->type == 5 ? 4 : varint(at, end);
    ck_assert(f->type == 1 || f->type == 5 || f->type == 2);
    ck_assert_uint_le(size, (size_t)(end - *at));
    f->bytes = *at;
    f->value = f->type == 2 ? size : little_endian(*at, (int)size);
    *at += size;
    return true;
}

/** What a file was found to hold. */
typedef struct contents {
    int events, scalars, pictures, starts;
    int64_t start_step, last_step;
    char version[32], last_tag[64];
    float last_value;
    uint64_t height, width, colours, picture_bytes;
} contents;

static void read_picture(contents *c, const field *picture)
{
    const uint8_t *at = picture->bytes, *end = at + picture->value;
    for (field f; next(&at, end, &f);) {
        if (f.number == 1) c->height = f.value;
        if (f.number == 2) c->width = f.value;
        if (f.number == 3) c->colours = f.value;
        if (f.number == 4) c->picture_bytes = f.value;
    }
    c->pictures++;
}

static void read_value(contents *c, const field *value)
{
    const uint8_t *at = value->bytes, *end = at + value->value;
    for (field f; next(&at, end, &f);) {
        if (f.number == 1)
            snprintf(c->last_tag, sizeof c->last_tag, "%.*s", (int)f.value, (const char *)f.bytes);
        if (f.number == 2) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&c->last_value, &bits, sizeof bits);
            c->scalars++;
        }
        if (f.number == 4) read_picture(c, &f);
    }
}

static void read_event(contents *c, const uint8_t *at, const uint8_t *end)
{
    int64_t step = 0;
    bool timed = false;
    c->events++;
    for (field f; next(&at, end, &f);) {
        if (f.number == 1) timed = true;
        if (f.number == 2) step = (int64_t)f.value;
        if (f.number == 3)
            snprintf(c->version, sizeof c->version, "%.*s", (int)f.value, (const char *)f.bytes);
        if (f.number == 5) {
            const uint8_t *inner = f.bytes, *inner_end = inner + f.value;
            for (field v; next(&inner, inner_end, &v);) read_value(c, &v);
        }
        if (f.number == 7) {
            ck_assert_int_eq(f.value, 2);
            ck_assert_mem_eq(f.bytes, "\x08\x01", 2); /* status: START */
            c->starts++;
            c->start_step = step;
        }
    }
    ck_assert(timed);
    c->last_step = step;
}

static contents read_file(const char *inside, const char *name)
{
    contents c = {0};
    size_t size = 0, at = 0;
    uint8_t *bytes = (uint8_t *)scratch_read(inside, name, &size);
    ck_assert_ptr_nonnull(bytes);
    while (at < size) {
        ck_assert_uint_ge(size - at, 16);
        uint64_t length = little_endian(bytes + at, 8);
        ck_assert_uint_eq(little_endian(bytes + at + 8, 4), slow_crc(bytes + at, 8));
        ck_assert_uint_le(length, size - at - 16);
        const uint8_t *data = bytes + at + 12;
        ck_assert_uint_eq(little_endian(data + length, 4), slow_crc(data, length));
        read_event(&c, data, data + length);
        at += length + 16;
    }
    free(bytes);
    return c;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/** Names of the event files of a folder, as TensorBoard orders them. */
static int list(const char *inside, char names[][128])
{
    int count = 0;
    DIR *directory = opendir(inside);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strstr(entry->d_name, "tfevents"))
            snprintf(names[count++], sizeof names[0], "%.120s", entry->d_name);
    if (directory) closedir(directory);
    qsort(names, (size_t)count, sizeof names[0], by_name);
    return count;
}

/* ---- tests ---- */

/* RFC 3720, B.4, and the usual check value. */
START_TEST(known_checksums)
{
    uint8_t bytes[32];
    ck_assert_uint_eq(fcmae_crc32c("123456789", 9), 0xe3069283);
    ck_assert_uint_eq(fcmae_crc32c(memset(bytes, 0, 32), 32), 0x8a9136aa);
    ck_assert_uint_eq(fcmae_crc32c(memset(bytes, 0xff, 32), 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    ck_assert_uint_eq(fcmae_crc32c(bytes, 32), 0x46dd794e);
}
END_TEST

START_TEST(numbers)
{
    static const char *const tags[] = {"train/loss", "train/odd", "train/huge", "watch/collapse/1"};
    const double values[] = {0.75, NAN, 1e300, -1e-3};
    char names[8][128];
    fcmae_event_file file = {0};
    ck_assert_int_eq(fcmae_event_file_open(&file, folder, 0, NULL), FCMAE_OK);
    for (int64_t step = 1; step <= 300; step++)
        ck_assert_int_eq(fcmae_event_file_scalars(&file, step, tags, values, 4, NULL), FCMAE_OK);
    fcmae_event_file_close(&file);
    fcmae_event_file_close(&file);
    ck_assert_int_eq(list(folder, names), 1);
    contents c = read_file(folder, names[0]);
    ck_assert_str_eq(c.version, "brain.Event:2");
    ck_assert_int_eq(c.events, 302);  /* with version and start */
    ck_assert_int_eq(c.scalars, 600); /* those that are no finite floats are left out */
    ck_assert_int_eq(c.starts, 1);
    ck_assert_int_eq(c.start_step, 1);
    ck_assert_int_eq(c.last_step, 300);
    ck_assert_str_eq(c.last_tag, "watch/collapse/1");
    ck_assert_float_eq(c.last_value, -1e-3F);
}
END_TEST

START_TEST(later_files_come_last)
{
    enum { SITTINGS = 12 };
    char names[16][128];
    scratch_write(folder, "events.out.tfevents.4000000000.0007.fcmae", "", 0); /* the clock went */
    for (int i = 0; i < SITTINGS; i++) {
        fcmae_event_file file = {0};
        ck_assert_int_eq(fcmae_event_file_open(&file, folder, 100 * (i / 2), NULL), FCMAE_OK);
        fcmae_event_file_close(&file);
    }
    ck_assert_int_eq(list(folder, names), SITTINGS + 1);
    for (int i = 0; i < SITTINGS; i++) {
        contents c = read_file(folder, names[i + 1]);
        ck_assert_int_eq(c.starts, 1); /* also where nothing is done: the one before was lost */
        ck_assert_int_eq(c.start_step, 100 * (i / 2) + 1);
    }
}
END_TEST

START_TEST(a_torn_record_is_taken_back)
{
    static const char *const tag = "train/loss";
    const double value = 1;
    char names[8][128];
    fcmae_event_file file = {0};
    fcmae_error error = {0};
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(fcmae_event_file_open(&file, folder, 0, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_event_file_scalars(&file, 1, &tag, &value, 1, NULL), FCMAE_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){(rlim_t)file.size + 20, before.rlim_max};
    int set = setrlimit(RLIMIT_FSIZE, &limit); /* no assertion until it is lifted */
    fcmae_status status = fcmae_event_file_scalars(&file, 2, &tag, &value, 1, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_int_eq(set, 0);
    ck_assert_int_eq(status, FCMAE_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "the event file cannot be written"));
    ck_assert_int_eq(fcmae_event_file_scalars(&file, 3, &tag, &value, 1, NULL), FCMAE_OK);
    fcmae_event_file_close(&file);
    ck_assert_int_eq(list(folder, names), 1);
    contents c = read_file(folder, names[0]); /* whole records only */
    ck_assert_int_eq(c.scalars, 2);
    ck_assert_int_eq(c.last_step, 3);
}
END_TEST

START_TEST(what_is_a_picture)
{
    char path[2 * SCRATCH_PATH], names[8][128];
    fcmae_event_file file = {0};
    fcmae_error error = {0};
    static const uint8_t whole[40] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I',
                                      'H',  'D', 'R', 0,   0,    0,    4,    0,    0, 0, 3, 8,  2};
    /* the byte that is damaged: mark, name of the head, width, sign of the height, colour type */
    static const struct {
        int at;
        uint8_t value;
    } damage[] = {{1, 'p'}, {12, 'i'}, {19, 0}, {20, 0x80}, {25, 9}};
    enum { DAMAGED = sizeof damage / sizeof *damage };
    ck_assert_int_eq(fcmae_event_file_open(&file, folder, 0, NULL), FCMAE_OK);
    for (int i = -1; i < DAMAGED; i++) {
        uint8_t bytes[sizeof whole];
        memcpy(bytes, whole, sizeof whole);
        if (i >= 0) bytes[damage[i].at] = damage[i].value;
        scratch_write(folder, "picture.png", bytes, sizeof bytes);
        snprintf(path, sizeof path, "%s/picture.png", folder);
        ck_assert_msg(fcmae_event_file_picture(&file, 1, "picture", path, &error) ==
                          (i < 0 ? FCMAE_OK : FCMAE_ERR_FORMAT),
                      "damage %d", i);
    }
    ck_assert_ptr_nonnull(strstr(error.message, "picture.png"));
    scratch_write(folder, "short.png", whole, 20);
    static const char *const pictures[] = {"short.png", "none.png"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, pictures[i]);
        fcmae_status status = fcmae_event_file_picture(&file, 1, "picture", path, &error);
        ck_assert_int_eq(status, i < 1 ? FCMAE_ERR_FORMAT : FCMAE_ERR_NOT_FOUND);
        ck_assert_ptr_nonnull(strstr(error.message, pictures[i]));
    }
    fcmae_event_file_close(&file);
    ck_assert_int_eq(list(folder, names), 1);
    contents c = read_file(folder, names[0]);
    ck_assert_int_eq(c.pictures, 1); /* the one that is whole */
    ck_assert(c.width == 4 && c.height == 3 && c.colours == 3 && c.picture_bytes == 40);
    snprintf(path, sizeof path, "%s/short.png/folder", folder);
    ck_assert_int_eq(fcmae_event_file_open(&file, path, 0, NULL), FCMAE_ERR_IO);
}
END_TEST

static bool enough(void *cookie)
{
    return --*(int *)cookie < 0;
}

/* Two sittings: the numbers are those of the log, the pictures those of the folder. */
START_TEST(a_run)
{
    char inside[2 * SCRATCH_PATH], names[8][128];
    scratch_images(folder);
    for (int sitting = 0; sitting < 2; sitting++) {
        int left = 5;
        const fcmae_train_callbacks callbacks = {.cookie = &left, .should_stop = enough};
        fcmae_options *options = scratch_pretraining(folder, "run");
        scratch_set(options, "tensorboard", "on");
        scratch_set(options, "watch-collapse", "1");
        scratch_set(options, "pictures", "2");
        ck_assert_int_eq(fcmae_train(options, sitting ? NULL : &callbacks, NULL, NULL),
                         sitting ? FCMAE_OK : FCMAE_ERR_INTERRUPTED);
    }
    snprintf(inside, sizeof inside, "%s/run/tensorboard", folder);
    ck_assert_int_eq(list(inside, names), 2);
    contents first = read_file(inside, names[0]), second = read_file(inside, names[1]);
    ck_assert_int_eq(first.last_step, 5);
    ck_assert_int_eq(second.last_step, 12);
    ck_assert_int_eq(second.starts, 1);
    ck_assert_int_eq(second.start_step, 6);
    ck_assert_int_eq(first.pictures, 5); /* a short run draws after every update */
    ck_assert_int_eq(second.pictures, 7);
    ck_assert_int_ge(first.scalars, 5 * (7 + 9));
    ck_assert(second.height > 96 && second.width > 96 && second.colours >= 3);
    ck_assert(scratch_exists(folder, "run/reconstructions/step-000012.png"));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, known_checksums);
    tcase_add_test(cases, numbers);
    tcase_add_test(cases, later_files_come_last);
    tcase_add_test(cases, a_torn_record_is_taken_back);
    tcase_add_test(cases, what_is_a_picture);
    tcase_add_test(cases, a_run);
}

int main(void)
{
    return run_suite("event_file", add_tests);
}
