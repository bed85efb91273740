"""Overlap and surface figures of a pair of 14-label whole-brain maps: neurograft against MONAI.

Both sides measure the same pair, each in a process of its own, so that the peak memory of one is not
that of the other. MONAI computes Dice, Hausdorff distance, its 95th percentile, average symmetric
surface distance and surface Dice; neurograft computes these, five further overlap figures, the pooled
variants, and every surface figure a second time for surface elements. Only the calls themselves are
timed: reading the maps is not, nor is the one-hot form that MONAI's functions want. Where the two
define a figure alike, the numbers are compared, and a difference is a failure.

    python benchmarks/surfaces.py --data-root ../shared/data
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUES = (59, 60, 36, 37, 57, 58, 55, 56, 47, 48, 31, 32, 23, 30)
"""Right and left thalamus, caudate, putamen, pallidum, hippocampus, amygdala and accumbens."""

SPACING_MM = (1.0, 1.0, 1.0)
TOLERANCE_MM = 1.0
EQUAL_WITHIN = 1e-5
"""Relative; MONAI computes in single precision."""

COMPARED = {
    "dice": "dice",
    "hausdorff_voxel_mm": "hausdorff",
    "hd95_max_voxel_mm": "hausdorff, 95th percentile",
    "assd_pooled_voxel_mm": "average symmetric surface distance",
    "surface_dice_voxel": "surface dice",
    "surface_dice_element": "surface dice with areas",
}
"""Our figure, and the call of MONAI that defines it alike."""

EXTRA_CALL = "surface dice with areas"
"""Timed, but left out of the ratio: few who use MONAI ask for it."""

Figures = dict[str, list[float]]


def main() -> int:
    """Run both sides, compare, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"), help="folder of miccai2012-train")
    parser.add_argument("--subject", default="1000", help="whose map is the reference")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each side; the median counts")
    parser.add_argument("--threads", type=int, default=2, help="threads that each side may use")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the result")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--pair", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measured(SIDES[options.side], options.pair, options.repeat, options.threads)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder) / "pair.npz"
        reference = read_map(options.data_root, options.subject)
        np.savez(pair, reference=reference, prediction=disturbed(reference))
        sides = {side: run_side(side, pair, options.repeat, options.threads) for side in SIDES}
    result = compared(sides, options.subject, reference.shape, options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "surfaces.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    (options.out / "surfaces.md").write_text(as_markdown(result), "utf-8")
    print(as_markdown(result))
    return 0 if result["equal"] else 1


def read_map(data_root: Path, subject: str) -> NDArray[np.int16]:
    """The manual label map of one subject."""
    import nibabel as nib

    folder = data_root / "miccai2012-train" / "derivatives" / "manual" / f"sub-{subject}"
    files = sorted(folder.rglob("*dseg.nii.gz"))
    if not files:
        sys.exit(f"there is no label map under {folder}; give the folder of miccai2012-train by --data-root")
    return np.asarray(nib.load(files[0]).dataobj).astype(np.int16)  # type: ignore[attr-defined]


def disturbed(labels: NDArray[np.int16], share: float = 0.2, seed: int = 0) -> NDArray[np.int16]:
    """A map moved by one voxel along the first axis, in which a share of the border voxels change sides."""
    moved = np.roll(labels, 1, axis=0)
    neighbour = np.roll(moved, 1, axis=1)
    changed = (moved != neighbour) & (np.random.default_rng(seed).random(labels.shape) < share)
    return np.where(changed, neighbour, moved)


def run_ours(reference: NDArray[np.int16], prediction: NDArray[np.int16], threads: int) -> tuple[Any, Any]:
    """Our calls, and their figures by label."""
    from neurograft.evaluation.overlap.counts import count_labels
    from neurograft.evaluation.overlap.scores import overlap_scores
    from neurograft.evaluation.surfaces.figures import surface_figures

    def overlaps() -> Figures:
        counts = count_labels(reference, prediction, VALUES)
        scores = [overlap_scores(counts.overlap(value), float(np.prod(SPACING_MM))) for value in VALUES]
        return {"dice": [score.dice for score in scores]}

    def surfaces() -> Figures:
        measured = surface_figures(
            reference, prediction, VALUES, SPACING_MM, tolerance_mm=TOLERANCE_MM, workers=threads
        )
        rows = [{**measured["voxel"][value].to_row(), **measured["element"][value].to_row()} for value in VALUES]
        return {name: [row[name] for row in rows] for name in rows[0]}

    return {"overlap": overlaps, "surfaces, both definitions": surfaces}, lambda figures: figures


def run_monai(reference: NDArray[np.int16], prediction: NDArray[np.int16], threads: int) -> tuple[Any, Any]:
    """MONAI's calls, and their figures by label."""
    import torch
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)

    def one_hot(labels: NDArray[np.int16]) -> torch.Tensor:
        return torch.from_numpy(np.stack([labels == value for value in VALUES]))[None]

    pair = one_hot(prediction), one_hot(reference)
    common: dict[str, Any] = {"include_background": True, "spacing": SPACING_MM}
    tolerances = [TOLERANCE_MM] * len(VALUES)
    calls: dict[str, Callable[[], Any]] = {
        "dice": lambda: compute_dice(*pair),
        "hausdorff": lambda: compute_hausdorff_distance(*pair, **common),
        "hausdorff, 95th percentile": lambda: compute_hausdorff_distance(*pair, percentile=95, **common),
        "average symmetric surface distance": lambda: compute_average_surface_distance(*pair, symmetric=True, **common),
        "surface dice": lambda: compute_surface_dice(*pair, tolerances, **common),
        EXTRA_CALL: lambda: compute_surface_dice(*pair, tolerances, use_subvoxels=True, **common),
    }
    return calls, lambda figures: figures[0].tolist()


