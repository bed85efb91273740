"""What a region saves: the whole image, an oracle's box and a predicted box, in time, windows and memory.

An image of 0.75 mm is brought to 0.375 mm by windowed sinc, as P1 does, and segmented by P1's
network in windows of 128 voxels at half overlap. The network's weights are made by hand, so that it
finds a bright ball in noise; they cost what trained ones cost. Every way runs in a process of its
own. Windows are counted for P1's own image size too, which is larger than the one measured here.

    python benchmarks/regions.py --shape 128 128 96
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

SPACING_MM, FINE_MM, LOCATOR_MM = 0.75, 0.375, 1.5
P1_SHAPE = (639, 639, 383)
"""Voxels of P1's images after upsampling."""
WINDOW = REGION = 128
LOCATOR_WINDOW = 64
FINE = [f"preparation.spacing_mm=[{FINE_MM}, {FINE_MM}, {FINE_MM}]", "preparation.interpolation=sinc"]
COARSE = [f"preparation.spacing_mm=[{LOCATOR_MM}, {LOCATOR_MM}, {LOCATOR_MM}]"]
WAYS = ("sinc alone", "whole", "oracle", "predicted", "predicted, locator at 1.5 mm")


def main() -> int:
    """Run every way, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[128, 128, 96], help="voxels at 0.75 mm")
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128], help="of the network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the result")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measured(options.way, tuple(options.shape), options.channels, options.threads)))
        return 0
    rows = {way: run_way(way, options) for way in WAYS}
    masks = {way: row["voxels"] for way, row in rows.items() if "voxels" in row}
    result = {
        "shape": options.shape,
        "channels": options.channels,
        "threads": options.threads,
        "ways": rows,
        "equal": len(set(masks.values())) == 1 and min(masks.values()) > 0,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("neurograft", "torch", "numpy")},
        "date": datetime.now(UTC).date().isoformat(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "regions.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    (options.out / "regions.md").write_text(as_markdown(result), "utf-8")
    print(as_markdown(result))
    return 0 if result["equal"] else 1


def run_way(way: str, options: argparse.Namespace) -> dict[str, Any]:
    """Start a process for one way and read what it found."""
    command = [sys.executable, __file__, "--way", way, "--threads", str(options.threads)]
    command += ["--shape", *map(str, options.shape), "--channels", *map(str, options.channels)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def measured(way: str, shape: tuple[int, int, int], channels: list[int], threads: int) -> dict[str, Any]:
    """Seconds, windows and peak memory of one way; runs in its own process."""
    import torch

    from neurograft.imaging.grid import Grid
    from neurograft.imaging.labels import LabelTable
    from neurograft.imaging.preparation import prepare_image
    from neurograft.imaging.volume import Volume
    from neurograft.inference.regions import Truth
    from neurograft.inference.segmenting import Segmenter

    torch.set_num_threads(threads)
    grid = Grid.from_affine(shape, np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0]))
    places = np.indices(shape, np.float32)
    ball = sum((axis - extent * 0.45) ** 2 for axis, extent in zip(places, shape, strict=True)) < 8**2
    del places
    noise = np.random.default_rng(0).random(shape, np.float32)
    image = Volume(np.where(ball, 2 + 0.1 * noise, 0.1 * noise).astype(np.float32), grid)
    if way == "sinc alone":
        recipe = bundle_of([*FINE], channels).info.recipe
        before = peak_mib()
        start, busy = time.perf_counter(), time.process_time()
        prepared = prepare_image([image], recipe.preparation)
        return {
            "seconds": time.perf_counter() - start,
            "processor_seconds": time.process_time() - busy,
            "peak_mib": peak_mib(),
            "before_mib": before,
            "voxels_upsampled": int(prod(prepared.grid.shape)),
        }
    region = way.partition(",")[0]
    window = [f"inference.window=[{WINDOW}, {WINDOW}, {WINDOW}]", f"inference.region={region}"]
    locator = None
    if "locator" in way:
        small = f"inference.window=[{LOCATOR_WINDOW}, {LOCATOR_WINDOW}, {LOCATOR_WINDOW}]"
        locator = Segmenter([bundle_of([*COARSE, small], channels)])
    segmenter = Segmenter([bundle_of([*FINE, *window], channels)], locator=locator)
    passes: list[int] = []

    def progress(done: int, total: int) -> None:
        if done == total:
            passes.append(total)

    truth = Truth(Volume(ball.astype(np.int32), grid), LabelTable.from_names({1: "ball"}))
    before = peak_mib()
    start, busy = time.perf_counter(), time.process_time()
    found = segmenter.segment([image], progress=progress, truth=truth if region == "oracle" else None)
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - busy,
        "windows": passes,
        "windows_p1": windows_for_p1(way),
        "region": found.region.words,
        "voxels": int((found.classes > 0).sum()),
        "peak_mib": peak_mib(),
        "before_mib": before,
    }


def windows_for_p1(way: str) -> list[int]:
    """Windows of each pass over an image of P1's size, for a structure that fits one region."""
    from neurograft.inference.sliding_window import window_starts

    def count(shape: tuple[int, ...], window: int, overlap: float) -> int:
        return prod(len(window_starts(max(size, window), window, overlap)) for size in shape)

    fine = count((REGION,) * 3, WINDOW, 0.5)
    if way == "whole":
        return [count(P1_SHAPE, WINDOW, 0.5)]
    if way == "oracle":
        return [fine]
    if way == "predicted":
        return [count(P1_SHAPE, WINDOW, 0.0), fine]
    coarse = tuple(-int(-size * FINE_MM // LOCATOR_MM) for size in P1_SHAPE)
    return [count(coarse, LOCATOR_WINDOW, 0.0), fine]


def bundle_of(overrides: list[str], channels: list[int]) -> Any:
    """A model that takes for its structure what is brighter than one, with P1's network."""
    import torch

    from neurograft.models import Bundle, BundleInfo
    from neurograft.networks import build_network
    from neurograft.recipes.loading import override_recipe

    fixed = [f"network.channels={channels}", "network.norm=batch", "network.activation=relu"]
    fixed += ["preparation.normalisation=none", "labels=null", "sampling.patch_size=[64, 64, 64]"]
    recipe = override_recipe({}, [*fixed, *overrides])
    network = build_network(recipe.network, 1, 2, seed=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        state = network.state_dict()
        for name, tensor in state.items():
            if "norm" in name and name.endswith("weight"):
                tensor.fill_(1)
        last = f"up{len(channels) - 1}"
        for name in ("down1.conv1", "down1.conv2", f"{last}.block.conv1", f"{last}.block.conv2"):
            state[f"{name}.weight"][0, 0, 1, 1, 1] = 1
        state["head.weight"][1, 0], state["head.bias"][1] = 100, -100
    info = BundleInfo(
        name="ball",
        units=[(unit.name, unit.role, unit.depth) for unit in network.units],
        channels=["image"],
        labels={"labels": [{"name": "ball", "values": [1]}]},
        recipe=recipe,
        spacing_mm=(FINE_MM, FINE_MM, FINE_MM),
        strategy="scratch",
        plan=[],
        training={},
        training_subjects=[],
        versions={},
    )
    return Bundle(Path("by-hand"), info, state)


def peak_mib() -> float:
    """Most memory that this process has held so far (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def as_markdown(result: dict[str, Any]) -> str:
    """The table, with what it was measured on."""
    rows = [
        "| way | seconds | processor seconds | peak MiB | windows | windows at P1's size |",
        "|---|---|---|---|---|---|",
    ]
    for way, row in result["ways"].items():
        here = " + ".join(map(str, row.get("windows", []))) or "-"
        there = " + ".join(map(str, row.get("windows_p1", []))) or "-"
        took = f"{row['seconds']:.1f} | {row['processor_seconds']:.1f}"
        rows.append(f"| {way} | {took} | {row['peak_mib']:.0f} | {here} | {there} |")
    shape = " x ".join(map(str, result["shape"]))
    equal = "All masks are equal." if result["equal"] else "The masks differ."
    facts = (
        f"{shape} voxels of 0.75 mm, channels {result['channels']}, {result['threads']} threads, "
        f"{result['machine']}, {result['date']}; "
        f"windows of 64 voxels in the pass of the locator, 128 elsewhere. {equal}"
    )
    return "\n".join([*rows, "", facts]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
