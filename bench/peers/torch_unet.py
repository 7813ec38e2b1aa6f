"""The U-Nets of Song et al. 2021 (NCSN++, DDPM++) in plain PyTorch, as the peer of the benchmarks.

Written as PyTorch users would write it: modules in NCHW, functional ops, no custom kernels. Loads the
weights that Ito writes (safetensors, names as in `ito info`), so that both compute the same function.
Covers what the published CIFAR-10 and MNIST configurations use; others are refused by name.
"""

import json
import math
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def read_safetensors(path):
    """Tensors by name and the metadata of a file of f32 or i64 arrays."""
    kinds = {"F32": np.float32, "I64": np.int64}
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], dtype=kinds[entry["dtype"]])
        tensors[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    return tensors, metadata


def write_safetensors(path, name, tensor):
    """A file with one f32 array."""
    data = tensor.detach().contiguous().numpy().astype(np.float32).tobytes()
    entry = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [0, len(data)]}
    header = json.dumps({name: entry}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def fir_kernel(taps, channels, gain):
    """[C, 1, k, k]: the outer product of the taps with sum `gain`, for every channel."""
    k = torch.tensor(taps, dtype=torch.float32)
    k = torch.outer(k, k)
    return (gain * k / k.sum()).expand(channels, 1, -1, -1).clone()


class Resampling(nn.Module):
    """Twice or half the size: by a FIR filter, or by repeating and averaging."""

    def __init__(self, channels, direction, taps):
        super().__init__()
        self.direction, self.channels = direction, channels
        if taps:
            gain = 4.0 if direction == "up" else 1.0
            self.register_buffer("kernel", fir_kernel(taps, channels, gain), persistent=False)
        else:
            self.kernel = None

    def forward(self, x):
        if self.kernel is None:
            up = self.direction == "up"
            return F.interpolate(x, scale_factor=2, mode="nearest") if up else F.avg_pool2d(x, 2)
        kernel = self.kernel.to(x.dtype)
        if self.direction == "up":
            return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=self.channels)
        return F.conv2d(x, kernel, stride=2, padding=1, groups=self.channels)


def group_norm(channels):
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


class ResBlock(nn.Module):
    """h = conv0(resample(silu(norm0 x))) + dense0(temb); h = conv1(dropout(silu(norm1 h)));
    y = (skip(resample x) + h) / sqrt 2."""

    def __init__(self, channels_in, channels_out, config, resampling=None):
        super().__init__()
        self.norm0, self.norm1 = group_norm(channels_in), group_norm(channels_out)
        self.conv0 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv1 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.dense0 = nn.Linear(4 * config["nf"], channels_out)
        self.dropout = nn.Dropout(config["dropout"])
        self.resample = nn.Identity()
        if resampling:
            self.resample = Resampling(channels_in, resampling, config["taps"])
        changed = channels_in != channels_out or resampling
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if changed else nn.Identity()

    def forward(self, x, temb):
        h = self.conv0(self.resample(F.silu(self.norm0(x))))
        h = h + self.dense0(temb)[:, :, None, None]
        h = self.conv1(self.dropout(F.silu(self.norm1(h))))
        return (self.skip(self.resample(x)) + h) * math.sqrt(0.5)


class Attention(nn.Module):
    """One head over all pixels."""

    def __init__(self, channels):
        super().__init__()
        self.norm = group_norm(channels)
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.value, self.out = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, x):
        n, c, height, width = x.shape
        h = self.norm(x).flatten(2).transpose(1, 2)  # [N, T, C]
        q, k, v = self.query(h), self.key(h), self.value(h)
        if hasattr(F, "scaled_dot_product_attention"):
            h = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            weights = torch.softmax(torch.bmm(q, k.transpose(1, 2)) * c**-0.5, dim=-1)
            h = torch.bmm(weights, v)
        h = self.out(h).transpose(1, 2).reshape(n, c, height, width)
        return (x + h) * math.sqrt(0.5)


class Pyramid(nn.Module):
    """The image on its way down: FIR filter, then a convolution of stride 2."""

    def __init__(self, channels_in, channels_out, taps):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride=2)
        self.register_buffer("kernel", fir_kernel(taps, channels_in, 1.0), persistent=False)
        self.channels = channels_in

    def forward(self, x):
        # Four taps and a 3 x 3 convolution of stride 2 keep half the size with two rows of padding.
        h = F.conv2d(x, self.kernel.to(x.dtype), padding=2, groups=self.channels)
        return self.conv(h)


