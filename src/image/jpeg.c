/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * JPEG: the doorway to libjpeg-turbo.
 *
 * Whether a file is accepted never depends on the region that is asked for, so that a sample's
 * crop cannot decide whether its file is bad: a single scan is complete if an end marker follows
 * it, and is otherwise decoded to its end; of several scans the library reads all in any case.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

/* after stdio.h, which they need */
#include <jerror.h>
#include <jpeglib.h>

/* A hostile progressive file can hold any number of empty scans, each a walk over all pixels. Files
 * in use have some ten of them; the largest picture of all may have 16. */
#define MAX_SCANS 500
#define MAX_SCANNED ((int64_t)16 * FCMAE_IMAGE_MAX_PIXELS)
/* The shortest code is one bit for a block of 64 pixels, the other coefficients in runs. */
#define DENSEST 1000
#define EDGE_PIXELS 16 /* chroma interpolation looks one sample beyond the region */

typedef struct codec {
    struct jpeg_error_mgr errors; /* first: libjpeg hands it back as a pointer to this struct */
    struct jpeg_decompress_struct reader;
    struct jpeg_compress_struct writer;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
    int failed;       /* libjpeg escaped from what was tried ... */
    int code;         /* ... for this reason, by its number */
    int out_of_bytes; /* the decoder asked for more than there is */
    int truncated;    /* ... and had to invent data */

    /* decoding */
    const uint8_t *bytes;
    size_t size;
    fcmae_image_info *info;
    fcmae_image *image;
    fcmae_region region;
    int reduction;
    fcmae_status status; /* failures of our own */
    fcmae_error *error;

    /* encoding */
    const uint8_t *pixels;
    int height, width, quality;
    unsigned char *file;
    unsigned long file_size;
} codec;

static void on_error(j_common_ptr common)
{
    codec *c = (codec *)common->err;
    c->errors.format_message(common, c->message);
    c->code = c->errors.msg_code;
    longjmp(c->escape, 1);
}

static void on_message(j_common_ptr common, int level)
{
    codec *c = (codec *)common->err;
    if (level < 0) c->errors.num_warnings++;
    if (level < 0 && c->errors.msg_code == JWRN_HIT_MARKER && c->out_of_bytes) c->truncated = 1;
}

static void on_progress(j_common_ptr common)
{
    j_decompress_ptr reader = (j_decompress_ptr)common;
    if (!common->is_decompressor) return;
    int64_t pixels = (int64_t)reader->image_width * reader->image_height;
    if (reader->input_scan_number > MAX_SCANS || pixels * reader->input_scan_number > MAX_SCANNED)
        ERREXIT(common, JERR_BAD_PROGRESSION);
}

static void source_nothing(j_decompress_ptr reader)
{
    (void)reader;
}

/** No more bytes: an end marker is handed out, so that the decoder comes to an end. */
static boolean source_fill(j_decompress_ptr reader)
{
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    ((codec *)reader->err)->out_of_bytes = 1;
    reader->src->next_input_byte = end;
    reader->src->bytes_in_buffer = 2;
    return TRUE;
}

static void source_skip(j_decompress_ptr reader, long count)
{
    if (count <= 0) return;
    if ((size_t)count > reader->src->bytes_in_buffer) {
        source_fill(reader);
        return;
    }
    reader->src->next_input_byte += count;
    reader->src->bytes_in_buffer -= (size_t)count;
}

static void start_reading(codec *c)
{
    jpeg_create_decompress(&c->reader);
    c->source.init_source = source_nothing;
    c->source.fill_input_buffer = source_fill;
    c->source.skip_input_data = source_skip;
    c->source.resync_to_restart = jpeg_resync_to_restart;
    c->source.term_source = source_nothing;
    c->source.next_input_byte = c->bytes;
    c->source.bytes_in_buffer = c->size;
    c->reader.src = &c->source;
    c->progress.progress_monitor = on_progress;
    c->reader.progress = &c->progress;
}

/** Runs `body` so that a libjpeg error comes back here; then releases what libjpeg holds. */
static fcmae_status run(codec *c, void (*body)(codec *))
{
    jpeg_std_error(&c->errors);
    c->errors.error_exit = on_error;
    c->errors.emit_message = on_message;
    c->reader.err = &c->errors;
    c->writer.err = &c->errors;
    if (setjmp(c->escape) == 0)
        body(c);
    else
        c->failed = 1;
    jpeg_destroy_decompress(&c->reader);
    jpeg_destroy_compress(&c->writer);
    if (c->failed) {
        int lacking = c->code == JERR_NOT_COMPILED || c->code == JERR_ARITH_NOTIMPL ||
                      c->code == JERR_BAD_PRECISION || c->code == JERR_SOF_UNSUPPORTED;
        fcmae_status status = lacking                         ? FCMAE_ERR_UNSUPPORTED
                              : c->code == JERR_OUT_OF_MEMORY ? FCMAE_ERR_MEMORY
                                                              : FCMAE_ERR_FORMAT;
        return fcmae_fail(c->error, status, "JPEG: %s", c->message);
    }
    if (c->status == FCMAE_OK && c->truncated)
        return fcmae_fail(c->error, FCMAE_ERR_FORMAT, "JPEG: the file is truncated");
    return c->status;
}

static void read_header(codec *c)
{
    start_reading(c);
    jpeg_save_markers(&c->reader, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&c->reader, TRUE);
    c->info->stored_width = (int)c->reader.image_width;
    c->info->stored_height = (int)c->reader.image_height;
    for (jpeg_saved_marker_ptr m = c->reader.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0) {
            c->info->orientation = fcmae_exif_orientation(m->data + 6, m->data_length - 6);
            break;
        }
}

