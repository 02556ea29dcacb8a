/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/event_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/file.h"

#define PREFIX "events.out.tfevents."
enum { FRAME = 12, PATH = 4096, LARGEST_PICTURE = 64 << 20 };

/* ---- fields of a protocol buffer ---- */

/** Wire types. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_NUMBER = 2, VALUE_PICTURE = 4 };
enum { PICTURE_HEIGHT = 1, PICTURE_WIDTH = 2, PICTURE_COLOURS = 3, PICTURE_FILE = 4 };
enum { SESSION_STATUS = 1, SESSION_START = 1 };

static void put_little_endian(fcmae_buffer *out, uint64_t value, int bytes)
{
    uint8_t text[8];
    for (int i = 0; i < bytes; i++) text[i] = (uint8_t)(value >> (8 * i));
    fcmae_buffer_add(out, text, (size_t)bytes);
}

static void put_varint(fcmae_buffer *out, uint64_t value)
{
    uint8_t text[10];
    size_t used = 0;
    for (; value >= 0x80; value >>= 7) text[used++] = (uint8_t)(value | 0x80);
    text[used++] = (uint8_t)value;
    fcmae_buffer_add(out, text, used);
}

static void put_key(fcmae_buffer *out, int field, int type)
{
    put_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

static void put_number(fcmae_buffer *out, int field, uint64_t value)
{
    put_key(out, field, VARINT);
    put_varint(out, value);
}

static void put_bytes(fcmae_buffer *out, int field, const void *bytes, size_t size)
{
    put_key(out, field, BYTES);
    put_varint(out, size);
    fcmae_buffer_add(out, bytes, size);
}

static void put_float(fcmae_buffer *out, int field, double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    put_key(out, field, FIXED32);
    put_little_endian(out, bits, 4);
}

static void put_double(fcmae_buffer *out, int field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, FIXED64);
    put_little_endian(out, bits, 8);
}

/* ---- records ---- */

static fcmae_status failure(const char *what, fcmae_error *error)
{
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "the event file cannot be %s", what);
}

/** So that checksums of data that holds checksums stay useful. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/** Begins an event in file->record, behind the room for its frame. */
static void begin_event(fcmae_event_file *file, int64_t step)
{
    static const uint8_t frame[FRAME];
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    file->record.size = file->inner.size = 0;
    fcmae_buffer_add(&file->record, frame, FRAME);
    put_double(&file->record, EVENT_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (step > 0) put_number(&file->record, EVENT_STEP, (uint64_t)step);
}

/** Frames the event and writes it, whole or not at all. */
static fcmae_status end_event(fcmae_event_file *file, fcmae_error *error)
{
    fcmae_buffer *record = &file->record, head = {0};
    fcmae_status status = fcmae_buffer_check(&file->inner, "an event", error);
    if (status == FCMAE_OK) status = fcmae_buffer_check(record, "an event", error);
    if (status != FCMAE_OK) return status;
    size_t length = record->size - FRAME;
    put_little_endian(&head, length, 8);
    if (!head.failed) put_little_endian(&head, masked(fcmae_crc32c(head.bytes, 8)), 4);
    put_little_endian(record, masked(fcmae_crc32c(record->bytes + FRAME, length)), 4);
    status = fcmae_buffer_check(head.failed ? &head : record, "an event", error);
    if (status == FCMAE_OK) memcpy(record->bytes, head.bytes, FRAME);
    fcmae_buffer_release(&head);
    if (status != FCMAE_OK) return status;
    ssize_t written = write(file->file, record->bytes, record->size);
    if (written == (ssize_t)record->size) {
        file->size += written;
        return FCMAE_OK;
    }
    if (written >= 0) errno = ENOSPC;
    status = failure("written", error);
    if (ftruncate(file->file, file->size) == 0) lseek(file->file, file->size, SEEK_SET);
    return status;
}

static fcmae_status write_opening(fcmae_event_file *file, int64_t done, fcmae_error *error)
{
    static const char version[] = "brain.Event:2";
    begin_event(file, 0);
    put_bytes(&file->record, EVENT_VERSION, version, sizeof version - 1);
    FCMAE_TRY(end_event(file, error));
    /* Drops what is at or behind it; also at the first update: an older sitting may have been
     * killed before it saved anything. */
    begin_event(file, done + 1);
    put_number(&file->inner, SESSION_STATUS, SESSION_START);
    put_bytes(&file->record, EVENT_SESSION, file->inner.bytes, file->inner.size);
    return end_event(file, error);
}

/* ---- the file ---- */

/** Seconds and number of the newest file of the folder. */
static void find_newest(const char *folder, long long *seconds, int *number)
{
    DIR *directory = opendir(folder);
    *seconds = *number = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        long long when;
        int which;
        if (sscanf(entry->d_name, PREFIX "%10lld.%4d.fcmae", &when, &which) != 2) continue;
        if (when < *seconds || (when == *seconds && which <= *number)) continue;
        *seconds = when;
        *number = which;
    }
    if (directory) closedir(directory);
}

/** TensorBoard reads the files of a folder in the order of their names: a new one comes last, also
 *  after the clock was set back. */