class Level(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.ModuleList()
        self.attention = nn.ModuleDict()


class UNet(nn.Module):
    """forward(x [N, C, H, W], labels [N]) as the networks of Ito, in NCHW."""

    def __init__(self, config, channels, image_size, centered):
        super().__init__()
        check(config)
        self.config, self.centered = config, centered
        nf, multiples = config["nf"], config["ch_mult"]
        config["taps"] = config["fir_kernel"] if config["fir"] else []
        self.fourier = config["embedding_type"] == "fourier"
        width = 2 * nf if self.fourier else nf
        self.embedding = nn.Module()
        if self.fourier:
            self.embedding.register_buffer("frequencies", torch.zeros(nf))
        self.embedding.linear0, self.embedding.linear1 = nn.Linear(width, 4 * nf), nn.Linear(4 * nf, 4 * nf)
        self.input = nn.Conv2d(channels, nf, 3, padding=1)
        at, pyramid, skips = nf, channels, [nf]
        self.down = nn.ModuleList()
        for i, multiple in enumerate(multiples):
            level = Level()
            for b in range(config["num_res_blocks"]):
                level.block.append(ResBlock(at, nf * multiple, config))
                at = nf * multiple
                if image_size >> i in config["attn_resolutions"]:
                    level.attention[str(b)] = Attention(at)
                skips.append(at)
            if i + 1 < len(multiples):
                level.down = ResBlock(at, at, config, "down")
                if config["progressive_input"] == "residual":
                    level.pyramid = Pyramid(pyramid, at, config["taps"])
                    pyramid = at
                skips.append(at)
            self.down.append(level)
        self.middle = Level()
        self.middle.block.extend([ResBlock(at, at, config), ResBlock(at, at, config)])
        self.middle.attention = Attention(at)
        ups = []
        for i, multiple in reversed(list(enumerate(multiples))):
            level = Level()
            for _ in range(config["num_res_blocks"] + 1):
                level.block.append(ResBlock(at + skips.pop(), nf * multiple, config))
                at = nf * multiple
            level.attention = Attention(at) if image_size >> i in config["attn_resolutions"] else None
            level.up = ResBlock(at, at, config, "up") if i else None
            ups.append(level)
        self.up = nn.ModuleList(reversed(ups))
        self.output = nn.Module()
        self.output.norm, self.output.conv = group_norm(at), nn.Conv2d(at, channels, 3, padding=1)

    def embed(self, labels):
        if self.fourier:
            phase = 2 * math.pi * torch.log(labels)[:, None] * self.embedding.frequencies[None]
        else:
            half = self.config["nf"] // 2
            rates = torch.exp(torch.arange(half, device=labels.device) * (-math.log(10000) / (half - 1)))
            phase = labels[:, None] * rates[None]
        e = torch.cat([torch.sin(phase), torch.cos(phase)], dim=1).to(self.embedding.linear0.weight.dtype)
        return F.silu(self.embedding.linear1(F.silu(self.embedding.linear0(e))))

    def forward(self, x, labels):
        temb = self.embed(labels)
        h = x if self.centered else 2 * x - 1
        pyramid = h = h.to(self.input.weight.dtype)
        h = self.input(h)
        skips = [h]
        for level in self.down:
            for b, block in enumerate(level.block):
                h = block(h, temb)
                if str(b) in level.attention:
                    h = level.attention[str(b)](h)
                skips.append(h)
            if hasattr(level, "down"):
                h = level.down(h, temb)
                if hasattr(level, "pyramid"):
                    pyramid = h = (level.pyramid(pyramid) + h) * math.sqrt(0.5)
                skips.append(h)
        h = self.middle.block[0](h, temb)
        h = self.middle.block[1](self.middle.attention(h), temb)
        for level in reversed(self.up):
            for block in level.block:
                h = block(torch.cat([h, skips.pop()], dim=1), temb)
            if level.attention is not None:
                h = level.attention(h)
            if level.up is not None:
                h = level.up(h, temb)
        y = self.output.conv(F.silu(self.output.norm(h))).to(x.dtype)
        return y / labels[:, None, None, None] if self.config["scale_by_sigma"] else y


def check(config):
    wanted = {"name": "ncsnpp", "resblock_type": "biggan", "progressive": "none", "conditional": True,
              "skip_rescale": True, "nonlinearity": "swish", "up_attention": "last", "num_classes": 0}
    for key, value in wanted.items():
        if config[key] != value:
            raise ValueError(f"the PyTorch peer has no model.{key} = {config[key]!r}")
    if config["progressive_input"] not in ("none", "residual"):
        raise ValueError("the PyTorch peer has no such model.progressive_input")


def load_unet(path):
    """The network of a file that Ito wrote, in evaluation mode."""
    tensors, metadata = read_safetensors(path)
    settings = json.loads(metadata["config"])
    config, data = settings["model"], settings["data"]
    for key in ("ch_mult", "attn_resolutions"):
        config[key] = [int(v) for v in config[key]]
    net = UNet(config, data["channels"], data["image_size"], data["centered"])
    state = net.state_dict()
    if state.keys() != tensors.keys():
        raise ValueError(f"names differ: {sorted(state.keys() ^ tensors.keys())[:5]}")
    for name, tensor in tensors.items():
        if tensor.dim() == 4:
            tensor = tensor.permute(0, 3, 1, 2)  # [out, k, k, in] to [out, in, k, k]
        state[name].copy_(tensor)
    return net.eval(), settings
