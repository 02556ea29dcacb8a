/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Files that are given for weights and are none, or that cannot be read: what they are, and what
 *  to do. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tensor/tensor_file.h"

#define DOWNLOAD                                                                              \
    "what should have been downloaded is not there: fetch it again, signed in where that is " \
    "needed"
#define EXPORTED "take the PyTorch or safetensors file that it was made from"

/** Known by their first bytes. */
static const struct {
    size_t at, size;
    const char *mark, *what, *advice;
} kinds[] = {
    {0, 4, "GGUF", "a GGUF file", EXPORTED},
    {0, 8, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them",
     "save its arrays as .npz or safetensors under the names of the official code"},
    {0, 19, "version https://git", "a pointer of git-lfs in the place of the file",
     "'git lfs pull' in its folder fetches the file itself"},
    {4, 4, "TFL3", "a TensorFlow Lite model", EXPORTED},
    {0, 1, "{", "a JSON text",
     "give the file of the weights, its folder, or an index whose name ends in .json"},
    {0, 2, "\x1f\x8b", "compressed by gzip", "unpack it first"},
    {0, 6,
     "\xfd"
     "7zXZ",
     "compressed by xz", "unpack it first"},
    {0, 3, "BZh", "compressed by bzip2", "unpack it first"},
    {0, 4, "\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it first"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"},
    {0, 4, "Rar!", "a RAR archive", "unpack it first"},
    {0, 8, "\x89PNG\r\n\x1a\n", "a picture", "pictures are given by --data"},
    {0, 3, "\xff\xd8\xff", "a picture", "pictures are given by --data"},
};

/** <!DOCTYPE html>, <html>, <?xml ...>: what servers answer instead of the file. */
static bool is_markup(const char *start, size_t size)
{
    static const char *const openings[] = {"<!doctype", "<html", "<head", "<?xml"};
    size_t blank = 0;
    while (blank < size && (isspace((unsigned char)start[blank]) ||
                            memchr("\xef\xbb\xbf", start[blank], 3) != NULL))
        blank++;
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        size_t length = strlen(openings[i]);
        if (size - blank >= length && strncasecmp(start + blank, openings[i], length) == 0)
            return true;
    }
    return false;
}

/** ModelProto: ir_version, then a producer's name, a graph or sets of operators. */
static bool is_onnx(const char *start, size_t size)
{
    return size > 3 && start[0] == 8 && start[1] > 0 && start[1] < 32 &&
           (start[2] == 0x12 || start[2] == 0x3a || start[2] == 0x42);
}

/** What the file is, or NULL, and what its owner can do. */
static const char *recognise(const char *start, size_t size, const char **advice)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].at + kinds[i].size &&
            memcmp(start + kinds[i].at, kinds[i].mark, kinds[i].size) == 0) {
            *advice = kinds[i].advice;
            return kinds[i].what;
        }
    *advice = DOWNLOAD;
    if (size == 0) return "empty";
    if (is_markup(start, size)) return "a web page";
    *advice = EXPORTED;
    if (is_onnx(start, size)) return "an ONNX graph";
    *advice = "load it in Python and save the state dict with torch.save() or safetensors";
    if (size > 2 && (uint8_t)start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)
        return "a pickle that torch.save() did not write";
    return NULL;
}

fcmae_status fcmae_foreign_refuse(const fcmae_tensor_file *file, const void *bytes, size_t size,
                                  fcmae_error *error)
{
    const char *advice, *what = recognise(bytes, size, &advice);
    if (!what)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s is not a tensor file: expected safetensors, a torch archive, .npz or "
                          ".npy",
                          file->source.name);
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not a tensor file but %s: %s",
                      file->source.name, what, advice);
}
