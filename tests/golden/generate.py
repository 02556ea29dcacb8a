#!/usr/bin/env python3
# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
"""Writes the golden files of this folder with PyTorch in double precision.

    python3 generate.py [FOLDER]

The network is written from the equations of ConvNeXt V2 (arXiv 2301.00808) over a dictionary of
parameters under their official names. A sparse convolution is a dense one between two
multiplications with the visibility map, which is the same thing at visible sites. Parameters are
stored as float16 (and are exactly that), expectations as float32 of a float64 result.
"""
import json
import os
import struct
import sys

import torch
import torch.nn.functional as F

EPS = 1e-6


class Network:
    """Parameters, and the functions that use them. `config` as in the presets, reduced."""

    def __init__(self, config, seed):
        self.config = config
        self.draw = torch.Generator().manual_seed(seed)
        self.parameters = {}
        self.add_encoder()
        if config.get("classes"):
            self.add_pair("norm", (config["dims"][3],), norm=True)
            self.add_pair("head", (config["classes"], config["dims"][3]))
        elif config.get("decoder"):
            self.add_decoder()
        for value in self.parameters.values():
            value.requires_grad_(True)

    # ---- parameters: nothing at a special value, so that every term of a gradient shows ----

    def add(self, name, shape, mean, deviation):
        values = mean + deviation * torch.randn(shape, generator=self.draw, dtype=torch.float64)
        self.parameters[name] = values.half().double()

    def add_pair(self, name, shape, norm=False, bias=None):
        fan_in = max(1, torch.Size(shape[1:]).numel())
        self.add(name + ".weight", shape, float(norm), 0.1 if norm else 0.7 / fan_in ** 0.5)
        self.add(name + ".bias", (bias or shape[0],), 0, 0.1)

    def add_block(self, name, width):
        self.add_pair(name + ".dwconv", (width, 1, 7, 7))
        self.add_pair(name + ".norm", (width,), norm=True)
        self.add_pair(name + ".pwconv1", (4 * width, width))
        if self.config["version"] == 2:
            self.add(name + ".grn.gamma", (1, 1, 1, 4 * width), 0, 0.3)
            self.add(name + ".grn.beta", (1, 1, 1, 4 * width), 0, 0.1)
        self.add_pair(name + ".pwconv2", (width, 4 * width))
        if self.config["version"] == 1:
            self.add(name + ".gamma", (width,), 0.5, 0.1)

    def add_encoder(self):
        dims, stem = self.config["dims"], self.config["stem"]
        self.add_pair("downsample_layers.0.0", (dims[0], self.config["channels"], stem, stem))
        self.add_pair("downsample_layers.0.1", (dims[0],), norm=True)
        for stage in range(1, 4):
            self.add_pair(f"downsample_layers.{stage}.0", (dims[stage - 1],), norm=True)
            self.add_pair(f"downsample_layers.{stage}.1", (dims[stage], dims[stage - 1], 2, 2))
        for stage, depth in enumerate(self.config["depths"]):
            for block in range(depth):
                self.add_block(f"stages.{stage}.{block}", dims[stage])

    def add_decoder(self):
        width, patch = self.config["decoder"], 8 * self.config["stem"]
        self.add("mask_token", (1, width, 1, 1), 0, 0.3)
        self.add_pair("proj", (width, self.config["dims"][3], 1, 1))
        self.add_block("decoder.0", width)
        self.add_pair("pred", (patch * patch * self.config["channels"], width, 1, 1))

    # ---- layers: x is N,C,H,W; visible is N,1,H,W or None ----

    def pair(self, name):
        return self.parameters[name + ".weight"], self.parameters[name + ".bias"]

    def layer_norm(self, name, x):
        weight, bias = self.pair(name)
        return F.layer_norm(x.movedim(1, -1), weight.shape, weight, bias, EPS).movedim(-1, 1)

    def response_norm(self, name, h, visible, whole_batch):
        gamma, beta = (self.parameters[name + part].reshape(1, -1, 1, 1) for part in (".gamma", ".beta"))
        seen = h if visible is None else h * visible
        sums = (seen ** 2).sum((0, 2, 3) if whole_batch else (2, 3), keepdim=True)
        norm = sums.sqrt()
        return gamma * h * norm / (norm.mean(1, keepdim=True) + EPS) + beta + h

    def block(self, name, x, visible=None, whole_batch=False):
        y = x if visible is None else x * visible
        weight, bias = self.pair(name + ".dwconv")
        y = F.conv2d(y, weight, bias, padding=3, groups=weight.shape[0])
        weight, bias = self.pair(name + ".pwconv1")
        y = F.gelu(F.conv2d(self.layer_norm(name + ".norm", y), weight[:, :, None, None], bias))
        if self.config["version"] == 2:
            y = self.response_norm(name + ".grn", y, visible, whole_batch)
        weight, bias = self.pair(name + ".pwconv2")
        y = F.conv2d(y, weight[:, :, None, None], bias)
        if self.config["version"] == 1:
            y = y * self.parameters[name + ".gamma"].reshape(1, -1, 1, 1)
        return x + y

    def encode(self, image, keep):
        """keep: N,1,h,w of cells, or None. The map of the last stage, zero where removed."""
        stem = self.config["stem"]
        whole_batch = self.config.get("grn_scope") == "batch"
        x = image
        for stage, depth in enumerate(self.config["depths"]):
            visible = None if keep is None else F.interpolate(keep, scale_factor=8 >> stage)
            name = f"downsample_layers.{stage}"
            if stage == 0:
                weight, bias = self.pair(name + ".0")
                x = self.layer_norm(name + ".1", F.conv2d(x, weight, bias, stride=stem))
            else:
                weight, bias = self.pair(name + ".1")
                x = F.conv2d(self.layer_norm(name + ".0", x), weight, bias, stride=2)
            for block in range(depth):
                x = self.block(f"stages.{stage}.{block}", x, visible, whole_batch)
                x = x if visible is None else x * visible
        return x

    def predict(self, encoded, keep):
        weight, bias = self.pair("proj")
        x = F.conv2d(encoded, weight, bias)
        x = x * keep + self.parameters["mask_token"] * (1 - keep)
        weight, bias = self.pair("pred")
        return F.conv2d(self.block("decoder.0", x), weight, bias).flatten(2).movedim(1, 2)

    def pixel_loss(self, image, prediction, removed):
        patch = 8 * self.config["stem"]
        target = F.unfold(image, patch, stride=patch)  # N, C*p*p, cells
        n, _, cells = target.shape
        target = target.reshape(n, self.config["channels"], patch * patch, cells)
        target = target.permute(0, 3, 2, 1).reshape(n, cells, -1)
        if self.config["norm_pix"] == "on":
            mean, variance = target.mean(2, keepdim=True), target.var(2, keepdim=True)
            target = (target - mean) / (variance + EPS).sqrt()
        errors = ((prediction - target) ** 2).mean(2)
        return (errors * removed).sum() / removed.sum()

    def classify(self, image):
        pooled = self.encode(image, None).mean((2, 3))
        weight, bias = self.pair("norm")
        pooled = F.layer_norm(pooled, weight.shape, weight, bias, EPS)
        return F.linear(pooled, *self.pair("head"))


