"""The PyTorch side of bench/compare: the commands of bench/net_bench.cpp, answered by PyTorch.

    torch_peer.py WEIGHTS INPUTS [--layout nchw|channels_last] [--dtype f32|bf16] [--compile]
                  [--threads N]
"""

import argparse
import json
import sys
import time

import torch

from torch_unet import load_unet, read_safetensors, write_safetensors


class Peer:
    def __init__(self, o):
        self.o = o
        self.net, settings = load_unet(o.weights)
        self.settings = settings
        self.inputs, _ = read_safetensors(o.inputs)
        self.format = torch.channels_last if o.layout == "channels_last" else torch.contiguous_format
        self.net = self.net.to(memory_format=self.format)
        self.call = torch.compile(self.net) if o.compile else self.net
        self.optimizer = None
        self.step_number = 0

    def first(self, name, count):
        x = self.inputs[name][:count]
        if x.dim() == 4:
            x = x.permute(0, 3, 1, 2).contiguous(memory_format=self.format)
        return x

    def autocast(self):
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.o.dtype == "bf16")

    def forward(self, count):
        x, labels = self.first("x", count), self.first("labels", count)
        with torch.no_grad(), self.autocast():
            start = time.perf_counter()
            y = self.call(x, labels)
            return y, time.perf_counter() - start

    def marginal(self, t):
        """alpha and sigma of x_t = alpha x_0 + sigma z, and what the network is told."""
        sde = self.settings["sde"]
        if sde["name"] == "ve":
            sigma = sde["sigma_min"] * (sde["sigma_max"] / sde["sigma_min"]) ** t
            return torch.ones_like(t), sigma, sigma
        log_alpha = -0.25 * t**2 * (sde["beta_max"] - sde["beta_min"]) - 0.5 * t * sde["beta_min"]
        return torch.exp(log_alpha), torch.sqrt(-torch.expm1(2 * log_alpha)), 999 * t

    def prepare_training(self):
        optim = self.settings["optim"]
        self.parameters = list(self.net.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=optim["lr"], eps=optim["eps"],
                                          betas=(optim["beta1"], optim["beta2"]), foreach=True)
        self.average = [p.detach().clone() for p in self.parameters]
        self.net.train()

    def step(self, count):
        """As score_sde_pytorch trains: loss, backward, warm-up, clipping, Adam, average."""
        if self.optimizer is None:
            self.prepare_training()
        x, z = self.first("x", count), self.first("z", count)
        alpha, sigma, labels = self.marginal(self.first("t", count).double())
        alpha, sigma, labels = alpha.float(), sigma.float(), labels.float()
        optim, objective = self.settings["optim"], self.settings["objective"]
        column = lambda v: v[:, None, None, None]
        start = time.perf_counter()
        xt = column(alpha) * x + column(sigma) * z
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            y = self.call(xt, labels)
        # A VE network returns the score; one of VP returns the noise, negated by -1 / sigma.
        score = y.float() if self.settings["sde"]["name"] == "ve" else -y.float() / column(sigma)
        losses = torch.square(column(sigma) * score + z).flatten(1)
        loss = (losses.mean(1) if objective["reduce_mean"] else 0.5 * losses.sum(1)).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, optim["grad_clip"])
        self.optimizer.param_groups[0]["lr"] = optim["lr"] * min(self.step_number / optim["warmup"], 1)
        self.optimizer.step()
        self.step_number += 1
        decay = min(optim["ema_rate"], (1 + self.step_number) / (10 + self.step_number))
        with torch.no_grad():
            torch._foreach_mul_(self.average, decay)
            torch._foreach_add_(self.average, self.parameters, alpha=1 - decay)
        return {"seconds": time.perf_counter() - start, "loss": loss.item(), "grad_norm": float(norm)}

    def answer(self, command, count, file):
        if command == "forward":
            self.net.eval()
            return {"seconds": self.forward(count)[1]}
        if command == "step":
            return self.step(count)
        if command == "output":
            write_safetensors(file, "y", self.forward(count)[0].float().permute(0, 2, 3, 1))
            return {}
        if command == "ready":
            return {}
        return {"error": f"no such command: {command}"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("inputs")
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    o = parser.parse_args()
    if o.threads:
        torch.set_num_threads(o.threads)
    peer = Peer(o)
    for line in sys.stdin:
        words = line.split() + ["0", ""]
        print(json.dumps(peer.answer(words[0], int(words[1]), words[2])), flush=True)


if __name__ == "__main__":
    main()
