"""Writes an Inception network with random weights in torchvision's names, a sixteenth as wide, and
what plain PyTorch makes of two images with it.

write_inception_files.py FOLDER; exits 77 where PyTorch or NumPy cannot be imported. The network is
written down here from the description of the FID variant, independently of ours.
"""

import collections
import os
import shutil
import sys

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: python3-torch is not installed")
    sys.exit(77)
os.makedirs(folder)
torch.manual_seed(3)
DIVISOR, CLASSES = 16, 11
state = collections.OrderedDict()


def conv(x, name, out, kernel=(1, 1), stride=1, padding=(0, 0)):
    """Convolution, batch normalisation, relu; the first call of a name draws its weights."""
    out //= DIVISOR
    if name + ".conv.weight" not in state:
        fan_in = x.shape[1] * kernel[0] * kernel[1]
        state[name + ".conv.weight"] = torch.randn(out, x.shape[1], *kernel) * (2 / fan_in) ** 0.5
        state[name + ".bn.weight"] = 1 + 0.2 * torch.randn(out)
        state[name + ".bn.bias"] = 0.3 * torch.randn(out)
        state[name + ".bn.running_mean"] = 0.3 * torch.randn(out)
        state[name + ".bn.running_var"] = 0.5 + torch.rand(out)
        state[name + ".bn.num_batches_tracked"] = torch.tensor(7)
    x = F.conv2d(x, state[name + ".conv.weight"].double(), None, stride, padding)
    norm = [state[name + ".bn." + part].double()
            for part in ("running_mean", "running_var", "weight", "bias")]
    return F.relu(F.batch_norm(x, *norm, training=False, eps=0.001))