static fcmae_status create(fcmae_event_file *file, const char *folder, fcmae_error *error)
{
    long long newest, seconds = (long long)time(NULL);
    int number;
    find_newest(folder, &newest, &number);
    number = newest < seconds ? 1 : number + 1;
    if (newest > seconds) seconds = newest;
    for (; number < 10000; number++) {
        char path[PATH];
        if (snprintf(path, sizeof path, "%s/" PREFIX "%010lld.%04d.fcmae", folder, seconds,
                     number) >= PATH)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path of the run is too long");
        file->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->file >= 0) return FCMAE_OK;
        if (errno != EEXIST) break;
    }
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "no event file can be made in %s", folder);
}

fcmae_status fcmae_event_file_open(fcmae_event_file *file, const char *folder, int64_t done,
                                   fcmae_error *error)
{
    *file = (fcmae_event_file){0};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "cannot create the folder %s", folder);
    FCMAE_TRY(create(file, folder, error));
    file->open = true;
    fcmae_status status = write_opening(file, done, error);
    if (status != FCMAE_OK) fcmae_event_file_close(file);
    return status;
}

fcmae_status fcmae_event_file_scalars(fcmae_event_file *file, int64_t step, const char *const *tags,
                                      const double *values, int count, fcmae_error *error)
{
    fcmae_buffer value = {0};
    begin_event(file, step);
    for (int i = 0; i < count; i++) {
        if (!isfinite((float)values[i])) continue;
        value.size = 0;
        put_bytes(&value, VALUE_TAG, tags[i], strlen(tags[i]));
        put_float(&value, VALUE_NUMBER, values[i]);
        put_bytes(&file->inner, SUMMARY_VALUE, value.bytes, value.size);
    }
    put_bytes(&file->record, EVENT_SUMMARY, file->inner.bytes, file->inner.size);
    fcmae_status status = fcmae_buffer_check(&value, "an event", error);
    fcmae_buffer_release(&value);
    return status == FCMAE_OK ? end_event(file, error) : status;
}

/* ---- pictures ---- */

/** Where the parts of a PNG's head begin (PNG specification, 5.2 and 11.2.2), and its end. */
enum { PNG_IHDR = 8, PNG_WIDTH = 16, PNG_HEIGHT = 20, PNG_COLOUR = 25, PNG_HEAD = 33 };

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/** Channels of a PNG by its colour type (PNG specification, table 11.1); 0: there is no such. */
static int channels_of(uint8_t colour)
{
    static const uint8_t channels[7] = {1, 0, 3, 3, 2, 0, 4};
    return colour < 7 ? channels[colour] : 0;
}

static bool is_png(const fcmae_buffer *file)
{
    static const uint8_t mark[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t head[8] = {0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    if (file->size < PNG_HEAD) return false;
    uint32_t width = big_endian(file->bytes + PNG_WIDTH);
    uint32_t height = big_endian(file->bytes + PNG_HEIGHT);
    return memcmp(file->bytes, mark, sizeof mark) == 0 &&
           memcmp(file->bytes + PNG_IHDR, head, sizeof head) == 0 && width > 0 &&
           width <= INT32_MAX && height > 0 && height <= INT32_MAX &&
           channels_of(file->bytes[PNG_COLOUR]) > 0;
}

static fcmae_status put_picture(fcmae_event_file *file, const char *tag, const fcmae_buffer *png,
                                fcmae_error *error)
{
    fcmae_buffer picture = {0}, value = {0};
    put_number(&picture, PICTURE_HEIGHT, big_endian(png->bytes + PNG_HEIGHT));
    put_number(&picture, PICTURE_WIDTH, big_endian(png->bytes + PNG_WIDTH));
    put_number(&picture, PICTURE_COLOURS, (uint64_t)channels_of(png->bytes[PNG_COLOUR]));
    put_bytes(&picture, PICTURE_FILE, png->bytes, png->size);
    put_bytes(&value, VALUE_TAG, tag, strlen(tag));
    if (!picture.failed) put_bytes(&value, VALUE_PICTURE, picture.bytes, picture.size);
    if (!value.failed) put_bytes(&file->inner, SUMMARY_VALUE, value.bytes, value.size);
    fcmae_status status = fcmae_buffer_check(picture.failed ? &picture : &value, "a picture",
                                             error);
    fcmae_buffer_release(&picture);
    fcmae_buffer_release(&value);
    return status;
}

fcmae_status fcmae_event_file_picture(fcmae_event_file *file, int64_t step, const char *tag,
                                      const char *png, fcmae_error *error)
{
    fcmae_buffer bytes = {0};
    fcmae_status status = fcmae_file_read(&bytes, png, LARGEST_PICTURE, error);
    if (status == FCMAE_OK && !is_png(&bytes))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is no PNG file", png);
    begin_event(file, step);
    if (status == FCMAE_OK) status = put_picture(file, tag, &bytes, error);
    fcmae_buffer_release(&bytes);
    if (status != FCMAE_OK) return status;
    put_bytes(&file->record, EVENT_SUMMARY, file->inner.bytes, file->inner.size);
    return end_event(file, error);
}

void fcmae_event_file_close(fcmae_event_file *file)
{
    if (file->open) close(file->file);
    fcmae_buffer_release(&file->record);
    fcmae_buffer_release(&file->inner);
    *file = (fcmae_event_file){0};
}
