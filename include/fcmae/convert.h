/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Conversion: any ConvNeXt V1/V2 or FCMAE weights in, any form out, tensor by tensor.
 *
 * Folding an FCMAE checkpoint into a dense network reorders its Minkowski kernels (see layout.h of
 * the sources) and leaves the decoder behind; unfolding is the inverse. Values are never changed
 * but for the number type asked for, so f32 conversions are exact in both directions.
 *
 * Memory: about two tensors beside the table of contents, whatever the size of the model; an ONNX
 * file without external data takes the weights once more.
 */
#ifndef FCMAE_CONVERT_H
#define FCMAE_CONVERT_H

#include "fcmae/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Forms of the output. */
typedef enum fcmae_format {
    FCMAE_FORMAT_OFFICIAL = 0, /**< sparse or dense names of the published code                 */
    FCMAE_FORMAT_TIMM,
    FCMAE_FORMAT_HUGGINGFACE,
    FCMAE_FORMAT_ONNX /**< opset 17, input "image" [batch, channels, S, S], output "logits"
                           [batch, classes], or "features" [batch, dims[3]] without head  */
} fcmae_format;

/** Zero-initialise; zero values are the defaults. */
typedef struct fcmae_convert_options {
    bool sparse; /**< official only: Minkowski kernels, decoder kept. Otherwise dense.   */
    fcmae_format format;
    fcmae_dtype dtype; /**< F32, F16 or BF16 */
    const char *key;   /**< dictionary of the input, as fcmae_checkpoint_open()                */
    bool ignore_unexpected; /**< tensors that are none of the network's stay behind; else they are
                                 FCMAE_ERR_MISMATCH */
    int classes;            /**< dense: a head of that many classes, fresh if the input has none or
                            another; 0: the input's, or none                                    */
    uint64_t seed;  /**< of a fresh head: weights normal with std 2e-5, bias 0, norm 1 and 0 */
    int input_size; /**< image side noted in timm and Hugging Face folders; 0: what the input
                            records, else 224                                                   */
    void (*progress)(void *cookie, uint64_t done, uint64_t total); /**< bytes; may be NULL        */
    void *cookie;
} fcmae_convert_options;

/** What was done. Zero-initialise; fcmae_convert_result_release() afterwards. */
typedef struct fcmae_convert_result {
    fcmae_load_report report;   /**< tensors left behind (IGNORED) and fresh ones (KEPT)   */
    fcmae_checkpoint_info from; /**< the input; its report is empty here, its key is not set */
    fcmae_model_config config;  /**< the output */
    int tensors;
    uint64_t bytes;   /**< of tensor data written                                         */
    char path[512];   /**< file with the weights                                          */
    char remark[120]; /**< what this library is fine with and the program of the format is not: a
                           sentence, "" where there is nothing */
} fcmae_convert_result;
FCMAE_API void fcmae_convert_result_release(fcmae_convert_result *result);

/**
 * Converts a file.
 * @param input   anything fcmae_checkpoint_open() takes.
 * @param output  a file: .safetensors, or .pt / .pth / .bin for a torch archive, or .onnx. For timm
 * and Hugging Face anything without such an ending is a folder, which receives model.safetensors,
 * config.json and, for Hugging Face and images of three channels, preprocessor_config.json. Files
 * are complete or absent.
 * @param result  [out] may be NULL.
 * @return FCMAE_ERR_MISMATCH when the input is no complete encoder (the report lists the tensors),
 *         FCMAE_ERR_ARGUMENT, FCMAE_ERR_UNSUPPORTED (also a network that the program whose format
 *         it is would build otherwise), and what reading and writing return.
 */
FCMAE_API fcmae_status fcmae_convert(const char *input, const char *output,
                                     const fcmae_convert_options *options,
                                     fcmae_convert_result *result, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
