#!/usr/bin/env python3
# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
"""FCMAE and the ConvNeXt V2 classifier in PyTorch: what `fcmae bench` is compared with.

Written from the equations of arXiv 2301.00808 with the operators that PyTorch offers. A sparse
convolution is a dense one whose input and output are multiplied by the mask of visible sites, which
gives the same numbers and is how a framework without sparse kernels trains. A step is forward,
backward and AdamW; inference is a forward pass of the classifier. Prints one JSON object.

Needs PyTorch only. Names of parameters are the official ones, so --save writes a state dict that
`fcmae convert` reads.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

# blocks per stage, channels of the first stage (each later stage has twice as many)
MODELS = {
    "atto": ((2, 2, 6, 2), 40), "femto": ((2, 2, 6, 2), 48), "pico": ((2, 2, 6, 2), 64),
    "nano": ((2, 2, 8, 2), 80), "tiny": ((3, 3, 9, 3), 96), "base": ((3, 3, 27, 3), 128),
    "large": ((3, 3, 27, 3), 192), "huge": ((3, 3, 27, 3), 352),
}
PATCH = 32
DECODER = 512
EPSILON = 1e-6


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of [N, C, H, W]."""

    def __init__(self, channels):
        super().__init__(channels, eps=EPSILON)

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ResponseNorm(nn.Module):
    """y = x (1 + gamma n) + beta with n_c = ||x_c|| / mean_c ||x_c||, per image."""

    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x, visible):
        counted = x if visible is None else x * visible
        norm = counted.square().sum((1, 2), keepdim=True).sqrt()
        relative = norm / (norm.mean(-1, keepdim=True) + EPSILON)
        return torch.addcmul(x + self.beta, x, self.gamma * relative)


class Block(nn.Module):
    """x + W2 grn(gelu(W1 norm(depthwise(x))))"""

    def __init__(self, channels):
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x, visible=None):
        mixed = self.dwconv(x) if visible is None else self.dwconv(x * visible) * visible
        last = None if visible is None else visible.movedim(1, -1)
        hidden = functional.gelu(self.pwconv1(self.norm(mixed.movedim(1, -1))))
        return x + self.pwconv2(self.grn(hidden, last)).movedim(-1, 1)


class Encoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        depths, first = MODELS[model]
        dims = [first << stage for stage in range(4)]
        self.dims = dims
        layers = [nn.Sequential(nn.Conv2d(3, dims[0], 4, stride=4), ChannelNorm(dims[0]))]
        for stage in range(3):
            layers.append(nn.Sequential(ChannelNorm(dims[stage]),
                                        nn.Conv2d(dims[stage], dims[stage + 1], 2, stride=2)))
        self.downsample_layers = nn.ModuleList(layers)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(dims[stage]) for _ in range(depths[stage])) for stage in range(4))

    def encode(self, x, keep=None):
        """keep: [N, 1, H / 32, W / 32], one where a cell is visible; None: the whole image."""
        for stage in range(4):
            x = self.downsample_layers[stage](x)
            visible = None
            if keep is not None:
                visible = functional.interpolate(keep, scale_factor=8 >> stage, mode="nearest")
                x = x * visible
            for block in self.stages[stage]:
                x = block(x, visible)
        return x if keep is None else x * keep


def initialise(module):
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


class Pretraining(Encoder):
    """forward() is the loss: mean squared error of normalised patches over the removed cells."""

    def __init__(self, model):
        super().__init__(model)
        self.proj = nn.Conv2d(self.dims[3], DECODER, 1)
        self.mask_token = nn.Parameter(torch.zeros(1, DECODER, 1, 1))
        self.decoder = nn.ModuleList([Block(DECODER)])
        self.pred = nn.Conv2d(DECODER, 3 * PATCH * PATCH, 1)
        self.apply(initialise)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(self, images, keep):
        x = self.proj(self.encode(images, keep))
        x = x * keep + self.mask_token * (1 - keep)
        for block in self.decoder:
            x = block(x)
        predicted = self.pred(x).flatten(2).transpose(1, 2)
        patches = functional.unfold(images, PATCH, stride=PATCH)  # (channel, row, column) per patch
        patches = patches.unflatten(1, (3, PATCH * PATCH)).permute(0, 3, 2, 1).flatten(2)
        variance, mean = torch.var_mean(patches, -1, keepdim=True)
        error = (predicted - (patches - mean) * torch.rsqrt(variance + EPSILON)).square().mean(-1)
        removed = 1 - keep.flatten(1)
        return (error * removed).sum() / removed.sum()


class Classifier(Encoder):
    def __init__(self, model, classes=1000):
        super().__init__(model)
        self.norm = nn.LayerNorm(self.dims[3], eps=EPSILON)
        self.head = nn.Linear(self.dims[3], classes)
        self.apply(initialise)

    def forward(self, images):
        return self.head(self.norm(self.encode(images).mean((2, 3))))


def random_keep(images, cells, ratio):
    """Masks with the same number of visible cells in every image."""
    visible = max(1, int(cells * cells * (1 - ratio)))
    order = torch.rand(images, cells * cells).argsort(1)
    keep = torch.zeros(images, cells * cells).scatter_(1, order[:, :visible], 1.0)
    return keep.view(images, 1, cells, cells)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=("pretrain", "inference"), default="pretrain")
    parser.add_argument("--model", choices=MODELS, default="atto")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--mask-ratio", type=float, default=0.6)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="end earlier, once so long was timed")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="autocast")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--save", metavar="FILE", help="write the state dict and stop")
    return parser.parse_args()


def main():
    o = arguments()
    if o.threads > 0:
        torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    network = (Pretraining if o.mode == "pretrain" else Classifier)(o.model)
    if o.save:
        torch.save({"model": network.state_dict()}, o.save)
        return
    images = torch.randn(o.batch_size, 3, o.input_size, o.input_size)
    if o.channels_last:
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    call = torch.compile(network) if o.compile else network
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.9, 0.95),
                                  weight_decay=0.05, fused=True)

    def train():
        keep = random_keep(o.batch_size, o.input_size // PATCH, o.mask_ratio)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.bf16):
            loss = call(images, keep)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.item()

    def infer():
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.bf16):
            call(images)

    network.train(o.mode == "pretrain")
    step = train if o.mode == "pretrain" else infer
    loss, times = None, []
    for _ in range(o.warmup):
        loss = step()
    begin = time.perf_counter()
    while len(times) < o.steps and not (times and 0 < o.seconds < time.perf_counter() - begin):
        start = time.perf_counter()
        loss = step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(json.dumps({
        "peer": "pytorch", "version": torch.__version__, "mode": o.mode, "model": o.model,
        "batch_size": o.batch_size, "threads": torch.get_num_threads(),
        "channels_last": o.channels_last, "bf16": o.bf16, "compile": o.compile, "loss": loss,
        "steps": len(times), "step_s": median, "images_per_s": o.batch_size / median,
        "best_images_per_s": o.batch_size / min(times),
        "parameters": sum(p.numel() for p in network.parameters())}))


if __name__ == "__main__":
    main()
