"""What a training step saves where parts of the network are frozen: forward and backward, and what is kept between.

The default network on patches of 64 x 64 x 64, batch 2, in single precision. Frozen units are not differentiated:
autograd begins at the first unit that learns, keeps nothing of those before it, and does not go back to them. Time
is that of the processor, which other work on the machine hardly lengthens.

    python benchmarks/frozen_units.py
"""

import argparse
import os
import time
from pathlib import Path

import torch
from provenance import provenance
from torch import Tensor

from neurograft.networks import build_network
from neurograft.recipes.schema import NetworkConfig
from neurograft.transfer import plan_transfer, set_learning

STRATEGIES = ("full", "freeze(bottleneck)", "freeze(up2)", "freeze(head)", "first_layers(2)")


def main() -> None:
    """Measure every strategy, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3, help="a strategy, after one that warms up; the fastest counts")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = build_network(NetworkConfig(), 1, 3, seed=0)
    image = torch.randn((2, 1, *[options.side] * 3), generator=torch.Generator().manual_seed(0))
    lines = [
        "| strategy | processor seconds | share | kept for the way back, MiB | share |",
        "|---|---:|---:|---:|---:|",
    ]
    whole: tuple[float, float] | None = None
    for strategy in STRATEGIES:
        set_learning(network, plan_transfer(strategy, network.units), progress=1.0)
        seconds, mib = step(network, image, options.steps)
        whole = whole or (seconds, mib)
        shares = f"{seconds / whole[0]:.2f} | {mib:.0f} | {mib / whole[1]:.2f}"
        lines.append(f"| `{strategy}` | {seconds:.2f} | {shares} |")
    lines += ["", provenance(options.threads, ("neurograft", "torch")), ""]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "frozen_units.md").write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))


def step(network: torch.nn.Module, image: Tensor, steps: int) -> tuple[float, float]:
    """Processor seconds of the fastest step, and MiB that autograd keeps between its two ways."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(image).square().mean()
    times = []
    for _ in range(steps + 1):
        start = time.process_time()
        network(image).square().mean().backward()
        network.zero_grad()
        times.append(time.process_time() - start)
    return min(times[1:]), sum(kept.values()) / 2**20


if __name__ == "__main__":
    main()
