"""Memory and time of a training step of P1's and P3's networks at the papers' full patch sizes.

Each row is a process of its own: it builds the recipe's network and task, and takes training steps
(forward, loss with all its terms, backward, optimiser) on random images and classes. Memory is the
process's peak resident set on a CPU, PyTorch and the batch included, or the peak that PyTorch
allocated on a GPU. The time is the fastest step after the first.

    python benchmarks/full_patch.py                      # all rows, on the CPU
    python benchmarks/full_patch.py --device cuda --out benchmarks/results/full_patch.md
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from neurograft.networks import build_network
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import OptimiserConfig
from neurograft.tasks import AgeScale, SegmentationTask

ENDS = {"p1-lc": (1, 1), "p3-neonatal": (2, 9), "p3-neonatal-age": (2, 9), "p3-neonatal-code": (2, 9)}
"""Image channels and labels in the papers."""

ROWS = [
    ("p1-lc", 32, "fp32"),
    ("p1-lc", 32, "bf16"),
    ("p3-neonatal", 1, "fp32"),
    ("p3-neonatal", 2, "fp32"),
    ("p3-neonatal", 2, "bf16"),
    ("p3-neonatal-age", 2, "bf16"),
]
"""Recipe, patches a step, precision; the papers have 32 and 2 patches."""


def main() -> int:
    """Measure one row, or all of them, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=2, help="steps a row; the first is not timed")
    parser.add_argument("--rows", type=int, nargs="*", help="numbers of the rows to measure, from 0; all by default")
    parser.add_argument("--out", type=Path, help="write the table there")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure(*ROWS[arguments.one], arguments.device, arguments.steps)))
        return 0
    lines = [
        "| recipe | patch | patches a step | precision | peak memory (GiB) | step (s) |",
        "|---|---|---:|---|---:|---:|",
    ]
    failed = False
    for number in arguments.rows or range(len(ROWS)):
        recipe, batch, precision = ROWS[number]
        command = [sys.executable, __file__, "--one", str(number)]
        command += ["--device", arguments.device, "--steps", str(arguments.steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        size = " x ".join(map(str, load_recipe(recipe).sampling.patch_size))
        if done.returncode:
            failed = True
            print(done.stderr.strip().splitlines()[-1:] or f"exit status {done.returncode}", file=sys.stderr)
            found = "failed | "
        else:
            figures = json.loads(done.stdout.splitlines()[-1])
            found = f"{figures['gib']:.1f} | {figures['seconds']:.2f}"
        lines.append(f"| `{recipe}` | {size} | {batch} | {precision} | {found} |")
        print(lines[-1], flush=True)
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    lines += [
        "",
        f"- command: python benchmarks/full_patch.py --device {arguments.device}",
        f"- hardware: {where}, {platform.system()} {platform.machine()}",
        f"- torch: {torch.__version__}",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
    ]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", "utf-8")
    return int(failed)


def measure(recipe_name: str, batch: int, precision: str, device: str, steps: int) -> dict[str, float]:
    """Peak memory in GiB and seconds of the fastest step."""
    recipe = load_recipe(recipe_name)
    channels, labels = ENDS[recipe_name]
    task = SegmentationTask(recipe.task, [f"label {number}" for number in range(labels)], AgeScale(40.0, 3.0))
    network = build_network(recipe.network, channels, len(task.outputs), seed=0).to(device).train()
    optimiser = optimiser_of(network, recipe.optimiser)
    size = recipe.sampling.patch_size
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((batch, channels, *size), generator=generator).to(device)
    target = torch.randint(0, labels + 1, (batch, *size), generator=generator).to(device)
    ages = {recipe.task.age_covariate: torch.full((batch,), 41.0, device=device)}
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            outputs = network.outputs(image)
        task.loss(outputs, target, covariates=ages).backward()
        optimiser.step()
        optimiser.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        # Linux gives KiB, macOS bytes.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"gib": peak / 2**30, "seconds": min(seconds[1:] or seconds)}


def optimiser_of(network: torch.nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """SGD or Adam, as the recipe has it, on all weights."""
    if config.name == "sgd":
        return torch.optim.SGD(
            network.parameters(), config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0
        )
    return torch.optim.Adam(network.parameters(), config.learning_rate)


if __name__ == "__main__":
    raise SystemExit(main())
