"""Augmented patches a second: neurograft, MONAI and TorchIO, for the same set of transforms.

An image with its label map, patches of 64 x 64 x 64 cut at random, each changed by rotation and zoom, a flip,
blur, gamma and noise, all of them every time; in a second set by an elastic deformation too. Ranges are
neurograft's defaults. MONAI and TorchIO cut a patch first and change only that, which is their cheapest way;
neurograft interpolates straight out of the volume, so that a turned patch has no empty corners. neurograft and
MONAI also scale and shift intensities, for which TorchIO has no transform. Each runs in a process of its own.

    make augmentation-env
    python benchmarks/augmentation.py --peer-python .venv-augmentation/bin/python
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from peer_process import run_part
from provenance import provenance

SETS = ("affine, flip, blur, gamma, noise", "and elastic deformation")
SHAPE = (160, 192, 160)
PATCH = 64


def main() -> int:
    """Run all, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the interpreter of an environment with monai and torchio")
    parser.add_argument("--patches", type=int, default=64, help="of a round; one round goes before those timed")
    parser.add_argument("--rounds", type=int, default=5, help="timed in each process")
    parser.add_argument("--turns", type=int, default=2, help="of all libraries one after the other")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(augment(options)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_volume(folder)
        own = [sys.executable, __file__, *sys.argv[1:], "--part", "--folder", name, "--threads", str(options.threads)]
        commands = {"neurograft": own}
        script = Path(__file__).parent / "peers" / "augmentation.py"
        counts = [str(count) for count in (options.patches, options.rounds, options.threads)]
        for peer in ("monai", "torchio") if options.peer_python else ():
            commands[peer] = [str(options.peer_python), str(script), peer, name, *counts]
        rates: dict[str, list[list[float]]] = {library: [[] for _ in SETS] for library in commands}
        versions = {}
        # In turns: what else the machine does, and how fast it is at the time, meets all alike.
        for _ in range(options.turns):
            for library, command in commands.items():
                found = run_part(command, folder / "cache", options.threads)
                versions[library] = found.get("version")
                for known, new in zip(rates[library], found["rates"], strict=True):
                    known += new
    lines = ["| transforms | library | patches a second | slowest to fastest round | neurograft's times |"]
    lines.append("|---|---|---:|---:|---:|")
    for number, words in enumerate(SETS):
        ours = median(rates["neurograft"][number])
        for library in commands:
            rounds = rates[library][number]
            spread = f"{min(rounds):.1f} to {max(rounds):.1f}"
            lines.append(f"| {words} | {library} | {median(rounds):.1f} | {spread} | {ours / median(rounds):.1f} |")
    peers = [version for version in versions.values() if version]
    lines += [
        "",
        f"Patches of {PATCH} x {PATCH} x {PATCH} out of {' x '.join(map(str, SHAPE))}, image and label map, "
        f"median of {options.turns * options.rounds} rounds of {options.patches} patches, in {options.turns} processes "
        f"by turns; neurograft makes batches of {options.batch}.",
        "",
        provenance(options.threads, ("neurograft", "torch", "numpy"), peers),
        "",
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "augmentation.md").write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))
    return 0


def write_volume(folder: Path) -> None:
    """An image of smooth hills with noise, and a label where it is high."""
    axes = [np.sin(np.linspace(0, 9, extent, dtype=np.float32)) for extent in SHAPE]
    hills = axes[0][:, None, None] * axes[1][None, :, None] + axes[2][None, None, :]
    noise = np.random.default_rng(0).normal(0, 0.1, SHAPE).astype(np.float32)
    np.savez(folder / "volume.npz", image=(hills + noise)[None], target=(hills > 0.5).astype(np.int16))


def augment(options: argparse.Namespace) -> dict[str, Any]:
    """Patches a second of neurograft's batches, for each set."""
    import time

    import torch

    from neurograft.allocator import keep_freed_memory
    from neurograft.recipes.schema import AugmentationConfig, SamplingConfig
    from neurograft.sampling.batches import PatchBatches
    from neurograft.sampling.examples import TrainingCase

    keep_freed_memory()  # as commands that train do at their start
    torch.set_num_threads(options.threads)
    with np.load(options.folder / "volume.npz") as arrays:
        case = TrainingCase("a", "a", torch.from_numpy(arrays["image"]), torch.from_numpy(arrays["target"]))
    sampling = SamplingConfig(patch_size=(PATCH,) * 3, batch_size=options.batch, target_probability=0.0)
    always = {name: 1.0 for name in AugmentationConfig.model_fields if name.endswith("_probability")}
    always["flip_probability"] = 0.5
    rates = []
    for elastic in (0.0, 1.0):
        config = AugmentationConfig(**(always | {"elastic_probability": elastic}), flip_axes=("left-right",))
        batches = PatchBatches([case], sampling, config)
        steps = -(-options.patches // options.batch)
        found = []
        for turn in range(1 + options.rounds):
            start = time.perf_counter()
            for step in range(turn * steps, (turn + 1) * steps):
                batches.batch(step)
            found.append(steps * options.batch / (time.perf_counter() - start))
        rates.append(found[1:])
    return {"rates": rates}


if __name__ == "__main__":
    raise SystemExit(main())
