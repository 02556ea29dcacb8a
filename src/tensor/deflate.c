/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "tensor/deflate.h"

#include <zlib.h>

#define PIECE 65536

/** One step of the stream into `to`: the bytes it made, or -1 if the data are damaged. */
static int64_t inflate_piece(z_stream *stream, uint8_t *to, size_t room)
{
    stream->next_out = to;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return -1;
    if (result == Z_STREAM_END && stream->avail_out == room) return -1; /* shorter than promised */
    return (int64_t)(room - stream->avail_out);
}

static fcmae_status inflate_range(z_stream *stream, const fcmae_source *source,
                                  const fcmae_section *section, uint64_t first, uint8_t *bytes,
                                  size_t size, fcmae_error *error)
{
    uint8_t input[PIECE], dropped[PIECE];
    uint64_t read = 0, skip = first;
    while (size > 0) {
        if (stream->avail_in == 0 && read < section->stored) {
            size_t piece = section->stored - read < PIECE ? (size_t)(section->stored - read)
                                                          : PIECE;
            FCMAE_TRY(fcmae_source_read(source, section->offset + read, input, piece, error));
            read += piece;
            stream->next_in = input;
            stream->avail_in = (uInt)piece;
        }
        size_t room = skip ? (skip < PIECE ? (size_t)skip : PIECE) : size;
        if (room > (size_t)1 << 30) room = (size_t)1 << 30;
        int64_t made = inflate_piece(stream, skip ? dropped : bytes, room);
        if (made < 0 || (made == 0 && stream->avail_in == 0 && read == section->stored))
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s: the compressed data at offset %llu are damaged", source->name,
                              (unsigned long long)section->offset);
        if (skip)
            skip -= (uint64_t)made;
        else {
            bytes += made;
            size -= (size_t)made;
        }
    }
    return FCMAE_OK;
}

fcmae_status fcmae_inflate(const fcmae_source *source, const fcmae_section *section, uint64_t first,
                           void *bytes, size_t size, fcmae_error *error)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to decompress %s", source->name);
    fcmae_status status = inflate_range(&stream, source, section, first, bytes, size, error);
    inflateEnd(&stream);
    return status;
}

uint32_t fcmae_crc32(uint32_t crc, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc, bytes, size);
}
