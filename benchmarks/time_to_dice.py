"""Time to a mean Dice of 0.80 with five labelled people: neurograft and nnU-Net's trainer, as curves over seconds.

Both learn the anterior and posterior hippocampus of five people of msd-hippocampus and are tested on others, at
times that are fixed beforehand; the clock stands still meanwhile. neurograft trains its recipe ``hippocampus``
from scratch, and adapts a source (``full``) that learnt from other people, whose training is not counted; it does
so too with nnU-Net's network. nnU-Net's trainer runs as it is shipped (32 to 256 channels, patches of 40 x 56 x 40,
batch 2, its augmentation and loss), its learning rate falling to zero at the end of its seconds, as ours does.
Learning rates know how long the training lasts, so a point before the end is not the best that its seconds allow.

    make nnunet-env
    python benchmarks/time_to_dice.py --peer-python .venv-nnunet/bin/python --data-root ../shared/data
"""

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from peer_process import run_part
from provenance import provenance

LABELS = ["Anterior", "Posterior"]
CHANNELS = [32, 64, 128, 256]
GOAL = 0.80
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.65, 1.0)
"""Of the seconds of a training, when it is tested."""
WAYS = {
    "scratch": "neurograft, from scratch",
    "adapted": "neurograft, adapted",
    "same": "neurograft, from scratch, nnU-Net's network",
}


def main() -> int:
    """Train every way, print, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the interpreter of nnU-Net's environment")
    parser.add_argument("--data-root", type=Path, required=True, help="folder of msd-hippocampus")
    parser.add_argument("--seconds", type=float, default=100.0, help="of each training")
    parser.add_argument("--test-people", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--part", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        from learning_clock import learn

        print(json.dumps(learn(options)))
        return 0
    from prepared_cases import PATCH, five_people, prepared, write_arrays

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people, test, _ = five_people(options.data_root, options.test_people)
        settings: dict[str, Any] = {"patch": PATCH, "batch": 2, "channels": CHANNELS, "labels": LABELS}
        settings |= {"train": write_arrays(prepared(people), folder), "test": write_arrays(prepared(test), folder)}
        settings |= {"times": [options.seconds * share for share in SHARES]}
        (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        curves: dict[str, list[tuple[float, float, int]]] = {}
        peers = []
        if options.peer_python:
            script = Path(__file__).parent / "peers" / "nnunet_time_to_dice.py"
            command = [str(options.peer_python), str(script), name, str(options.threads)]
            found = run_part(command, folder / "cache", options.threads)
            peers = [found["version"]]
            curves["nnU-Net's trainer"] = found["curve"]
        for part, words in WAYS.items():
            own = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--folder", name]
            found = run_part([*own, "--threads", str(options.threads)], folder / "cache", options.threads)
            curves[words] = found["curve"]
    options.out.mkdir(parents=True, exist_ok=True)
    text = as_markdown(curves, options, peers)
    (options.out / "time_to_dice.md").write_text(text, "utf-8")
    draw(curves, options.out / "time_to_dice.svg")
    print(text)
    return 0


def seconds_to(curve: list[tuple[float, float, int]], goal: float) -> float | None:
    """When a curve first reaches a Dice, by a straight line between tests."""
    if curve[0][1] >= goal:
        return curve[0][0]
    for (before, low, _), (after, high, _) in pairwise(curve):
        if high >= goal:
            return before + (after - before) * (goal - low) / (high - low)
    return None


def as_markdown(
    curves: dict[str, list[tuple[float, float, int]]], options: argparse.Namespace, peers: list[str]
) -> str:
    """The curves as a table, and when each reaches the goal."""
    head = " | ".join(f"{options.seconds * share:.0f} s" for share in SHARES[:-1])
    lines = [
        f"| | {head} | at the end | seconds in all | steps | seconds to {GOAL} |",
        "|---|" + "---:|" * (len(SHARES) + 3),
    ]
    for words, curve in curves.items():
        reached = seconds_to(curve, GOAL)
        told = "not reached" if reached is None else f"{reached:.0f}"
        # A training that was shorter than planned was not tested at its last times.
        cells = [f"{dice:.3f}" for _, dice, _ in curve[:-1]]
        cells += [""] * (len(SHARES) - len(curve)) + [f"{curve[-1][1]:.3f}", f"{curve[-1][0]:.0f}", str(curve[-1][2])]
        lines.append(f"| {words} | {' | '.join(cells)} | {told} |")
    lines += [
        "",
        f"Mean Dice of both parts over {options.test_people} people, at seconds of training; tests are not counted. "
        "Five labelled people, one seed.",
        "",
        "![Dice over seconds](time_to_dice.svg)",
        "",
        provenance(options.threads, ("neurograft", "torch", "lightning"), peers),
        "",
    ]
    return "\n".join(lines)


def draw(curves: dict[str, list[tuple[float, float, int]]], path: Path) -> None:
    """Dice over seconds."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for words, curve in curves.items():
        axes.plot([second for second, _, _ in curve], [dice for _, dice, _ in curve], marker="o", label=words)
    axes.axhline(GOAL, color="grey", linewidth=0.8)
    axes.set(xlabel="seconds of training", ylabel="mean Dice", ylim=(0, 1))
    axes.legend(frameon=False)
    figure.savefig(path, bbox_inches="tight")


def mean_dice(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Over cases and labels; 1 where neither shows a label."""
    found = []
    for truth, mask in pairs:
        for number in range(1, len(LABELS) + 1):
            voxels = int((truth == number).sum() + (mask == number).sum())
            both = int(((truth == number) & (mask == number)).sum())
            found.append(2 * both / voxels if voxels else 1.0)
    return float(np.mean(found))


def stopwatch() -> float:
    """Seconds, for intervals."""
    return time.perf_counter()


if __name__ == "__main__":
    raise SystemExit(main())
