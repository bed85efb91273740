"""A whole-brain prediction by a U-Net of nnU-Net's size: nnU-Net's, MONAI's and our own, with the same weights.

The network is nnU-Net's plain U-Net (32 to 320 channels). It is trained for some steps on the scan that is
segmented, to tell four sub-cortical structures, or without the real scans three ranges of intensity in the
MNI152 template, so that its masks are those of a network that knows something. All three see the same prepared
array, window, overlap and Gaussian weights, and none mirrors. Each runs in a process of its own; ours runs twice,
because its first run exports the network and compares engines.

With ``--device cuda`` all three run on the GPU. Each process then segments the scan twice and tells of the second time,
so that the card's start is in nobody's seconds, and memory is what PyTorch took on the card.

    make nnunet-env
    python benchmarks/prediction.py --peer-python .venv-nnunet/bin/python --data-root ../shared/data
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance

RANGES = 3
LEARNING_RATE = 1e-3
PATCH = 96
"""Of training: three voxels at the bottom of the network. With two, bf16 loses gradients in PyTorch 2.13."""
STRUCTURES = {"thalamus": (59, 60), "caudate": (36, 37), "putamen": (57, 58), "hippocampus": (47, 48)}
"""Values in the label maps of miccai2012-train; both sides are one label, which few steps can learn."""


def main() -> int:
    """Prepare, run every way, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the interpreter of nnU-Net's and MONAI's environment")
    parser.add_argument("--data-root", type=Path, help="folder of miccai2012-train; else nilearn's MNI152 template")
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64, 128, 256, 320, 320])
    parser.add_argument("--window", type=int, nargs=3, default=[128, 128, 128])
    parser.add_argument("--steps", type=int, default=400, help="of training the weights; some seconds each")
    parser.add_argument("--weights", type=Path, help="where the weights are kept for the next run, or lie already")
    parser.add_argument("--crop", type=int, nargs=3, help="only the middle of the scan, for a quick look")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--part", choices=["weights", "ours", "limit"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--all", action="store_true", help="neurograft in single precision too, by both engines")
    parser.add_argument("--engine", nargs=2, default=["auto", "auto"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "weights":
        print(json.dumps({"steps": make_weights(options)}))
        return 0
    if options.part == "ours":
        print(json.dumps(run_ours(options)))
        return 0
    if options.part == "limit":
        print(json.dumps(find_limit(options)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = [sys.executable, __file__, *sys.argv[1:], "--folder", name, "--threads", str(options.threads)]
        options.steps = start([*own, "--part", "weights"], folder, options.threads)["steps"]
        rows: dict[str, dict[str, Any]] = {}
        refused: dict[str, str] = {}
        if options.peer_python:
            for peer, script, more in (("nnU-Net", "nnunet", ["plain"]), ("MONAI", "monai", [])):
                path = Path(__file__).parent / "peers" / f"{script}_prediction.py"
                command = [str(options.peer_python), str(path), name, json.dumps(options.window), str(options.threads)]
                rows[peer] = start([*command, options.device, *more], folder, options.threads)
                rows[peer]["mask"] = np.load(folder / f"{script}.npy")
        ways = [("neurograft, first run", ("auto", "auto")), ("neurograft", ("auto", "auto"))]
        if options.device == "cpu":
            ways += [("neurograft, int8, first run", ("auto", "int8")), ("neurograft, int8", ("auto", "int8"))]
        if options.all:
            ways += [("neurograft, fp32", ("auto", "fp32")), ("neurograft, PyTorch", ("torch", "fp32"))]
        for way, engine in ways:
            command = [*own, "--part", "ours", "--engine", *engine]
            found = start(command, folder, options.threads)
            if "refused" in found:
                refused[way] = found["refused"]
                continue
            rows[way] = {**found, "mask": np.load(folder / "ours.npy")}
        truth = np.load(folder / "target.npy")
        limit = start([*own, "--part", "limit"], folder, options.threads)
    text = as_markdown(rows, refused, truth, limit, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"prediction{'_gpu' * (options.device == 'cuda')}.md").write_text(text, "utf-8")
    print(text)
    return 0


def start(command: list[str], folder: Path, threads: int) -> dict[str, Any]:
    """Run a part in its own process, and read the JSON of its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NEUROGRAFT_CACHE": str(folder / "cache")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {}


def make_weights(options: argparse.Namespace) -> int:
    """Prepare the scan, and train the network a little unless it was before; writes image.npy and weights.pt.

    Returns:
        The steps that it was trained for.
    """
    import torch
    from nilearn.datasets import load_mni152_template
    from nnunet_network import PlainUNet

    from neurograft.cohorts import open_cohort
    from neurograft.imaging.cropping import crop, middle_box, nonzero_box
    from neurograft.imaging.files import read_image, read_label_map
    from neurograft.imaging.normalisation import zscore

    torch.set_num_threads(options.threads)
    if options.data_root:
        person = open_cohort(options.data_root / "miccai2012-train").cases[0]
        data = read_image(next(iter(person.images.values()))).data
        assert person.label is not None
        values = read_label_map(person.label).data
        target = np.zeros(values.shape, np.int16)
        for number, sides in enumerate(STRUCTURES.values(), start=1):
            target[np.isin(values, sides)] = number
    else:
        data = np.asarray(load_mni152_template(resolution=1).dataobj, np.float32)
        inside = data > 0
        target = np.where(inside, 1 + np.digitize(data, np.quantile(data[inside], [0.33, 0.67])), 0).astype(np.int16)
    box = nonzero_box(data)
    data, target = crop(data, box), crop(target, box)
    if options.crop:
        middle = middle_box(data.shape, tuple(options.crop))
        data, target = crop(data, middle), crop(target, middle)
    image = zscore(data[None].astype(np.float32), "nonzero")[0]
    np.save(options.folder / "image.npy", image)
    np.save(options.folder / "target.npy", target)
    classes = 1 + (len(STRUCTURES) if options.data_root else RANGES)
    if options.weights and options.weights.is_file():
        shutil.copy(options.weights, options.folder / "weights.pt")
        return int(torch.load(options.weights, weights_only=True, mmap=True)["steps"])
    shown = np.argwhere(target > 0)
    torch.manual_seed(0)
    network = PlainUNet(1, classes, tuple(options.channels)).to(options.device)
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    generator = np.random.default_rng(0)
    for step in range(options.steps):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / options.steps) ** 0.9
        corner = [int(generator.integers(0, max(1, extent - PATCH + 1))) for extent in image.shape]
        if step % 3:
            # Two patches of three lie about a voxel of a structure.
            place = shown[generator.integers(len(shown))] - generator.integers(0, PATCH, 3)
            pairs = zip(place, image.shape, strict=True)
            corner = [int(np.clip(first, 0, max(0, extent - PATCH))) for first, extent in pairs]
        box = tuple(slice(first, first + PATCH) for first in corner)
        patch = torch.from_numpy(image[box])[None, None].to(options.device)
        with torch.autocast(options.device, torch.bfloat16):
            logits = network(torch.nn.functional.pad(patch, pad_to(patch.shape[2:])))
        logits = logits[..., : patch.shape[2], : patch.shape[3], : patch.shape[4]]
        wanted = torch.from_numpy(target[box])[None].long().to(options.device)
        shares = logits.float().softmax(1)
        hot = torch.nn.functional.one_hot(wanted, classes).movedim(-1, 1)
        overlap = (shares * hot).sum((0, 2, 3, 4))[1:]
        dice = 2 * overlap / ((shares + hot).sum((0, 2, 3, 4))[1:] + 1)
        present = hot.sum((0, 2, 3, 4))[1:] > 0
        loss = torch.nn.functional.cross_entropy(logits.float(), wanted) - (dice * present).sum() / present.sum().clamp(
            1
        )
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if step % 20 == 19:
            sys.stderr.write(f"weights: step {step + 1} of {options.steps}, loss {float(loss):.3f}\n")
    saved = {"state": network.cpu().state_dict(), "channels": list(options.channels), "classes": classes}
    torch.save({**saved, "steps": options.steps}, options.folder / "weights.pt")
    if options.weights:
        shutil.copy(options.folder / "weights.pt", options.weights)
    return int(options.steps)


def pad_to(shape: tuple[int, ...]) -> list[int]:
    """Widths that bring a patch at the scan's border to its full size."""
    return [width for extent in reversed(shape) for width in (0, PATCH - extent)]


def run_ours(options: argparse.Namespace) -> dict[str, Any]:
    """Segment the prepared image with neurograft, engine and all."""
    import torch
    from bf16_limit import device_peak_mib, device_seconds
    from nnunet_network import PlainUNet

    from neurograft.errors import InputError
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
    classes = torch.load(options.folder / "weights.pt", weights_only=True, mmap=True)["classes"]
    folder = options.folder / "model"
    if not folder.is_dir():
        saved = torch.load(options.folder / "weights.pt", weights_only=True)
        network = PlainUNet(1, classes, tuple(options.channels))
        network.load_state_dict(saved["state"])
        labels = [{"name": f"label {number}", "values": [number]} for number in range(1, classes)]
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

    def predict() -> None:
        nonlocal segmenter, mask
        segmenter = Segmenter([open_bundle(folder)], options.device, engines=EngineRequest(*options.engine))
        mask = segmenter.segment([volume]).classes

    segmenter, mask = None, None
    try:
        for _ in range(2 if options.device == "cuda" else 1):
            seconds = device_seconds(predict, options.device)
    except InputError as error:
        return {"refused": error.problem}
    np.save(options.folder / "ours.npy", mask)
    engine = describe(segmenter.runners.chosen[0].engine)
    peak = device_peak_mib() if options.device == "cuda" else peak_memory_mib()
    return {"seconds": seconds, "peak_mib": peak, "engine": engine}


def find_limit(options: argparse.Namespace) -> dict[str, Any]:
    """The network's operations on a window, and those that the device can do in a second."""
    import torch
    from bf16_limit import bf16_limit, device_name, forward_operations
    from nnunet_network import PlainUNet

    torch.set_num_threads(options.threads)
    classes = torch.load(options.folder / "weights.pt", weights_only=True, mmap=True)["classes"]
    shape = (1, 1, *options.window)
    return {
        "device": device_name(options.device),
        "window": forward_operations(lambda: PlainUNet(1, classes, tuple(options.channels)), shape),
        "second": bf16_limit(options.device),
    }


def as_markdown(
    rows: dict[str, dict[str, Any]],
    refused: dict[str, str],
    truth: np.ndarray,
    limit: dict[str, Any],
    options: argparse.Namespace,
) -> str:
    """The table, with every mask against nnU-Net's, or without it against our first, and against the truth."""
    base = next(iter(rows))
    reference = rows[base]["mask"]
    lines = [
        f"| way | engine | seconds | times {base}'s speed | peak memory, MiB | its share | equal labels "
        f"| Dice with {base} | Dice with the truth |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for way, row in rows.items():
        lines.append(
            f"| {way} | {row['engine']} | {row['seconds']:.1f} | {rows[base]['seconds'] / row['seconds']:.2f} "
            f"| {row['peak_mib']:.0f} | {row['peak_mib'] / rows[base]['peak_mib']:.2f} "
            f"| {(row['mask'] == reference).mean():.4%} | {mean_dice(row['mask'], reference):.4f} "
            f"| {mean_dice(row['mask'], truth):.4f} |"
        )
    extents = zip(truth.shape, options.window, strict=True)
    windows = math.prod(1 + math.ceil(max(0, length - window) / (window / 2)) for length, window in extents)
    best = windows * limit["window"] / limit["second"]
    lines += ["", *(f"{way}: refused, {why}.\n" for way, why in refused.items())]
    lines += [
        f"Dice is the mean over {truth.max()} labels. {'Real scan' if options.data_root else 'MNI152 template'} of "
        f"{' x '.join(map(str, truth.shape))} voxels, windows of {' x '.join(map(str, options.window))} at half "
        f"overlap, {options.channels[0]} to {options.channels[-1]} channels, {options.steps} steps of training on the "
        "scan itself. First runs export the network and compare engines.",
        "",
        f"The network's arithmetic on the scan's {windows} windows is {windows * limit['window'] / 1e12:.3g} TFLOP. At "
        f"the rate of a product of large bf16 matrices, {limit['second'] / 1e12:.3g} TFLOP/s here, it would take "
        f"{best:.2g} s: {base} reaches {best / rows[base]['seconds']:.0%} of that, neurograft "
        f"{best / rows['neurograft']['seconds']:.0%}.",
        "",
        limit["device"] + provenance(options.threads, ("neurograft", "torch", "openvino", "numpy")),
        "",
    ]
    return "\n".join(lines)


def mean_dice(one: np.ndarray, other: np.ndarray) -> float:
    """Over the labels that either shows."""
    found = []
    for number in range(1, int(max(one.max(), other.max())) + 1):
        voxels = int((one == number).sum() + (other == number).sum())
        if voxels:
            found.append(2 * int(((one == number) & (other == number)).sum()) / voxels)
    return float(np.mean(found)) if found else 1.0


if __name__ == "__main__":
    raise SystemExit(main())
