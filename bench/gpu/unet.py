"""The paper's UNet in PyTorch, as plain as models/unet.ts, for `npm run gpu`: names, shapes and numbers are the same.

test/bench/gpu.test.ts compares its output with the authors' numbers.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

TOKENS = 32


class Norm(nn.Module):
    def __init__(self, groups, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs, time_channels, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb = nn.Sequential(nn.SiLU(), nn.Linear(time_channels, outputs))
        self.scale_emb = nn.Linear(outputs, outputs)
        self.shift_emb = nn.Linear(outputs, outputs)
        self.norm2 = Norm(groups, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, tau):
        h = self.conv1(F.silu(self.norm1(x)))
        e = self.time_emb(tau)
        scale, shift = self.scale_emb(e)[:, :, None, None], self.shift_emb(e)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2.norm(h) * (1 + scale) + shift))
        return h + self.shortcut(x)


class Attention(nn.Module):
    def __init__(self, channels, key_channels, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Conv1d(channels, channels, 1)
        self.to_k = nn.Conv1d(key_channels, channels, 1)
        self.to_v = nn.Conv1d(key_channels, channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x, keys):
        B, C, L = x.shape
        parts = (self.to_q(x), self.to_k(keys), self.to_v(keys))
        q, k, v = (t.reshape(B, self.heads, C // self.heads, -1).transpose(2, 3) for t in parts)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj_out(y.transpose(2, 3).reshape(B, C, L))


class AttentionBlock(nn.Module):
    def __init__(self, channels, heads, context_channels, groups):
        super().__init__()
        self.x_proj_in = nn.Conv2d(channels, channels, 1)
        self.x_proj_out = nn.Conv2d(channels, channels, 1)
        self.self_attention = Attention(channels, channels, heads)
        self.c_proj_in = nn.Linear(context_channels, TOKENS * context_channels)
        self.cross_attention = Attention(channels, context_channels, heads)
        self.x_norm = nn.GroupNorm(groups, channels)
        self.c_norm = nn.GroupNorm(groups, context_channels)
        self.ff = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, x, context):
        B, C, H, W = x.shape
        y = self.x_proj_in(x).reshape(B, C, H * W)
        n = self.x_norm(y)
        y = y + self.self_attention(n, n)
        tokens = self.c_norm(self.c_proj_in(context).reshape(B, -1, TOKENS))
        y = y + self.cross_attention(self.x_norm(y), tokens)
        y = y + self.ff(self.x_norm(y).transpose(1, 2)).transpose(1, 2)
        return x + self.x_proj_out(y.reshape(B, C, H, W))


class Block(nn.Module):
    def __init__(self, inputs, outputs, time_channels, groups, attn):
        super().__init__()
        self.res = ResBlock(inputs, outputs, time_channels, groups)
        self.attn = attn

    def forward(self, x, tau, context):
        y = self.res(x, tau)
        return self.attn(y, context) if self.attn is not None else y


class Middle(nn.Module):
    def __init__(self, channels, time_channels, groups, attn):
        super().__init__()
        self.res1 = ResBlock(channels, channels, time_channels, groups)
        self.attn = attn
        self.res2 = ResBlock(channels, channels, time_channels, groups)

    def forward(self, x, tau, context):
        return self.res2(self.attn(self.res1(x, tau), context), tau)


class Resample(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv


class TimeEmbedding(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.lin1 = nn.Linear(channels // 4, channels)
        self.lin2 = nn.Linear(channels, channels)
        self.half = channels // 8

    def forward(self, t):
        f = torch.exp(-math.log(10_000) * torch.arange(self.half, device=t.device) / self.half)
        angle = t[:, None].float() * f
        return self.lin2(F.silu(self.lin1(torch.cat([angle.cos(), angle.sin()], 1))))


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        start, blocks = config["initial_channels"], config["n_blocks_per_resolution"]
        context, groups = config["context_channels"], config.get("norm_groups", 32)
        multipliers, inputs = config["channel_multipliers"], config["input_channels"]
        time = 4 * start

        def attention(channels):
            return AttentionBlock(channels, channels // config["attention_head_channels"], context, groups)

        def block(i, o, level):
            return Block(i, o, time, groups, attention(o) if config["is_attention"][level] else None)

        if config["learn_empty_context"]:
            self.empty_context_embedding = nn.Parameter(torch.randn(context))
        self.image_proj = nn.Conv2d(inputs, start, 3, padding=1)
        self.time_emb = TimeEmbedding(time)
        self.context_emb = nn.Linear(config["context_input_channels"], context)
        width, skips = start, [start]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, multiplier in enumerate(multipliers):
            for n in range(blocks):
                outputs = width * multiplier if n == 0 else width
                self.down.append(block(width, outputs, level))
                width = outputs
                skips.append(width)
            if level < len(multipliers) - 1:
                self.down.append(Resample(nn.Conv2d(width, width, 3, stride=2, padding=1)))
                skips.append(width)
        self.middle = Middle(width, time, groups, attention(width))
        for level in reversed(range(len(multipliers))):
            for n in range(blocks + 1):
                outputs = width // multipliers[level] if n == blocks else width
                self.up.append(block(width + skips.pop(), outputs, level))
                width = outputs
            if level > 0:
                self.up.append(Resample(nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)))
        self.norm = nn.GroupNorm(groups, width)
        self.final = nn.Conv2d(width, inputs, 3, padding=1)

    def forward(self, x, t, context):
        tau = self.time_emb(t)
        c = self.context_emb(context)
        h = self.image_proj(x)
        skips = [h]
        for module in self.down:
            h = module.conv(h) if isinstance(module, Resample) else module(h, tau, c)
            skips.append(h)
        h = self.middle(h, tau, c)
        for module in self.up:
            h = module.conv(h) if isinstance(module, Resample) else module(torch.cat([h, skips.pop()], 1), tau, c)
        return self.final(F.silu(self.norm(h)))
