"""How time and memory of a prediction grow: with the volume, with the number of labels, with the number of scans.

A network of the default recipe that has learnt nothing, on made volumes, windows of 64 x 64 x 64 at half overlap,
by OpenVINO in the faster precision. Each point is a process of its own. Its seconds begin when the engine is
chosen and warm; its memory is the largest resident set of the process. Scans are predicted from files to files.

    python benchmarks/growth.py
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peer_process import run_part
from provenance import provenance

POINTS = {
    "volume": (64, 128, 192, 256, 320),
    "labels": (2, 10, 35, 70, 140),
    "scans": (1, 10, 100, 500),
}
WORDS = {"volume": "side of the volume, voxels", "labels": "labels (volume of 128 voxels a side)", "scans": "scans"}
SCAN_SIDE = 48
WINDOW = 64


def main() -> int:
    """Measure every point, print, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=500, help="leave out points beyond it, for a quick look")
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options, options.part[0], int(options.part[1]))))
        return 0
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for what, sizes in POINTS.items():
            for size in sizes:
                if size > options.most:
                    continue
                own = [sys.executable, __file__, *sys.argv[1:], "--folder", name, "--part", what, str(size)]
                point = run_part([*own, "--threads", str(options.threads)], Path(name) / "cache", options.threads)
                found.setdefault(what, []).append({"size": size, **point})
    options.out.mkdir(parents=True, exist_ok=True)
    text = as_markdown(found, options)
    (options.out / "growth.md").write_text(text, "utf-8")
    draw(found, options.out / "growth.svg")
    print(text)
    return 0


def measure(options: argparse.Namespace, what: str, size: int) -> dict[str, Any]:
    """Seconds and peak memory of one point."""
    import torch

    from neurograft.cohorts import open_scans
    from neurograft.hardware import peak_memory_mib
    from neurograft.imaging.files import write_image
    from neurograft.imaging.grid import Grid
    from neurograft.imaging.volume import Volume
    from neurograft.inference.engines import EngineRequest
    from neurograft.inference.engines.interface import describe
    from neurograft.inference.run import PredictionRequest, predict_cohort
    from neurograft.inference.segmenting import Segmenter

    torch.set_num_threads(options.threads)
    labels = size if what == "labels" else 2
    side = {"volume": size, "labels": 128, "scans": SCAN_SIDE}[what]
    bundle = random_model(options, labels, options.folder / f"model-{labels}")
    request = EngineRequest("openvino", "auto")
    generator = np.random.default_rng(0)

    def volume(extent: int) -> Volume:
        data = generator.random((extent,) * 3, dtype=np.float32)
        return Volume(data, Grid.from_affine(data.shape, np.eye(4)))

    segmenter = Segmenter([bundle], engines=request)
    if what != "scans":
        segmenter.segment([volume(WINDOW)])
        image = volume(side)
        start = time.perf_counter()
        segmenter.segment([image])
        seconds = time.perf_counter() - start
        engine = describe(segmenter.runners.chosen[0].engine)
    else:
        segmenter.segment([volume(WINDOW)])
        engine = describe(segmenter.runners.chosen[0].engine)
        scans = options.folder / f"scans-{size}"
        scans.mkdir()
        for number in range(size):
            made = volume(SCAN_SIDE)
            write_image(scans / f"scan{number:03d}.nii.gz", made.data, made.grid)
        start = time.perf_counter()
        predict_cohort(PredictionRequest([bundle], open_scans(scans, ["image"]), options.folder / f"out-{size}",
                                         engines=request))  # fmt: skip
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": peak_memory_mib(), "engine": engine}


def random_model(options: argparse.Namespace, labels: int, folder: Path) -> Any:
    """A model whose time and memory are those of one that has learnt something."""
    import torch

    from neurograft.models import BundleInfo, open_bundle, save_bundle
    from neurograft.networks import build_network
    from neurograft.recipes.loading import override_recipe

    if folder.is_dir():
        return open_bundle(folder)
    overrides = [f"network.channels={options.channels}", f"sampling.patch_size={[WINDOW] * 3}", "labels=null"]
    recipe = override_recipe({}, overrides)
    network = build_network(recipe.network, 1, labels + 1, seed=0)
    with torch.no_grad():
        # Label 1 everywhere: engines must agree on classes, and random outputs are too near to each other.
        network.head.weight.zero_()
        network.head.bias.copy_(torch.arange(labels + 1) == 1)
    table = [{"name": f"label {number}", "values": [number]} for number in range(1, labels + 1)]
    info = BundleInfo(
        name="random",
        units=[(unit.name, unit.role, unit.depth) for unit in network.units],
        channels=["image"],
        labels={"labels": table, "ignore_value": None, "other_values": []},
        recipe=recipe,
        spacing_mm=(1.0, 1.0, 1.0),
        strategy="scratch",
        plan=[
            {"unit": unit.name, "learning_rate_scale": 1.0, "reset": False, "norm": "train", "release": 0.0}
            for unit in network.units
        ],
        training=dict.fromkeys(("seed", "training_subjects", "validation_subjects", "steps"), 0)
        | {"seconds": 0.0, "kept": "last", "compute": "benchmark", "date": "2026-01-01"},
        training_subjects=[],
        versions={"neurograft": "0"},
    )
    save_bundle(folder, info, network)
    return open_bundle(folder)


def as_markdown(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> str:
    """A table for each thing that grows."""
    lines = []
    for what, points in found.items():
        lines += [f"| {WORDS[what]} | seconds | seconds each | peak memory, MiB |", "|---:|---:|---:|---:|"]
        for point in points:
            each = f"{point['seconds'] / point['size']:.2f}" if what == "scans" else ""
            lines.append(f"| {point['size']} | {point['seconds']:.1f} | {each} | {point['mib']:.0f} |")
        lines.append("")
    engines = ", ".join(sorted({point["engine"] for points in found.values() for point in points}))
    lines += [
        f"A network that has learnt nothing, {options.channels[0]} to {options.channels[-1]} channels, two labels "
        f"unless told otherwise, {engines}; scans of {SCAN_SIDE} voxels a side, from files to files.",
        "",
        "![Growth of time and memory](growth.svg)",
        "",
        provenance(options.threads, ("neurograft", "torch", "openvino", "numpy")),
        "",
    ]
    return "\n".join(lines)


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Time above, memory below, over what grows."""
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(2, len(found), figsize=(3.6 * len(found), 5), squeeze=False)
    for column, (what, points) in enumerate(found.items()):
        sizes = [point["size"] for point in points]
        for row, (key, words) in enumerate((("seconds", "seconds"), ("mib", "peak memory, MiB"))):
            axes = rows[row][column]
            axes.plot(sizes, [point[key] for point in points], marker="o")
            axes.set(ylabel=words, xlabel=WORDS[what] if row else "", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    raise SystemExit(main())