static fcmae_status probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                          fcmae_error *error)
{
    codec c = {.bytes = bytes, .size = size, .info = info, .error = error};
    return run(&c, read_header);
}

/** Whether an end marker follows the header of the only scan (reading stands behind it). */
static int scan_is_complete(const codec *c)
{
    const uint8_t *first = c->source.next_input_byte, *at = c->bytes + c->size - 1;
    if (c->out_of_bytes) return 0;
    for (; at > first; at--)
        if (at[0] == JPEG_EOI && at[-1] == 0xFF) return 1;
    return 0;
}

/** As Pillow: bytes are inverted (Adobe), then RGB = K - C * K-complement, in its rounding. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, int count)
{
    for (int i = 0; i < count; i++, cmyk += 4, rgb += 3) {
        int light = cmyk[3];
        for (int channel = 0; channel < 3; channel++) {
            int product = (255 - cmyk[channel]) * light + 128;
            rgb[channel] = (uint8_t)(light - (((product >> 8) + product) >> 8));
        }
    }
}

static void read_rows(codec *c, JSAMPARRAY inks)
{
    struct jpeg_decompress_struct *reader = &c->reader;
    size_t stride = (size_t)c->region.width * 3;
    for (int y = 0; y < c->region.height; y++) {
        JSAMPROW row = c->image->pixels + (size_t)y * stride;
        jpeg_read_scanlines(reader, inks ? inks : &row, 1);
        if (inks) cmyk_to_rgb(inks[0], row, c->region.width);
    }
}

static void read_pixels(codec *c)
{
    struct jpeg_decompress_struct *reader = &c->reader;
    start_reading(c);
    jpeg_read_header(reader, TRUE);
    int inks = reader->num_components == 4;
    reader->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    reader->scale_num = 1;
    reader->scale_denom = (unsigned)c->reduction;
    int whole = !jpeg_has_multiple_scans(reader) && !scan_is_complete(c);
    jpeg_start_decompress(reader);
    if (c->out_of_bytes && jpeg_has_multiple_scans(reader)) c->truncated = 1;

    int width = (int)reader->output_width, height = (int)reader->output_height;
    fcmae_region want = c->region;
    c->region = (fcmae_region){0, 0, width, height};
    if (!whole && !inks && want.width + 4 * EDGE_PIXELS < width) {
        int left = want.x > EDGE_PIXELS ? want.x - EDGE_PIXELS : 0;
        int right = want.x + want.width + EDGE_PIXELS < width ? want.x + want.width + EDGE_PIXELS
                                                              : width;
        JDIMENSION offset = (JDIMENSION)left, columns = (JDIMENSION)(right - left);
        jpeg_crop_scanline(reader, &offset, &columns);
        c->region.x = (int)offset;
        c->region.width = (int)columns;
    }
    if (!whole) {
        c->region.y = want.y;
        c->region.height = want.height;
    }
    c->status = fcmae_image_reserve(c->image, c->region.height, c->region.width, c->error);
    if (c->status != FCMAE_OK) return;
    if (c->region.y > 0) jpeg_skip_scanlines(reader, (JDIMENSION)c->region.y);
    JSAMPARRAY row = inks ? reader->mem->alloc_sarray((j_common_ptr)reader, JPOOL_IMAGE,
                                                      (JDIMENSION)width * 4, 1)
                          : NULL;
    read_rows(c, row);
}

static fcmae_status decode(fcmae_image *image, const uint8_t *bytes, size_t size, int reduction,
                           fcmae_region *region, fcmae_error *error)
{
    codec c = {.bytes = bytes,
               .size = size,
               .image = image,
               .region = *region,
               .reduction = reduction,
               .error = error};
    FCMAE_TRY(run(&c, read_pixels));
    *region = c.region;
    return FCMAE_OK;
}

static bool sniff(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

const fcmae_codec fcmae_jpeg_codec = {.name = "JPEG",
                                      .endings = {"jpg", "jpeg", "jpe", "jfif"},
                                      .reduces = true,
                                      .densest = DENSEST,
                                      .sniff = sniff,
                                      .probe = probe,
                                      .decode = decode};

static void write_pixels(codec *c)
{
    struct jpeg_compress_struct *writer = &c->writer;
    jpeg_create_compress(writer);
    jpeg_mem_dest(writer, &c->file, &c->file_size);
    writer->image_width = (JDIMENSION)c->width;
    writer->image_height = (JDIMENSION)c->height;
    writer->input_components = 3;
    writer->in_color_space = JCS_RGB;
    jpeg_set_defaults(writer);
    jpeg_set_quality(writer, c->quality, TRUE);
    jpeg_start_compress(writer, TRUE);
    while (writer->next_scanline < writer->image_height) {
        JSAMPROW row = (JSAMPROW)c->pixels + (size_t)writer->next_scanline * (size_t)c->width * 3;
        jpeg_write_scanlines(writer, &row, 1);
    }
    jpeg_finish_compress(writer);
}

fcmae_status fcmae_jpeg_encode(fcmae_buffer *out, const uint8_t *pixels, int height, int width,
                               int quality, fcmae_error *error)
{
    codec c = {
        .pixels = pixels, .height = height, .width = width, .quality = quality, .error = error};
    fcmae_status status = run(&c, write_pixels);
    if (status == FCMAE_OK) {
        fcmae_buffer_add(out, c.file, c.file_size);
        status = fcmae_buffer_check(out, "a JPEG file", error);
    }
    free(c.file);
    return status;
}
