"""Writes checkpoints as score_sde_pytorch does, with tiny networks of its module order.

write_torch_files.py FOLDER [GOLDEN]; exits 77 where PyTorch cannot be imported.
The names, shapes and the order of registration are written down here from the description of the
reference, independently of the importer; values are random. NAME.safetensors holds what the importer
must find: model.* and ema.* by the reference's names. Networks of the reference in the folder GOLDEN
become checkpoints golden_*.pth, and recorded networks of diffusers become folders.
"""

import glob
import json
import math
import os
import re
import shutil
import struct
import sys
import zipfile

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
try:
    import numpy
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
    def __init__(self, c_in, c_out):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(c_in, c_out))
        self.b = nn.Parameter(torch.zeros(c_out))


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


def res_ddpm(c_in, c_out):
    parts = dict(GroupNorm_0=norm(c_in), Conv_0=nn.Conv2d(c_in, c_out, 3),
                 Dense_0=nn.Linear(128, c_out), GroupNorm_1=norm(c_out),
                 Conv_1=nn.Conv2d(c_out, c_out, 3))
    if c_in != c_out:
        parts["NIN_0"] = Nin(c_in, c_out)
    return Parts(**parts)


def attention(channels):
    return Parts(GroupNorm_0=norm(channels), **{f"NIN_{i}": Nin(channels, channels) for i in range(4)})


def trunk(pyramid):
    """8 x 8 images, channels 8 and 16, one block per level, attention at 4 x 4."""
    return [nn.Conv2d(3, 8, 3), res(8, 8), res(8, 8, True), *pyramid, res(8, 16), attention(16),
            res(16, 16), attention(16), res(16, 16),
            res(16 + 16, 16), res(16 + 8, 16), attention(16), res(16, 16, True),
            res(16 + 8, 8), res(8 + 8, 8), norm(8), nn.Conv2d(8, 3, 3)]


class Network(nn.Module):
    def __init__(self, modules=(), **named):
        super().__init__()
        levels = torch.linspace(math.log(50), math.log(0.01), 10, dtype=torch.float64)
        self.register_buffer("sigmas", torch.exp(levels))
        if modules:
            self.all_modules = nn.ModuleList(modules)
        for name, child in named.items():
            self.add_module(name, child)
        for p in self.parameters():
            p.data = torch.randn(p.shape)


def ncsnpp():
    pyramid = Parts(Conv2d_0=nn.Conv2d(3, 8, 3))
    return Network([Fourier(8), nn.Linear(16, EMBEDDING), nn.Linear(EMBEDDING, EMBEDDING),
                    *trunk([pyramid])])


def ddpmpp():
    return Network([nn.Linear(8, EMBEDDING), nn.Linear(EMBEDDING, EMBEDDING), *trunk([])])


def ddpm():
    return Network([nn.Linear(32, 128), nn.Linear(128, 128), nn.Conv2d(3, 32, 3),
                    res_ddpm(32, 32), Parts(Conv_0=nn.Conv2d(32, 32, 3)), res_ddpm(32, 64),
                    attention(64), res_ddpm(64, 64), attention(64), res_ddpm(64, 64),
                    res_ddpm(64 + 64, 64), res_ddpm(64 + 32, 64), attention(64),
                    Parts(Conv_0=nn.Conv2d(64, 64, 3)), res_ddpm(64 + 32, 32),
                    res_ddpm(32 + 32, 32), norm(32), nn.Conv2d(32, 3, 3)])


def skips():
    """Two blocks per level, both image pyramids, combined by concatenation: 8 + 8 channels."""
    return Network([Fourier(8), nn.Linear(16, EMBEDDING), nn.Linear(EMBEDDING, EMBEDDING),
                    nn.Conv2d(3, 8, 3), res(8, 8), res(8, 8), res(8, 8, True),
                    Parts(Conv_0=nn.Conv2d(3, 8, 1)), res(16, 16), attention(16), res(16, 16),
                    attention(16), res(16, 16), attention(16), res(16, 16),
                    res(16 + 16, 16), res(16 + 16, 16), res(16 + 16, 16), attention(16), norm(16),
                    nn.Conv2d(16, 3, 3), res(16, 16, True), res(16 + 8, 8), res(8 + 8, 8),
                    res(8 + 8, 8), norm(8), nn.Conv2d(8, 3, 3)])


class NormPlus(nn.Module):
    def __init__(self, channels):
        super().__init__()
        for name in ("alpha", "gamma", "beta"):
            setattr(self, name, nn.Parameter(torch.zeros(channels)))


def bare(c_in, c_out):
    return nn.Conv2d(c_in, c_out, 3, bias=False)


def stage(c_in, c_out, pools=False):
    """Two residual blocks of NCSNv2; the first changes the width, by pooling or by dilation."""
    def last(size):
        return Parts(conv=nn.Conv2d(c_in, c_out, size)) if pools else nn.Conv2d(c_in, c_out, 3)

    first = dict(conv1=nn.Conv2d(c_in, c_in, 3), normalize2=NormPlus(c_in), conv2=last(3))
    if c_in != c_out or not pools:
        first["shortcut"] = last(1)
    first["normalize1"] = NormPlus(c_in)
    return nn.ModuleList([Parts(**first), plain_block(c_out)])


def plain_block(c):
    return Parts(conv1=nn.Conv2d(c, c, 3), normalize2=NormPlus(c), conv2=nn.Conv2d(c, c, 3),
                 normalize1=NormPlus(c))


def residual_units(channels, blocks):
    return Parts(**{f"{b}_{s}_conv": bare(channels, channels)
                    for b in range(1, blocks + 1) for s in (1, 2)})