def sparse(name, tensor):
    """Name and layout of a tensor in a checkpoint of the sparse training code."""
    if not name.startswith(("downsample_layers", "stages")):
        return name, tensor
    words = name.split(".")
    stem = words[:2] == ["downsample_layers", "0"]
    if words[-1] in ("gamma", "beta") and "grn" in words:
        tensor = tensor.reshape(1, -1)
    elif not stem and ("norm" in words or (words[0] == "downsample_layers" and words[2] == "0")):
        words.insert(-1, "ln")
    elif "pwconv1" in words or "pwconv2" in words:
        words.insert(-1, "linear")
    elif not stem and words[-1] == "bias":
        tensor = tensor.reshape(1, -1)
    elif not stem and tensor.dim() == 4:
        words[-1] = "kernel"  # position kw * side + kh, then in, then out
        tensor = tensor.permute(3, 2, 1, 0).flatten(0, 1)
        tensor = tensor[:, 0] if "dwconv" in words else tensor
    return "encoder." + ".".join(words), tensor


def write(path, tensors, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    kinds = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
    for name, tensor in tensors.items():
        data = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        blobs.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    print(path, os.path.getsize(path))


def collect(network, layout, image, **others):
    tensors = {"image": image.float()}
    tensors.update(others)
    for name, value in network.parameters.items():
        name, value = sparse(name, value) if layout == "sparse" else (name, value)
        tensors[name] = value.half()
    return tensors


def metadata(config):
    return {"depths": ",".join(map(str, config["depths"])), "dims": ",".join(map(str, config["dims"])),
            "norm_pix": config.get("norm_pix", "on"), "grn_scope": config.get("grn_scope", "image")}


def expect_gradients(tensors, network, layout, largest):
    for name, value in network.parameters.items():
        if value.numel() <= largest:
            name, gradient = sparse(name, value.grad) if layout == "sparse" else (name, value.grad)
            tensors["expected.grad." + name] = gradient.float()


def noise(seed, *shape):
    """Smooth enough to have contrast between patches; exact in float32."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(shape[0], shape[1], shape[2] // 8, shape[3] // 8, generator=draw)
    image = F.interpolate(coarse, scale_factor=8) + 0.3 * torch.randn(shape, generator=draw)
    return image.float().double()


def pretraining(path, config, layout, shape, masks, seed, largest=1 << 30):
    network, image = Network(config, seed), noise(seed, *shape)
    removed = torch.tensor([[float(c) for c in mask] for mask in masks], dtype=torch.float64)
    patch = 8 * config["stem"]
    keep = (1 - removed).reshape(shape[0], 1, shape[2] // patch, shape[3] // patch)
    encoded = network.encode(image, keep)
    prediction = network.predict(encoded, keep)
    loss = network.pixel_loss(image, prediction, removed)
    loss.backward()
    tensors = collect(network, layout, image, mask=removed.float())
    tensors["expected.loss"] = loss.reshape(1).float()
    tensors["expected.encoder"] = encoded.float()
    tensors["expected.pred"] = prediction.float()
    expect_gradients(tensors, network, layout, largest)
    write(path, tensors, metadata(config))


def encoder_alone(path, config, shape, mask, seed):
    """Removed pixels are NaN: they must not matter."""
    network, image = Network(config, seed), noise(seed, *shape)
    removed = torch.tensor([[float(c) for c in mask]], dtype=torch.float64)
    patch = 8 * config["stem"]
    keep = (1 - removed).reshape(1, 1, shape[2] // patch, shape[3] // patch)
    encoded = network.encode(image, keep)
    hidden = F.interpolate(keep, scale_factor=patch).expand(shape) == 0
    image = image.masked_fill(hidden, float("nan"))
    tensors = collect(network, "sparse", image, mask=removed.float())
    tensors["expected.encoder"] = encoded.float()
    write(path, tensors, metadata(config))


def classification(path, config, shape, seed, largest):
    network, image = Network(config, seed), noise(seed, *shape)
    labels = torch.arange(shape[0]) * 3 % config["classes"]
    logits = network.classify(image)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    tensors = collect(network, "dense", image, labels=labels)
    tensors["expected.logits"] = logits.float()
    tensors["expected.loss"] = loss.reshape(1).float()
    expect_gradients(tensors, network, "dense", largest)
    write(path, tensors, metadata(config))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    base = {"version": 2, "depths": [1, 1, 2, 1], "dims": [8, 8, 16, 24], "channels": 3, "stem": 2,
            "decoder": 16, "norm_pix": "on"}
    at = lambda name: os.path.join(folder, name + ".safetensors")
    pretraining(at("pretrain-dense"), base, "dense", (3, 3, 32, 48),
                ["110101", "011011", "101110"], 1)
    small = dict(base, dims=[8, 8, 16, 16], norm_pix="off", grn_scope="batch")
    pretraining(at("pretrain-sparse-batch"), small, "sparse", (2, 3, 48, 32),
                ["101101", "010111"], 2, largest=2000)
    first = dict(base, version=1, dims=[8, 8, 16, 16], channels=1)
    pretraining(at("pretrain-v1"), first, "dense", (2, 1, 32, 48), ["110101", "001111"], 3,
                largest=2000)
    encoder = dict(base, dims=[8, 16, 16, 24], stem=4, decoder=0)
    encoder_alone(at("encoder-nan"), encoder, (1, 3, 64, 64), "1001", 4)
    classes = dict(base, dims=[8, 16, 16, 24], stem=4, classes=5)
    classification(at("classify"), classes, (2, 3, 64, 32), 5, largest=2000)


main()