SIDES = {"neurograft": run_ours, "monai": run_monai}


def measured(side: Callable[..., Any], pair: Path, repeat: int, threads: int) -> dict[str, Any]:
    """Seconds of every call, peak memory and figures of one side; runs in its own process."""
    with np.load(pair) as maps:
        reference, prediction = maps["reference"], maps["prediction"]
    before_mib = peak_mib()
    calls, plain = side(reference, prediction, threads)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    busy_seconds: dict[str, list[float]] = {name: [] for name in calls}
    figures: dict[str, Any] = {}
    for _ in range(repeat):
        for name, call in calls.items():
            start, busy = time.perf_counter(), time.process_time()
            outcome = call()
            seconds[name].append(time.perf_counter() - start)
            busy_seconds[name].append(time.process_time() - busy)
            figures[name] = plain(outcome)
    return {
        "seconds": {name: float(np.median(runs)) for name, runs in seconds.items()},
        "processor_seconds": {name: float(np.median(runs)) for name, runs in busy_seconds.items()},
        "figures": figures,
        "before_mib": before_mib,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """Most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # the other count, on Linux, starts from what the parent process held
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def run_side(side: str, pair: Path, repeat: int, threads: int) -> dict[str, Any]:
    """Start a process for one side and read what it found."""
    command = [sys.executable, __file__, "--side", side, "--pair", str(pair), "--repeat", str(repeat)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def compared(sides: dict[str, Any], subject: str, shape: tuple[int, ...], threads: int) -> dict[str, Any]:
    """Ratio of the times, and the greatest difference of the figures that are defined alike."""
    ours, theirs = sides["neurograft"], sides["monai"]
    our_figures: Figures = {name: row for call in ours["figures"].values() for name, row in call.items()}
    differences = {}
    for name, call in COMPARED.items():
        expected = np.array(theirs["figures"][call])
        gap = np.abs(np.array(our_figures[name]) - expected)
        differences[name] = float((gap / np.maximum(np.abs(expected), 1)).max())
    totals = {
        kind: {
            side: sum(taken for call, taken in outcome[kind].items() if call != EXTRA_CALL)
            for side, outcome in sides.items()
        }
        for kind in ("seconds", "processor_seconds")
    }
    return {
        "pair": f"miccai2012-train sub-{subject} against itself moved by a voxel, a fifth of the borders changed",
        "shape": list(shape),
        "labels": len(VALUES),
        "seconds": {side: outcome["seconds"] for side, outcome in sides.items()},
        "processor_seconds": {side: outcome["processor_seconds"] for side, outcome in sides.items()},
        "total": totals,
        "ratio": totals["seconds"]["monai"] / totals["seconds"]["neurograft"],
        "processor_ratio": totals["processor_seconds"]["monai"] / totals["processor_seconds"]["neurograft"],
        "peak_mib": {side: outcome["peak_mib"] for side, outcome in sides.items()},
        "before_mib": {side: outcome["before_mib"] for side, outcome in sides.items()},
        "largest_difference": differences,
        "equal": max(differences.values()) <= EQUAL_WITHIN,
        "threads": threads,
        "processor": processor(),
        "versions": {name: version(name) for name in ("neurograft", "monai", "torch", "numpy", "scipy")},
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor() -> str:
    """Name of the processor, and how many of its cores may be used."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.processor() or platform.machine()}, {cores} cores"


def as_markdown(result: dict[str, Any]) -> str:
    """The result as a table with its circumstances."""
    rows = []
    for side, seconds in result["seconds"].items():
        busy = result["processor_seconds"][side]
        rows += [f"| {side} | {call} | {taken:.3f} | {busy[call]:.3f} |" for call, taken in seconds.items()]
        total, busy_total = (result["total"][kind][side] for kind in ("seconds", "processor_seconds"))
        rows.append(f"| {side} | **all counted** | **{total:.3f}** | **{busy_total:.3f}** |")
    memory = [
        f"| {side} | {result['before_mib'][side]:.0f} | {result['peak_mib'][side]:.0f} |" for side in result["peak_mib"]
    ]
    gaps = [f"| {name} | {COMPARED[name]} | {gap:.1e} |" for name, gap in result["largest_difference"].items()]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return "\n".join(
        (
            "# Overlap and surface figures, neurograft against MONAI\n",
            f"Pair: {result['pair']}; {'x'.join(map(str, result['shape']))} voxels, {result['labels']} labels.",
            f"neurograft is **{result['ratio']:.0f} times** as fast, {result['processor_ratio']:.0f} times by"
            f" processor seconds. `{EXTRA_CALL}` is not counted for MONAI.\n",
            "| | call | seconds | processor seconds |\n|---|---|---:|---:|",
            *rows,
            "\n| | MiB before measuring | peak MiB |\n|---|---:|---:|",
            *memory,
            f"\nFigures defined alike are {'equal' if result['equal'] else '**not equal**'}:\n",
            "| neurograft | MONAI | largest difference |\n|---|---|---:|",
            *gaps,
            f"\n{result['threads']} threads on {result['processor']}; Python {result['python']}, {versions};"
            f" {result['date']}.\n",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