def mean_pool(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def block_a(x, n, pool):
    a = conv(x, n + ".branch1x1", 64)
    b = conv(conv(x, n + ".branch5x5_1", 48), n + ".branch5x5_2", 64, (5, 5), padding=(2, 2))
    c = conv(x, n + ".branch3x3dbl_1", 64)
    c = conv(c, n + ".branch3x3dbl_2", 96, (3, 3), padding=(1, 1))
    c = conv(c, n + ".branch3x3dbl_3", 96, (3, 3), padding=(1, 1))
    return torch.cat([a, b, c, conv(mean_pool(x), n + ".branch_pool", pool)], 1)


def block_b(x, n):
    a = conv(x, n + ".branch3x3", 384, (3, 3), 2)
    b = conv(x, n + ".branch3x3dbl_1", 64)
    b = conv(b, n + ".branch3x3dbl_2", 96, (3, 3), padding=(1, 1))
    b = conv(b, n + ".branch3x3dbl_3", 96, (3, 3), 2)
    return torch.cat([a, b, F.max_pool2d(x, 3, 2)], 1)


def block_c(x, n, c7):
    wide, high = dict(kernel=(1, 7), padding=(0, 3)), dict(kernel=(7, 1), padding=(3, 0))
    a = conv(x, n + ".branch1x1", 192)
    b = conv(x, n + ".branch7x7_1", c7)
    b = conv(b, n + ".branch7x7_2", c7, **wide)
    b = conv(b, n + ".branch7x7_3", 192, **high)
    c = conv(x, n + ".branch7x7dbl_1", c7)
    c = conv(c, n + ".branch7x7dbl_2", c7, **high)
    c = conv(c, n + ".branch7x7dbl_3", c7, **wide)
    c = conv(c, n + ".branch7x7dbl_4", c7, **high)
    c = conv(c, n + ".branch7x7dbl_5", 192, **wide)
    return torch.cat([a, b, c, conv(mean_pool(x), n + ".branch_pool", 192)], 1)


def block_d(x, n):
    a = conv(conv(x, n + ".branch3x3_1", 192), n + ".branch3x3_2", 320, (3, 3), 2)
    b = conv(x, n + ".branch7x7x3_1", 192)
    b = conv(b, n + ".branch7x7x3_2", 192, (1, 7), padding=(0, 3))
    b = conv(b, n + ".branch7x7x3_3", 192, (7, 1), padding=(3, 0))
    b = conv(b, n + ".branch7x7x3_4", 192, (3, 3), 2)
    return torch.cat([a, b, F.max_pool2d(x, 3, 2)], 1)


def block_e(x, n, pool):
    wide, high = dict(kernel=(1, 3), padding=(0, 1)), dict(kernel=(3, 1), padding=(1, 0))
    a = conv(x, n + ".branch1x1", 320)
    b = conv(x, n + ".branch3x3_1", 384)
    b = [conv(b, n + ".branch3x3_2a", 384, **wide), conv(b, n + ".branch3x3_2b", 384, **high)]
    c = conv(x, n + ".branch3x3dbl_1", 448)
    c = conv(c, n + ".branch3x3dbl_2", 384, (3, 3), padding=(1, 1))
    c = [conv(c, n + ".branch3x3dbl_3a", 384, **wide), conv(c, n + ".branch3x3dbl_3b", 384, **high)]
    return torch.cat([a] + b + c + [conv(pool(x), n + ".branch_pool", 192)], 1)


def network(x):
    x = conv(x, "Conv2d_1a_3x3", 32, (3, 3), 2)
    x = conv(x, "Conv2d_2a_3x3", 32, (3, 3))
    x = conv(x, "Conv2d_2b_3x3", 64, (3, 3), padding=(1, 1))
    x = F.max_pool2d(x, 3, 2)
    x = conv(x, "Conv2d_3b_1x1", 80)
    x = conv(x, "Conv2d_4a_3x3", 192, (3, 3))
    x = F.max_pool2d(x, 3, 2)
    for name, pool in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = block_a(x, name, pool)
    x = block_b(x, "Mixed_6a")
    for name, c7 in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = block_c(x, name, c7)
    x = block_d(x, "Mixed_7a")
    x = block_e(x, "Mixed_7b", mean_pool)
    x = block_e(x, "Mixed_7c", lambda h: F.max_pool2d(h, 3, stride=1, padding=1))
    return x.mean((2, 3))


def resize_tf1(images):
    """TensorFlow 1: the value at i n / 299, with the last pixel repeated."""
    x = images.astype(np.float64)
    for axis in (1, 2):
        n = x.shape[axis]
        at = np.arange(299) * (n / 299)
        low = at.astype(int)
        shape = [1, 1, 1, 1]
        shape[axis] = 299
        w = (at - low).reshape(shape)
        x = np.take(x, low, axis) * (1 - w) + np.take(x, np.minimum(low + 1, n - 1), axis) * w
    return x


rng = np.random.RandomState(5)
images = rng.randint(0, 256, (2, 37, 32, 3)).astype(np.uint8)
nchw = torch.from_numpy(images).double().permute(0, 3, 1, 2)
half = F.interpolate(nchw, (299, 299), mode="bilinear", align_corners=False)
tf1 = (resize_tf1(images) - 127.5) / 127.5
x = torch.from_numpy(tf1).permute(0, 3, 1, 2)
pool = network(x)
state["fc.weight"] = torch.randn(CLASSES, 2048 // DIVISOR)
state["fc.bias"] = torch.randn(CLASSES)
score_logits = pool @ state["fc.weight"].double().T
np.savez(os.path.join(folder, "expected.npz"), images=images, tf1=tf1,
         half_pixel=((half - 127.5) / 127.5).permute(0, 2, 3, 1).numpy(), pool=pool.numpy(),
         score_logits=score_logits.numpy(),
         logits=(score_logits + state["fc.bias"].double()).numpy())
torch.save(state, os.path.join(folder, "tiny.pth"))
torch.save(state, os.path.join(folder, "tiny_old.pth"), _use_new_zipfile_serialization=False)
del state["Mixed_6c.branch7x7_2.bn.running_var"]
torch.save(state, os.path.join(folder, "lacking.pth"))

# Arrays of NumPy, whose values the tests know.
counting = np.arange(24).reshape(2, 3, 4)
np.savez_compressed(os.path.join(folder, "arrays.npz"), f4=counting.astype("<f4") / 8,
                    f8=counting / 8.0, i4=counting.astype("<i4") - 9, i8=counting - 9,
                    u1=counting.astype("u1"), scalar=np.float64(2.5), empty=np.zeros((0, 3)),
                    vector=np.arange(5.0), fortran=np.asfortranarray(counting / 8.0),
                    f2=counting.astype("<f2"), big=counting.astype(">f4"), text=np.array(["a"]))
pool = rng.randn(6, 4).astype("float32")
np.savez(os.path.join(folder, "score_sde.npz"), pool_3=pool.reshape(6, 1, 1, 4),
         logits=rng.randn(6, 3).astype("float32"))
np.savez(os.path.join(folder, "edm.npz"), mu=pool.astype("float64").mean(0),
         sigma=np.cov(pool.astype("float64"), rowvar=False))