def refine(inputs, features, end=False):
    parts = dict(adapt_convs=nn.ModuleList(residual_units(c, 2) for c in inputs),
                 output_convs=residual_units(features, 3 if end else 1))
    if len(inputs) > 1:
        convs = nn.ModuleList(nn.Conv2d(c, features, 3) for c in inputs)
        parts["msf"] = Parts(convs=convs)
    parts["crp"] = Parts(convs=nn.ModuleList(bare(features, features) for _ in range(2)))
    return Parts(**parts)


def ncsnv2():
    return Network(begin_conv=nn.Conv2d(3, 8, 3), normalizer=NormPlus(8),
                   end_conv=nn.Conv2d(8, 3, 3),
                   res1=nn.ModuleList([plain_block(8), plain_block(8)]),
                   res2=stage(8, 16, pools=True), res3=stage(16, 16), res4=stage(16, 16),
                   refine1=refine([16], 16), refine2=refine([16, 16], 16),
                   refine3=refine([16, 16], 8), refine4=refine([8, 8], 8, end=True))


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


for make in (ncsnpp, ddpm, skips, ncsnv2, ddpmpp):
    name, net = make.__name__, make()
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



def rewrite_zip(name, packing, change=lambda entry, data: data):
    with zipfile.ZipFile(os.path.join(folder, "ddpmpp.pth")) as old, \
            zipfile.ZipFile(os.path.join(folder, name), "w", packing) as new:
        for entry in old.namelist():
            new.writestr(entry, change(entry, old.read(entry)))


def lead_outside(entry, data):
    """The storages under names that lead out of the archive."""
    def outside(match):
        key = b"../../../../../../etc/" + match[1]
        return b"X" + struct.pack("<I", len(key)) + key
    return re.sub(rb"X[\1\2\3]\0\0\0(\d+)", outside, data) if entry.endswith(".pkl") else data


def swell(entry, data):
    return bytes(64 << 20) if entry.endswith("data.pkl") else data


rewrite_zip("packed.pth", zipfile.ZIP_DEFLATED)
rewrite_zip("bomb.pth", zipfile.ZIP_DEFLATED, swell)
rewrite_zip("outside.pth", zipfile.ZIP_STORED, lead_outside)

# The same weights without a checkpoint around them.
plain = {n: t for n, t in state["model"].items() if n != "sigmas"}
write_safetensors(os.path.join(folder, "reference.safetensors"), plain)
write_safetensors(os.path.join(folder, "module.safetensors"),
                  {"module." + n: t for n, t in plain.items()})
write_safetensors(os.path.join(folder, "fewer.safetensors"),
                  {n: t for n, t in plain.items() if "all_modules.0." not in n})
write_safetensors(os.path.join(folder, "extra.safetensors"),
                  {**plain, "z.1": torch.zeros(1), "z.2": torch.zeros(1)})


def read_safetensors(path):
    types = dict(F32=torch.float32, F64=torch.float64)
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(size)), bytearray(f.read())
    return {name: torch.frombuffer(data[slice(*t["data_offsets"])], dtype=types[t["dtype"]])
            .reshape(t["shape"]) for name, t in header.items()
            if name != "__metadata__" and t["dtype"] in types}


def wrap_golden(path):
    """The reference's weights as averages; the weights of the last step are zero."""
    with open(path[:-len("safetensors")] + "json") as f:
        names = json.load(f)["arrays"]
    tensors = read_safetensors(path)
    marks = ("input.", "output.", "grad.", "grad_input.", "loss")
    weights = {n: tensors[n] for n in names if not n.startswith(marks)}
    frozen = ("sigmas", "all_modules.0.W")
    model = {n: t if n in frozen else torch.zeros_like(t) for n, t in weights.items()}
    shadow = [t for n, t in weights.items() if n not in frozen]
    name = "golden_" + os.path.basename(path)[:-len(".safetensors")]
    state = dict(optimizer={}, model={"module." + n: t for n, t in model.items()}, step=7,
                 ema=dict(decay=0.999, num_updates=7, shadow_params=shadow))
    save(state, name + ".pth")
    save({**state, "model": model}, name + ".stream.pth", zipped=False)


golden = sys.argv[2] if len(sys.argv) > 2 else None
if "ITO_SHARED_DIR" in os.environ:
    golden = os.path.join(os.environ["ITO_SHARED_DIR"], "golden")
for path in sorted(glob.glob(f"{golden}/model_ddpm*.s*") + glob.glob(f"{golden}/model_ncsn*.s*")):
    wrap_golden(path)

# Folders of diffusers in their older form: the names of attention, and weights in a zip archive.
sys.dont_write_bytecode = True
from diffusers_values import values

here = os.path.dirname(os.path.abspath(__file__))
for path in sorted(glob.glob(os.path.join(here, "diffusers", "*.json"))):
    with open(path) as f:
        record = json.load(f)
    target = os.path.join(folder, "diffusers_" + os.path.basename(path)[:-len(".json")])
    os.makedirs(target)
    for key, name in (("config", "config.json"), ("scheduler", "scheduler_config.json")):
        with open(os.path.join(target, name), "w") as f:
            json.dump(record[key], f)
    tensors = {}
    for name, shape in record["shapes"].items():
        older = name
        for new, old in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."),
                         (".to_out.0.", ".proj_attn.")):
            older = older.replace(new, old)
        tensors[older] = torch.from_numpy(numpy.array(values(name, shape)))
    if "time_proj.weight" in tensors:
        tensors["time_proj.W"] = tensors["time_proj.weight"]
    torch.save(tensors, os.path.join(target, "diffusion_pytorch_model.bin"))
