"""Writes checkpoints as score_sde_pytorch does, with tiny networks of its module order.

write_torch_files.py FOLDER; exits 77 where PyTorch cannot be imported.
The names, shapes and the order of registration are written down here from the description of the
reference, independently of the importer; values are random. NAME.safetensors holds what the importer
must find: model.* and ema.* by the reference's names.
"""

import json
import math
import os
import shutil
import struct
import sys

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
try:
    import torch
    from torch import nn
except ImportError:
    print("skipped: python3-torch is not installed")
    sys.exit(77)
os.makedirs(folder)
torch.manual_seed(11)
EMBEDDING = 32


class Parts(nn.Module):
    """A module with the named children."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class Nin(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(channels, channels))
        self.b = nn.Parameter(torch.zeros(channels))


class Fourier(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.W = nn.Parameter(torch.randn(size), requires_grad=False)


def norm(channels):
    return nn.GroupNorm(1, channels)


def res(c_in, c_out, resamples=False):
    parts = dict(GroupNorm_0=norm(c_in), Conv_0=nn.Conv2d(c_in, c_out, 3),
                 Dense_0=nn.Linear(EMBEDDING, c_out), GroupNorm_1=norm(c_out),
                 Conv_1=nn.Conv2d(c_out, c_out, 3))
    if c_in != c_out or resamples:
        parts["Conv_2"] = nn.Conv2d(c_in, c_out, 1)
    return Parts(**parts)


def attention(channels):
    return Parts(GroupNorm_0=norm(channels), **{f"NIN_{i}": Nin(channels) for i in range(4)})


def trunk(pyramid):
    """8 x 8 images, channels 8 and 16, one block per level, attention at 4 x 4."""
    return [nn.Conv2d(3, 8, 3), res(8, 8), res(8, 8, True), *pyramid, res(8, 16), attention(16),
            res(16, 16), attention(16), res(16, 16),
            res(16 + 16, 16), res(16 + 8, 16), attention(16), res(16, 16, True),
            res(16 + 8, 8), res(8 + 8, 8), norm(8), nn.Conv2d(8, 3, 3)]


class Network(nn.Module):
    def __init__(self, modules):
        super().__init__()
        levels = torch.linspace(math.log(50), math.log(0.01), 10, dtype=torch.float64)
        self.register_buffer("sigmas", torch.exp(levels))
        self.all_modules = nn.ModuleList(modules)
        for p in self.parameters():
            p.data = torch.randn(p.shape)


def ncsnpp():
    pyramid = Parts(Conv2d_0=nn.Conv2d(3, 8, 3))
    return Network([Fourier(8), nn.Linear(16, EMBEDDING), nn.Linear(EMBEDDING, EMBEDDING),
                    *trunk([pyramid])])


def ddpmpp():
    return Network([nn.Linear(8, EMBEDDING), nn.Linear(EMBEDDING, EMBEDDING), *trunk([])])


def averages(network):
    """As ExponentialMovingAverage: one tensor per parameter that requires a gradient, no names.

    Every second one is a transposed view at an offset in its storage.
    """
    shadow = []
    for p in network.parameters():
        if not p.requires_grad:
            continue
        value = torch.randn(p.shape)
        if len(shadow) % 2:
            flat = torch.full((value.numel() + 5,), math.nan)
            view = flat[3:3 + value.numel()].view(*reversed(value.shape))
            value = view.permute(*reversed(range(value.dim()))).copy_(value)
        shadow.append(value)
    return shadow


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.detach().contiguous().numpy().tobytes()
        header[name] = dict(dtype="F32", shape=list(t.shape),
                            data_offsets=[len(data), len(data) + len(raw)])
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def checkpoint(network):
    optimizer = torch.optim.Adam(network.parameters())
    for p in network.parameters():
        if p.requires_grad:
            p.grad = torch.randn(p.shape)
    optimizer.step()
    ema = dict(decay=0.999, num_updates=7, shadow_params=averages(network))
    return dict(optimizer=optimizer.state_dict(), model=network.state_dict(), ema=ema, step=7)


def save(state, name, zipped=True):
    torch.save(state, os.path.join(folder, name), _use_new_zipfile_serialization=zipped)


def expect(network, state, name):
    trained = [n for n, p in network.named_parameters() if p.requires_grad]
    model = dict(network.named_parameters())
    ema = {**model, **dict(zip(trained, state["ema"]["shadow_params"]))}
    write_safetensors(os.path.join(folder, name), {
        **{"model." + n: t for n, t in model.items()}, **{"ema." + n: t for n, t in ema.items()}})


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


for name, make in (("ncsnpp", ncsnpp), ("ddpmpp", ddpmpp)):
    net = make()
    state = checkpoint(net)
    expect(net, state, name + ".safetensors")
    save(state, name + ".stream.pth", zipped=False)
    state["model"] = nn.DataParallel(net).state_dict()
    save(state, name + ".pth")

# What must be refused: the checkpoint of ddpmpp with one thing changed.
state["model"] = net.state_dict()
LAST = "all_modules.17.bias"


def changed(name, key, value):
    save({**state, key: value}, name)


changed("half.pth", "model", {**state["model"], LAST: torch.zeros(3, dtype=torch.float16)})
changed("integers.pth", "model", {**state["model"], LAST: torch.zeros(3, dtype=torch.int64)})
changed("expanded.pth", "model", {**state["model"], LAST: torch.zeros(1).expand(3)})
changed("shape.pth", "model", {**state["model"], LAST: torch.zeros(4)})
changed("rank.pth", "model", {**state["model"], LAST: torch.zeros(3, 1)})
changed("extra.pth", "model", {**state["model"], "all_modules.18.bias": torch.zeros(3)})
changed("mixed.pth", "model", {**state["model"], "module.x": torch.zeros(3)})
changed("levels.pth", "model", {**state["model"], "sigmas": torch.linspace(1, 0.5, 10)})
changed("missing.pth", "model", {k: v for k, v in state["model"].items() if k != LAST})
changed("fewer.pth", "ema", {"shadow_params": state["ema"]["shadow_params"][:-1]})
changed("shifted.pth", "ema", {"shadow_params": state["ema"]["shadow_params"][1:] + [torch.zeros(3)]})
changed("no_ema.pth", "ema", None)
changed("attack.pth", "step", Attack())
save({"weights": state["model"]}, "other.pth")
save(state["model"], "bare.pth", zipped=False)
