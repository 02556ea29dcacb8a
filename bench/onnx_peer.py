#!/usr/bin/env python3
# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
"""Inference of a classifier with onnxruntime: what `fcmae bench --mode inference` is compared with.

The model is a file that `fcmae convert --format onnx` wrote. Prints one JSON object.
"""
import argparse
import json
import statistics
import time

import numpy
import onnxruntime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", metavar="FILE.onnx")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0, help="end earlier, once so long was timed")
    parser.add_argument("--threads", type=int, default=0)
    o = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = o.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(o.model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    generator = numpy.random.default_rng(0)
    images = generator.standard_normal((o.batch_size, 3, o.input_size, o.input_size), numpy.float32)
    times = []
    for _ in range(o.warmup):
        session.run(None, {name: images})
    begin = time.perf_counter()
    while len(times) < o.steps and not (times and 0 < o.seconds < time.perf_counter() - begin):
        start = time.perf_counter()
        session.run(None, {name: images})
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(json.dumps({
        "peer": "onnxruntime", "version": onnxruntime.__version__, "mode": "inference",
        "batch_size": o.batch_size, "threads": o.threads, "steps": len(times), "step_s": median,
        "images_per_s": o.batch_size / median, "best_images_per_s": o.batch_size / min(times)}))


if __name__ == "__main__":
    main()
