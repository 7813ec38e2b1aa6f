"""Values of the tensors of recorded networks: made from names, so that no file has to hold them.

diffusers_test.cpp has the same rule (values_of).
"""

import numpy as np


def values(name, shape):
    """Uniform numbers, scaled for the tensor's part in a network; float32."""
    seed = 0x811C9DC5  # FNV-1a of the name
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):  # splitmix64 of seed and index
        z = (np.uint64(seed) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1  # [-1, 1)
    if len(shape) > 1:
        u = u * np.sqrt(3 * shape[0] / count)
    elif "norm" in name and name.endswith(".weight"):
        u = 1 + 0.2 * u
    elif name != "time_proj.weight":
        u = 0.1 * u
    return u.reshape(shape).astype(np.float32)


def image(size):
    return 3 * values("x", (2, 3, size, size))
