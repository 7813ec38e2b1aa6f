"""Records networks of diffusers for diffusers_test.cpp: run by hand where diffusers is installed.

record_diffusers.py FOLDER writes one JSON file per network: its config.json and
scheduler_config.json, names and shapes of its tensors, the noise labels, and the output for an
image of diffusers_values.py.
"""

import json
import os
import sys

import diffusers
import torch

sys.dont_write_bytecode = True
from diffusers_values import image, values

common = dict(layers_per_block=1, norm_eps=1e-6, attention_head_dim=None)
# 64 channels in 32 groups: a group of one channel would take the time embedding away.
ddpm = dict(common, sample_size=8, block_out_channels=[32, 64], norm_num_groups=32, freq_shift=1,
            downsample_padding=0)
ncsnpp = dict(common, sample_size=16, block_out_channels=[32, 128], norm_num_groups=None,
              time_embedding_type="fourier", mid_block_scale_factor=2**0.5)
plain = dict(down_block_types=["DownBlock2D"] * 2, up_block_types=["UpBlock2D"] * 2)
vp = diffusers.DDPMScheduler()
ve = diffusers.ScoreSdeVeScheduler(sigma_max=380.0, snr=0.075)

networks = {
    "ddpm": (dict(ddpm, **plain, flip_sin_to_cos=False), vp, [3, 700]),
    "ddpm_flipped": (dict(ddpm, **plain, flip_sin_to_cos=True, layers_per_block=2), vp, [0, 999]),
    "ddpm_attention": (dict(ddpm, flip_sin_to_cos=False,
                            down_block_types=["DownBlock2D", "AttnDownBlock2D"],
                            up_block_types=["AttnUpBlock2D", "UpBlock2D"]), vp, [3, 700]),
    "ncsnpp": (dict(ncsnpp, down_block_types=["SkipDownBlock2D", "AttnSkipDownBlock2D"],
                    up_block_types=["AttnSkipUpBlock2D", "SkipUpBlock2D"]), ve, [0.5, 20.0]),
    "ncsnpp_centred": (dict(ncsnpp, center_input_sample=True, block_out_channels=[32, 64, 64],
                            layers_per_block=2, down_block_types=["SkipDownBlock2D"] * 3,
                            up_block_types=["SkipUpBlock2D"] * 3), ve, [0.01, 300.0]),
}
for name, (config, scheduler, labels) in networks.items():
    network = diffusers.UNet2DModel(**config).eval()
    tensors = {n: t for n, t in network.state_dict().items() if n != "time_proj.W"}
    for n, t in tensors.items():
        t.copy_(torch.from_numpy(values(n, tuple(t.shape))))
    with torch.no_grad():
        y = network(torch.from_numpy(image(config["sample_size"])), torch.tensor(labels)).sample
    record = dict(
        source=f"diffusers {diffusers.__version__}, PyTorch {torch.__version__}, CPU fp32",
        config=json.loads(network.to_json_string()),
        scheduler=json.loads(scheduler.to_json_string()), labels=labels,
        shapes={n: list(t.shape) for n, t in tensors.items()},
        output=[float(f"{v:.9g}") for v in y.flatten().tolist()])
    with open(os.path.join(sys.argv[1], name + ".json"), "w") as f:
        json.dump(record, f, separators=(",", ":"))
        f.write("\n")
    print(name, float(y.std()), len(tensors))
