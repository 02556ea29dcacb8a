/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** PNG: the doorway to libpng. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "core/file.h"
#include "image/codec.h"

typedef struct codec {
    png_structp png;
    png_infop info;
    jmp_buf escape;
    int failed; /* libpng escaped from what was tried, for this reason: */
    char message[200];

    /* decoding */
    const uint8_t *bytes;
    size_t size, used;
    fcmae_image_info *header;
    fcmae_image *image;
    fcmae_status status; /* failures of our own */
    fcmae_error *error;

    /* encoding */
    fcmae_buffer *out;
    const uint8_t *pixels;
    int height, width;
} codec;

static void on_error(png_structp png, png_const_charp message)
{
    codec *c = png_get_error_ptr(png);
    snprintf(c->message, sizeof c->message, "%s", message);
    longjmp(c->escape, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void take_bytes(png_structp png, png_bytep out, size_t count)
{
    codec *c = png_get_io_ptr(png);
    if (count > c->size - c->used) png_error(png, "the file is truncated");
    memcpy(out, c->bytes + c->used, count);
    c->used += count;
}

static void give_bytes(png_structp png, png_bytep bytes, size_t count)
{
    codec *c = png_get_io_ptr(png);
    fcmae_buffer_add(c->out, bytes, count);
    c->status = fcmae_buffer_check(c->out, "a PNG file", c->error);
    if (c->status != FCMAE_OK) png_error(png, "out of memory");
}

static void flush_bytes(png_structp png)
{
    (void)png;
}

/* deflate makes at most 1032 bytes of one, each of eight pixels */
#define DENSEST 8256

/** Chunks that say nothing about the pixels as they are read here are passed over unread: a short
 *  one can unfold to any number of bytes. */
static void skip_chunks(codec *c)
{
    static const png_byte names[] = "tEXt\0zTXt\0iTXt\0iCCP\0sPLT\0hIST\0pCAL\0sCAL\0"
                                    "bKGD\0cHRM\0gAMA\0oFFs\0pHYs\0sBIT\0sRGB\0tIME";
    png_set_keep_unknown_chunks(c->png, PNG_HANDLE_CHUNK_NEVER, names, sizeof names / 5);
}

static void read_header(codec *c)
{
    skip_chunks(c);
    png_set_read_fn(c->png, c, take_bytes);
    png_set_user_limits(c->png, FCMAE_IMAGE_MAX_SIDE, FCMAE_IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(c->png, (png_alloc_size_t)64 << 20);
    png_read_info(c->png, c->info);
}

static void probe_header(codec *c)
{
    read_header(c);
    c->header->stored_width = (int)png_get_image_width(c->png, c->info);
    c->header->stored_height = (int)png_get_image_height(c->png, c->info);
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(c->png, c->info, &size, &exif) && exif)
        c->header->orientation = fcmae_exif_orientation(exif, size);
#endif
}

static void read_pixels(codec *c)
{
    read_header(c);
    if (png_get_color_type(c->png, c->info) == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(c->png);
    if (png_get_bit_depth(c->png, c->info) < 8) png_set_expand_gray_1_2_4_to_8(c->png);
    png_set_strip_16(c->png);
    png_set_strip_alpha(c->png);
    png_set_gray_to_rgb(c->png);
    int passes = png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    int width = (int)png_get_image_width(c->png, c->info);
    int height = (int)png_get_image_height(c->png, c->info);
    size_t stride = (size_t)width * 3;
    if (png_get_rowbytes(c->png, c->info) != stride) png_error(c->png, "unexpected row size");
    c->status = fcmae_image_reserve(c->image, height, width, c->error);
    if (c->status != FCMAE_OK) return;
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++)
            png_read_row(c->png, c->image->pixels + (size_t)y * stride, NULL);
    png_read_end(c->png, NULL);
}

static void write_pixels(codec *c)
{
    png_set_write_fn(c->png, c, give_bytes, flush_bytes);
    png_set_compression_level(c->png, 6);
    png_set_IHDR(c->png, c->info, (png_uint_32)c->width, (png_uint_32)c->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(c->png, c->info);
    for (int y = 0; y < c->height; y++)
        png_write_row(c->png, c->pixels + (size_t)y * (size_t)c->width * 3);
    png_write_end(c->png, c->info);
}

/** Runs `body` so that a libpng error comes back here; then releases what libpng holds. */
static fcmae_status run(codec *c, void (*body)(codec *))
{
    int writing = c->out != NULL;
    c->png = writing ? png_create_write_struct(PNG_LIBPNG_VER_STRING, c, on_error, on_warning)
                     : png_create_read_struct(PNG_LIBPNG_VER_STRING, c, on_error, on_warning);
    if (c->png) c->info = png_create_info_struct(c->png);
    if (!c->info) {
        c->failed = 1;
        snprintf(c->message, sizeof c->message, "out of memory");
    } else if (setjmp(c->escape) == 0) {
        body(c);
    } else {
        c->failed = 1;
    }
    if (writing)
        png_destroy_write_struct(&c->png, &c->info);
    else
        png_destroy_read_struct(&c->png, &c->info, NULL);
    if (c->status != FCMAE_OK) return c->status;
    if (c->failed) return fcmae_fail(c->error, FCMAE_ERR_FORMAT, "PNG: %s", c->message);
    return FCMAE_OK;
}

static bool sniff(const uint8_t *bytes, size_t size)
{
    static const uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static fcmae_status probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                          fcmae_error *error)
{
    codec c = {.bytes = bytes, .size = size, .header = info, .error = error};
    return run(&c, probe_header);
}

/** Always the whole picture. */
static fcmae_status decode(fcmae_image *image, const uint8_t *bytes, size_t size, int reduction,
                           fcmae_region *region, fcmae_error *error)
{
    codec c = {.bytes = bytes, .size = size, .image = image, .error = error};
    FCMAE_TRY(run(&c, read_pixels));
    *region = (fcmae_region){0, 0, image->width, image->height};
    return FCMAE_OK;
}

const fcmae_codec fcmae_png_codec = {.name = "PNG",
                                     .endings = {"png"},
                                     .densest = DENSEST,
                                     .sniff = sniff,
                                     .probe = probe,
                                     .decode = decode};

fcmae_status fcmae_png_encode(fcmae_buffer *out, const uint8_t *pixels, int height, int width,
                              fcmae_error *error)
{
    codec c = {.out = out, .pixels = pixels, .height = height, .width = width, .error = error};
    return run(&c, write_pixels);
}

fcmae_status fcmae_png_write(const char *path, const uint8_t *pixels, int height, int width,
                             fcmae_error *error)
{
    if (height < 1 || width < 1 || (int64_t)height * width > FCMAE_IMAGE_MAX_PIXELS)
        return fcmae_fail(error, FCMAE_ERR_SHAPE, "%s: a PNG of %d x %d pixels cannot be written",
                          path, width, height);
    fcmae_buffer file = {0};
    fcmae_status status = fcmae_png_encode(&file, pixels, height, width, error);
    if (status == FCMAE_OK) status = fcmae_file_write(path, file.bytes, file.size, error);
    fcmae_buffer_release(&file);
    return status;
}
