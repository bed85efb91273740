"""A whole-brain prediction by a U-Net of nnU-Net's size: nnU-Net's predictor and ours, with the same weights.

The network is nnU-Net's plain U-Net (32 to 320 channels). It is trained for a few steps to tell three
ranges of intensity in the scan, so that its masks are those of a network that knows something. Both
predictors see the same prepared array, window, overlap and Gaussian weights, and neither mirrors. Each runs
in a process of its own; ours runs twice, because its first run exports the network and compares engines.

    python -m venv nnunet && nnunet/bin/pip install nnunetv2
    python benchmarks/prediction.py --peer-python nnunet/bin/python [--image SCAN.nii.gz]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 4
LEARNING_RATE = 1e-3
PATCH = 64


def main() -> int:
    """Prepare, run every way, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the interpreter of nnU-Net's environment")
    parser.add_argument("--image", type=Path, help="a skull-stripped scan; nilearn's MNI152 template by default")
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64, 128, 256, 320, 320])
    parser.add_argument("--window", type=int, nargs=3, default=[128, 128, 128])
    parser.add_argument("--steps", type=int, default=60, help="of training the weights")
    parser.add_argument("--crop", type=int, nargs=3, help="only the middle of the scan, for a quick look")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--part", choices=["weights", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engine", nargs=2, default=["auto", "auto"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "weights":
        make_weights(options)
        return 0
    if options.part == "ours":
        print(json.dumps(run_ours(options)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = [sys.executable, __file__, *sys.argv[1:], "--folder", name, "--threads", str(options.threads)]
        start([*own, "--part", "weights"], folder, options.threads)
        rows: dict[str, dict[str, Any]] = {}
        if options.peer_python:
            peer = [str(options.peer_python), str(Path(__file__).parent / "peers" / "nnunet_prediction.py"), name]
            peer += [json.dumps(options.window), str(options.threads), "plain"]
            rows["nnU-Net"] = start(peer, folder, options.threads)
            rows["nnU-Net"]["mask"] = np.load(folder / "nnunet.npy")
        for way, engine in (
            ("ours, first run", ("auto", "auto")),
            ("ours", ("auto", "auto")),
            ("ours, fp32", ("auto", "fp32")),
            ("ours, PyTorch fp32", ("torch", "fp32")),
        ):
            rows[way] = start([*own, "--part", "ours", "--engine", *engine], folder, options.threads)
            rows[way]["mask"] = np.load(folder / "ours.npy")
        shape = np.load(folder / "image.npy", mmap_mode="r").shape
    text = as_markdown(rows, shape, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "prediction.md").write_text(text, "utf-8")
    print(text)
    return 0


def start(command: list[str], folder: Path, threads: int) -> dict[str, Any]:
    """Run a part in its own process, and read the JSON of its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NEUROGRAFT_CACHE": str(folder / "cache")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {}


def make_weights(options: argparse.Namespace) -> None:
    """Prepare the scan, and train the network a little; writes image.npy and weights.pt."""
    import torch
    from nilearn.datasets import load_mni152_template
    from nnunet_network import PlainUNet

    from neurograft.imaging.cropping import crop, middle_box, nonzero_box
    from neurograft.imaging.files import read_image
    from neurograft.imaging.normalisation import zscore

    torch.set_num_threads(options.threads)
    if options.image:
        data = read_image(options.image).data
    else:
        data = np.asarray(load_mni152_template(resolution=1).dataobj, np.float32)
    data = crop(data, nonzero_box(data))
    if options.crop:
        data = crop(data, middle_box(data.shape, tuple(options.crop)))
    image = zscore(data[None].astype(np.float32), "nonzero")[0]
    np.save(options.folder / "image.npy", image)
    inside = data > 0
    target = np.where(inside, 1 + np.digitize(data, np.quantile(data[inside], [0.33, 0.67])), 0)
    torch.manual_seed(0)
    network = PlainUNet(1, CLASSES, tuple(options.channels))
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    generator = np.random.default_rng(0)
    for _ in range(options.steps):
        corner = [int(generator.integers(0, max(1, extent - PATCH))) for extent in image.shape]
        box = tuple(slice(first, first + PATCH) for first in corner)
        patch = torch.from_numpy(image[box])[None, None]
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.nn.functional.pad(patch, pad_to(patch.shape[2:])))
        logits = logits[..., : patch.shape[2], : patch.shape[3], : patch.shape[4]]
        loss = torch.nn.functional.cross_entropy(logits.float(), torch.from_numpy(target[box])[None].long())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    saved = {"state": network.state_dict(), "channels": list(options.channels), "classes": CLASSES}
    torch.save(saved, options.folder / "weights.pt")


def pad_to(shape: tuple[int, ...]) -> list[int]:
    """Widths that bring a patch at the scan's border to its full size."""
    return [width for extent in reversed(shape) for width in (0, PATCH - extent)]


def run_ours(options: argparse.Namespace) -> dict[str, Any]:
    """Segment the prepared image with neurograft, engine and all."""
    import time

    import torch
    from nnunet_network import PlainUNet

    from neurograft.hardware import peak_memory_mib
    from neurograft.imaging.grid import Grid
    from neurograft.imaging.volume import Volume
    from neurograft.inference.engines import EngineRequest
    from neurograft.inference.engines.interface import describe
    from neurograft.inference.segmenting import Segmenter
    from neurograft.models import BundleInfo, open_bundle, save_bundle
    from neurograft.networks import NETWORKS
    from neurograft.recipes.loading import override_recipe

    torch.set_num_threads(options.threads)
    NETWORKS["plain_unet"] = lambda config, inputs, outputs: PlainUNet(inputs, outputs, config.channels)
    overrides = ["network.name=plain_unet", f"network.channels={options.channels}", "preparation.normalisation=none"]
    overrides += [f"inference.window={options.window}", "inference.overlap=0.5", "labels=null"]
    folder = options.folder / "model"
    if not folder.is_dir():
        saved = torch.load(options.folder / "weights.pt", weights_only=True)
        network = PlainUNet(1, CLASSES, tuple(options.channels))
        network.load_state_dict(saved["state"])
        labels = [{"name": f"range {number}", "values": [number]} for number in range(1, CLASSES)]
        info = BundleInfo(
            name="nnunet-size",
            units=[(unit.name, unit.role, unit.depth) for unit in network.units],
            channels=["image"],
            labels={"labels": labels, "ignore_value": None, "other_values": []},
            recipe=override_recipe({}, overrides),
            spacing_mm=(1.0, 1.0, 1.0),
            strategy="scratch",
            plan=[
                {"unit": unit.name, "learning_rate_scale": 1.0, "reset": False, "norm": "train", "release": 0.0}
                for unit in network.units
            ],
            training=dict.fromkeys(("seed", "training_subjects", "validation_subjects"), 0)
            | {"steps": options.steps, "seconds": 0.0, "kept": "last", "compute": "benchmark", "date": "2026-01-01"},
            training_subjects=[],
            versions={"neurograft": version("neurograft")},
        )
        save_bundle(folder, info, network)
        del network, saved
    image = np.load(options.folder / "image.npy")
    volume = Volume(image, Grid.from_affine(image.shape, np.eye(4)))
    began = time.perf_counter()
    segmenter = Segmenter([open_bundle(folder)], engines=EngineRequest(*options.engine))
    mask = segmenter.segment([volume]).classes
    seconds = time.perf_counter() - began
    np.save(options.folder / "ours.npy", mask)
    engine = describe(segmenter.runners.chosen[0].engine)
    return {"seconds": seconds, "peak_mib": peak_memory_mib(), "engine": engine}


def as_markdown(rows: dict[str, dict[str, Any]], shape: tuple[int, ...], options: argparse.Namespace) -> str:
    """The table, with every mask against nnU-Net's, or without it against PyTorch's."""
    base = "nnU-Net" if "nnU-Net" in rows else "ours, PyTorch fp32"
    reference = rows[base]["mask"]
    lines = [
        f"| way | engine | seconds | times {base}'s speed | peak memory, MiB | its share | equal labels | mean Dice |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for way, row in rows.items():
        mask = row["mask"]
        dice = np.mean(
            [
                2 * ((mask == k) & (reference == k)).sum() / max(1, (mask == k).sum() + (reference == k).sum())
                for k in range(1, CLASSES)
            ]
        )
        lines.append(
            f"| {way} | {row['engine']} | {row['seconds']:.1f} | {rows[base]['seconds'] / row['seconds']:.2f} "
            f"| {row['peak_mib']:.0f} | {row['peak_mib'] / rows[base]['peak_mib']:.2f} "
            f"| {(mask == reference).mean():.4%} | {dice:.4f} |"
        )
    versions = ", ".join(f"{name} {version(name)}" for name in ("neurograft", "torch", "openvino", "numpy"))
    command = " ".join(["python benchmarks/prediction.py", *(word for word in sys.argv[1:])])
    lines += [
        "",
        f"Dice is between the masks of both. Image of {' x '.join(map(str, shape))} voxels, windows of "
        f"{' x '.join(map(str, options.window))} at half overlap, {options.threads} threads. "
        f"{platform.machine()}, {os.cpu_count()} cores; {versions}; {datetime.now(UTC).date().isoformat()}; "
        f"`{command}`.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
