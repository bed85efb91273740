"""Training steps a second: neurograft's training loop and nnU-Net's trainer, same network, patch and batch.

Both learn the two parts of the hippocampus from five people (or from made volumes, without the real scans) with
nnU-Net's plain U-Net and two outputs under deep supervision. Each runs in processes of its own, by turns: as it is
shipped, with its own patches and augmentation, and on one batch that never changes, which leaves the network
alone. neurograft's seconds are those of its whole loop, checkpoints included; nnU-Net's are those of `train_step`
and of waiting for its loader, whose processes augment beside it.

With ``--device cuda`` both train on the GPU; ``--compile`` has both compile their networks, nnU-Net as it does when it
is shipped and neurograft by ``compute.compile=true``. ``--warm-up`` leaves out that many first steps of both, in which
a card starts and networks are compiled.

    make nnunet-env
    python benchmarks/training_steps.py --peer-python .venv-nnunet/bin/python --data-root ../shared/data
"""

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from peer_process import run_part
from provenance import provenance

PATCH = (40, 56, 40)
LABELS = ["Anterior", "Posterior"]


def main() -> int:
    """Run both, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the interpreter of nnU-Net's environment")
    parser.add_argument("--data-root", type=Path, help="folder of msd-hippocampus; else made volumes")
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100, help="timed")
    parser.add_argument("--turns", type=int, default=2, help="of both one after the other; their means count")
    parser.add_argument("--warm-up", type=int, default=0, help="steps before them")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--part", choices=["shipped", "still", "limit"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "limit":
        print(json.dumps(find_limit(options)))
        return 0
    if options.part:
        print(json.dumps(train(options, options.part == "still")))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"patch": list(PATCH), "batch": options.batch, "channels": options.channels, "labels": LABELS}
        settings["train"] = write_cases(options, folder)
        (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        turns: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        memory: defaultdict[tuple[str, str], float] = defaultdict(float)
        peers = []

        def measured(command: list[str]) -> dict[str, Any]:
            return run_part(command, folder / "cache", options.threads, every_seconds=2)

        def counted(run: tuple[str, str], seconds: float, found: dict[str, Any]) -> None:
            turns[run].append(seconds)
            memory[run] = max(memory[run], found.get("device_mib", found["tree_mib"]))

        # In turns: what else the machine does, and how fast it is at the time, meets both alike.
        for _ in range(options.turns):
            if options.peer_python:
                script = Path(__file__).parent / "peers" / "nnunet_training_steps.py"
                counts = [str(count) for count in (options.warm_up, options.steps, options.threads)]
                command = [str(options.peer_python), str(script), name, *counts, options.device]
                found = measured(command + ["compile"] * options.compile)
                peers = [found["engine"]]
                counted(("nnU-Net", "as shipped"), found["seconds"], found)
                counted(("nnU-Net", "one batch"), found["still_seconds"], found)
            for part, words in (("shipped", "as shipped"), ("still", "one batch")):
                own = [sys.executable, __file__, *sys.argv[1:], "--folder", name, "--part", part]
                found = measured([*own, "--threads", str(options.threads)])
                counted(("neurograft", words), found["seconds"], found)
                compute = found["compute"]
        limit = measured([*own[:-1], "limit"])
    seconds = {run: mean(each) for run, each in turns.items()}
    lines = ["| | patches | seconds a step | of each turn | steps a second | peak memory, MiB |"]
    lines.append("|---|---|---:|---:|---:|---:|")
    for run, s in seconds.items():
        each = ", ".join(f"{turn:.3f}" for turn in turns[run])
        lines.append(f"| {' | '.join(run)} | {s:.3f} | {each} | {1 / s:.2f} | {memory[run]:.0f} |")
    lines.append("")
    if options.peer_python:
        ratios = [seconds["nnU-Net", what] / seconds["neurograft", what] for what in ("as shipped", "one batch")]
        said = f"neurograft takes **{ratios[0]:.2f} times** as many steps a second as shipped, {ratios[1]:.2f} times"
        lines += [f"{said} as many on one batch.", ""]
    best = limit["step"] / limit["second"]
    shares = [f"{best / s:.0%} by {', '.join(run)}" for run, s in seconds.items()]
    whose = "all processes of a run, pages that they share counted once"
    if options.device == "cuda":
        whose = "what PyTorch took on the card"
    lines += [
        f"A step's arithmetic in the network, taken as three times that of a forward pass, is "
        f"{limit['step'] / 1e9:.4g} GFLOP. Of the rate of a product of large bf16 matrices, "
        f"{limit['second'] / 1e12:.3g} TFLOP/s here, that makes {'; '.join(shares)}.",
        "",
        f"Patches of {' x '.join(map(str, PATCH))}, batch {options.batch}, {options.channels[0]} to "
        f"{options.channels[-1]} channels, mean of {options.steps} steps after "
        f"{options.warm_up}, in {options.turns} turns; neurograft ran on {compute}. Memory is that of {whose}.",
        "",
        limit["device"] + provenance(options.threads, ("neurograft", "torch", "lightning"), peers),
        "",
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"training_steps{'_gpu' * (options.device == 'cuda')}.md").write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))
    return 0


def write_cases(options: argparse.Namespace, folder: Path) -> list[str]:
    """Arrays of the cases to learn from."""
    if options.data_root:
        from prepared_cases import five_people, prepared, write_arrays

        return write_arrays(prepared(five_people(options.data_root, test_people=20)[0]), folder)
    (folder / "cases").mkdir()
    generator = np.random.default_rng(0)
    for number in range(10):
        target = np.zeros(PATCH, np.int16)
        target[12:20, 20:36, 12:28], target[20:28, 20:36, 12:28] = 1, 2
        image = (target + generator.normal(0, 0.3, PATCH)).astype(np.float32)[None]
        np.savez(folder / "cases" / f"case{number}.npz", image=image, target=target)
    return [f"case{number}" for number in range(10)]


def train(options: argparse.Namespace, still: bool) -> dict[str, Any]:
    """Seconds of a step of neurograft's training, and what it ran on."""
    import time

    import torch
    from bf16_limit import device_peak_mib
    from nnunet_network import PlainUNet

    from neurograft.allocator import keep_freed_memory
    from neurograft.networks import NETWORKS
    from neurograft.recipes import load_recipe
    from neurograft.sampling.batches import Batch, PatchBatches
    from neurograft.sampling.examples import TrainingCase
    from neurograft.training.fit import fit
    from neurograft.training.starting_network import prepare_transfer

    keep_freed_memory()  # as commands that train do at their start
    torch.set_num_threads(options.threads)
    NETWORKS["plain_unet"] = lambda config, inputs, outputs: PlainUNet(inputs, outputs, config.channels, True)
    overrides = ["network.name=plain_unet", f"network.channels={options.channels}", "network.auxiliary_heads=1"]
    overrides += [f"sampling.batch_size={options.batch}", "task.deep_supervision_weights=[1, 0.5]"]
    overrides += [f"budget={options.warm_up + options.steps}steps", f"compute.device={options.device}"]
    overrides += ["compute.compile=true"] if options.compile else []
    recipe = load_recipe("hippocampus", overrides)
    cases = []
    for name in json.loads((options.folder / "settings.json").read_text("utf-8"))["train"]:
        with np.load(options.folder / "cases" / f"{name}.npz") as arrays:
            cases.append(
                TrainingCase(name, name, torch.from_numpy(arrays["image"]), torch.from_numpy(arrays["target"]))
            )
    batches = PatchBatches(cases, recipe.sampling, recipe.augmentation, device=options.device)
    made, began = batches.batch, {}
    first = made(0)

    def timed(step: int) -> Batch:
        began[step] = time.perf_counter()  # the last time that it is asked for is that of the training
        return first if still else made(step)

    batches.batch = timed  # type: ignore[method-assign]
    start = prepare_transfer(("image",), tuple(LABELS), recipe, "scratch", None, {}, seed=0)
    with tempfile.TemporaryDirectory() as name:
        found = fit(start.network, start.task, start.plan, recipe, batches, [], {}, Path(name), "training steps")
    seconds = (time.perf_counter() - began[options.warm_up]) / options.steps
    memory = {"device_mib": device_peak_mib()} if options.device == "cuda" else {}
    return {"seconds": seconds, "compute": found.plan.compute.describe(), **memory}


def find_limit(options: argparse.Namespace) -> dict[str, Any]:
    """Operations of a training step, and those that the device can do in a second."""
    import torch
    from bf16_limit import bf16_limit, device_name, forward_operations
    from nnunet_network import PlainUNet

    torch.set_num_threads(options.threads)
    shape = (options.batch, 1, *PATCH)
    forward = forward_operations(lambda: PlainUNet(1, len(LABELS) + 1, tuple(options.channels)), shape)
    # The gradients of weights and of inputs take as much again, each.
    return {"device": device_name(options.device), "step": 3 * forward, "second": bf16_limit(options.device)}


if __name__ == "__main__":
    raise SystemExit(main())
