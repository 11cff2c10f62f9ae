"""The nets of the comparison in PyTorch, with the state dicts of models/*.ts, and numbers that are functions of names (inputs.ts)."""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gpu"))
from unet import UNet


def hashed(name, shape, a=1.0, b=0.0):
    """test/golden.ts#hashed"""
    start = 0x811C9DC5
    for byte in name.encode():
        start = ((start ^ byte) * 0x01000193) & 0xFFFFFFFF
    n = int(np.prod(shape))
    h = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(start)
    h = (h ^ (h >> 16)) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * np.uint32(0xC2B2AE35)
    h ^= h >> 16
    values = (h / 2.0**31 - 1) * a + b
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def input_of(name, *shape):
    return hashed(f"peers/{name}", shape)


def weight(key, shape):
    """test/golden.ts#paramValue"""
    name, shape = f"peers/{key}", tuple(shape)
    if len(shape) >= 2:
        return hashed(name, shape, float(np.sqrt(3 / np.prod(shape[1:]))))
    last = key.split(".")[-1]
    if last in ("weight", "running_var"):
        return hashed(name, shape, 0.1, 1)
    return hashed(name, shape, 0.1) if last in ("bias", "running_mean") else hashed(name, shape)


def load(net):
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                value.copy_(weight(key, value.shape))
    return net


def paper_unet(size):
    """Net, side of a latent, width of a context."""
    config = dict(
        input_channels=3,
        initial_channels=96,
        channel_multipliers=[1, 2, 2, 2],
        is_attention=[False, True, True, True],
        attention_head_channels=32,
        n_blocks_per_resolution=2,
        context_input_channels=512,
        context_channels=256,
        learn_empty_context=True,
    )
    if size == "tiny":
        config.update(initial_channels=32, channel_multipliers=[1, 2, 2], is_attention=[False, True, True])
        config.update(n_blocks_per_resolution=1, norm_groups=8, context_input_channels=128, context_channels=64)
    return load(UNet(config)), 16 if size == "tiny" else 32, config["context_input_channels"]


class SmallNet(nn.Module):
    def __init__(self):
        super().__init__()
        for i, (inputs, outputs, stride) in enumerate([(3, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)]):
            self.add_module(f"conv{i}", nn.Conv2d(inputs, outputs, 3, stride, padding=1))
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        for i in range(5):
            x = F.relu(self.get_submodule(f"conv{i}")(x))
        return self.head(x.mean((2, 3)))


class IrBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        same = inputs == outputs
        self.shortcut_layer = nn.MaxPool2d(1, stride) if same else nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x):
        return self.res_layer(x) + self.shortcut_layer(x)


class Ir(nn.Module):
    """models/iresnet.ts, without dropout."""

    def __init__(self, name):
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Identity(),
            nn.Flatten(),
            nn.Linear(512 * 7 * 7, 512),
            nn.BatchNorm1d(512, affine=False),
        )
        width, blocks = 64, []
        for count, outputs in zip({"ir_18": [2, 2, 2, 2], "ir_50": [3, 4, 14, 3]}[name], [64, 128, 256, 512]):
            for n in range(count):
                blocks.append(IrBlock(width, outputs, 1 if n else 2))
                width = outputs
        self.body = nn.Sequential(*blocks)

    def forward(self, x):
        return self.output_layer(self.body(self.input_layer(x)))


class ArcFace(nn.Module):
    """models/heads.ts#ArcFace with m = 0.5, s = 64."""

    def __init__(self, classes):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(512, classes))

    def forward(self, features, labels):
        m, c = 0.5, (F.normalize(features) @ F.normalize(self.kernel, dim=0)).clamp(-1, 1)
        own = c.gather(1, labels[:, None])
        added = own * np.cos(m) - (1 - own.square()).sqrt() * np.sin(m)
        harder = torch.where(own > np.cos(np.pi - m), added, own - m * np.sin(np.pi - m))
        return c.scatter(1, labels[:, None], harder) * 64


class ResnetBlock(nn.Module):
    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, 1e-6)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outputs, 1e-6)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class AttnBlock(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, 1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(x.shape)
        return x + self.proj_out(y)


class Decoder(nn.Module):
    """models/vqgan.ts#VqGan.decodeCodes"""

    def __init__(self, size):
        super().__init__()
        ch, mult, blocks, groups = (128, [1, 2, 4], 3, 32) if size == "paper" else (32, [1, 1, 2], 2, 8)
        width = ch * mult[-1]
        self.post_quant_conv = nn.Conv2d(3, 3, 1)
        decoder = nn.Module()
        decoder.conv_in = nn.Conv2d(3, width, 3, padding=1)
        decoder.mid = nn.Module()
        decoder.mid.block_1 = ResnetBlock(width, width, groups)
        decoder.mid.attn_1 = AttnBlock(width, groups)
        decoder.mid.block_2 = ResnetBlock(width, width, groups)
        levels = []
        for level in reversed(range(len(mult))):
            up = nn.Module()
            up.block = nn.ModuleList()
            for _ in range(blocks):
                up.block.append(ResnetBlock(width, ch * mult[level], groups))
                width = ch * mult[level]
            if level:
                up.upsample = nn.Module()
                up.upsample.conv = nn.Conv2d(width, width, 3, padding=1)
            levels.insert(0, up)
        decoder.up = nn.ModuleList(levels)
        decoder.norm_out = nn.GroupNorm(groups, width, 1e-6)
        decoder.conv_out = nn.Conv2d(width, 3, 3, padding=1)
        self.decoder = decoder

    def forward(self, codes):
        d = self.decoder
        h = d.conv_in(self.post_quant_conv(codes))
        h = d.mid.block_2(d.mid.attn_1(d.mid.block_1(h)))
        for up in reversed(d.up):
            for block in up.block:
                h = block(h)
            if hasattr(up, "upsample"):
                h = up.upsample.conv(F.interpolate(h, scale_factor=2, mode="nearest"))
        return d.conv_out(F.silu(d.norm_out(h)))
