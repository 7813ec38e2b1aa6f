"""Programs that answer the commands of bench/net_bench.cpp: ours and its peers, made, fed and checked
against each other. Used by bench/compare and bench/scaling."""

import argparse
import json
import os
import struct
import subprocess
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(f"{os.path.basename(sys.argv[0])}: {sys.executable} has no numpy; fix: run it with "
             "/usr/bin/python3 after apt-get install python3-numpy python3-torch, or with a Python "
             "that has numpy and torch")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NET_BENCH = os.environ.get("ITO_NET_BENCH") or os.path.join(ROOT, "build", "bench", "bin", "net_bench")
# A tuned peer: one pool of threads, and an allocator that keeps what it got.
PEER_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
# Of Ito's arithmetic, with the options of net_bench.
MODES = {"exact": [], "fast": ["--math", "fast"], "bf16": ["--math", "fast", "--precision", "bf16"]}
# Relative L2 distance of outputs, and relative difference of loss and gradient norm, that are
# rounding and not another function.
LIMIT = {"f32": 1e-4, "bf16": 5e-2}


def end(message):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def names(known):
    """Parser of a list of some of them, separated by commas."""
    def parse(text):
        unknown = [n for n in text.split(",") if n not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}; there are {', '.join(known)}")
        return text.split(",")
    return parse


def sizes(text):
    try:
        values = [int(v) for v in text.split(",")]
    except ValueError:
        values = [0]
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of positive numbers")
    return values


class Program:
    """A process that answers the commands of bench/net_bench.cpp."""

    def __init__(self, name, command, dtype, environment=None):
        self.name, self.dtype = name, dtype
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})})

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            end(f"{self.name} ended while answering \"{line}\"")
        answer = json.loads(answer)
        if "error" in answer:
            end(f"{self.name}: {answer['error']}")
        return answer

    def peak_bytes(self):
        """Highest resident memory of the whole process so far, measured alike for every program."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def torch_version(python):
    """Of the PyTorch that `python` imports, or the end of this program."""
    result = subprocess.run([python, "-c", "import torch; print(torch.__version__)"],
                            capture_output=True, text=True)
    if result.returncode != 0:
        end(f"{python} has no torch; apt-get install python3-torch and --python /usr/bin/python3, "
            "or pip install torch numpy in a virtual environment")
    return result.stdout.strip()


def make_network(preset, path, overrides):
    """A file with a network of random weights; returns its settings."""
    if not os.path.exists(NET_BENCH):
        end(f"{NET_BENCH} is not there; build it: cmake --preset bench && "
            "cmake --build --preset bench --target net_bench")
    # Layers that start at zero would hide themselves from the check.
    subprocess.run([NET_BENCH, "make", preset, path, "model.init_scale=1"] + overrides, check=True)
    return json.loads(read_header(path)[0]["__metadata__"]["config"])


def write_inputs(path, settings, count):
    """Random images, times and noise, and what a network is told at those times."""
    random = np.random.default_rng(1)
    data, sde = settings["data"], settings["sde"]
    shape = (count, data["image_size"], data["image_size"], data["channels"])
    t = random.uniform(0.05, 0.95, count)
    if sde["name"] == "ve":
        labels = sde["sigma_min"] * (sde["sigma_max"] / sde["sigma_min"]) ** t
    else:
        labels = 999 * t
    arrays = {"x": random.standard_normal(shape), "z": random.standard_normal(shape), "t": t,
              "labels": labels}
    header, parts, at = {}, [], 0
    for name, array in arrays.items():
        part = array.astype(np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read_header(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size)), 8 + size


def read_output(path):
    header, start = read_header(path)
    entry = header["y"]
    with open(path, "rb") as file:
        file.seek(start + entry["data_offsets"][0])
        return np.frombuffer(file.read(), dtype=np.float32).astype(np.float64)


def ours(weights, inputs, modes, threads=0):
    """One of our programs for each mode of arithmetic. threads = 0: all cores."""
    extra = ["--threads", str(threads)] if threads else []
    return [Program(f"Ito {mode}", [NET_BENCH, "serve", weights, inputs] + MODES[mode] + extra,
                    "bf16" if mode == "bf16" else "f32") for mode in modes]


def peers(python, version, weights, inputs, threads=0, bf16=False, compiled=True):
    """PyTorch in each of its variants."""
    script = os.path.join(ROOT, "bench", "peers", "torch_peer.py")
    extra = ["--threads", str(threads or os.cpu_count())]
    variants = [["--layout", "nchw"], ["--layout", "channels_last"]]
    if int(version.split(".")[0]) >= 2 and compiled:
        variants.append(["--layout", "channels_last", "--compile"])
    if bf16:
        variants += [v + ["--dtype", "bf16"] for v in variants]
    return [Program("PyTorch " + " ".join(v).replace("--layout ", "").replace("--", ""),
                    [python, script, weights, inputs] + v + extra,
                    "bf16" if "bf16" in v else "f32", PEER_ENVIRONMENT) for v in variants]


def check(programs, count, folder):
    """All programs compute the same function and the same gradient, or this ends here."""
    outputs, steps = [], []
    for i, program in enumerate(programs):
        path = os.path.join(folder, f"output{i}")
        program.ask(f"output {count} {path}")
        outputs.append(read_output(path))
        steps.append(program.ask(f"step {count}"))
    # Against one in f32: what differs from that by the rounding of bf16 is no judge of others.
    judge = next((i for i, program in enumerate(programs) if program.dtype == "f32"), 0)
    for program, y, step in zip(programs, outputs, steps):
        distance = np.linalg.norm(y - outputs[judge]) / np.linalg.norm(outputs[judge])
        worst = max(abs(step[key] / steps[judge][key] - 1) for key in ("loss", "grad_norm"))
        print(f"  {program.name}: output {distance:.1e}, loss and gradient norm {worst:.1e}",
              file=sys.stderr)
        if not (distance < LIMIT[program.dtype] and worst < LIMIT[program.dtype]):
            end(f"{program.name} computes something else")
