"""Seconds of a training step and of the batch that feeds it: images made from label maps, and images at hand.

    python benchmarks/made_images.py LABEL_MAPS

LABEL_MAPS is a folder that opens as a cohort of label maps. One label map is enough: a patch's price does not
depend on how many there are. The peer in the same run is the same batch cut from an image that was made before.
On a CPU they are seconds of processor time of all threads, which other work on the machine does not lengthen.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from neurograft.cohorts import open_cohort
from neurograft.networks import build_network
from neurograft.recipes import load_recipe
from neurograft.sampling import PatchBatches
from neurograft.tasks import SegmentationTask
from neurograft.training.cases import prepare_case
from neurograft.training.synthetic import synthesiser_for, with_made_channels, with_made_images

SIZES = (((64, 64, 64), 2), ((96, 96, 96), 1), ((96, 96, 96), 2))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = load_recipe("synthetic-brain")
    cohort = with_made_channels(open_cohort(arguments.label_maps), recipe)
    source = synthesiser_for(cohort, recipe)
    assert source is not None
    made = prepare_case(cohort.cases[0], cohort.labels, recipe.preparation, synthesiser=source)
    (read,) = with_made_images([made], source, 0)
    print("| patch | batch | made, s | at hand, s | step fp32, s | step bf16, s |\n|---|---|---|---|---|---|")
    for size, batch_size in SIZES:
        sampling = recipe.sampling.model_copy(update={"patch_size": size, "batch_size": batch_size})
        batches = [
            PatchBatches(
                [case.example],
                sampling,
                recipe.augmentation,
                cohort.labels.mirror_pairs(),
                device=arguments.device,
                synthesiser=synthesiser,
            )
            for case, synthesiser in ((made, source), (read, None))
        ]
        cells = [_seconds(lambda step, one=one: one.batch(step), arguments) for one in batches]
        cells += [_step_seconds(batches[0], cohort.labels.names, precision, arguments) for precision in (None, "bf16")]
        print(f"| {' x '.join(map(str, size))} | {batch_size} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")


def _step_seconds(
    batches: PatchBatches, labels: list[str], precision: str | None, arguments: argparse.Namespace
) -> float:
    recipe = load_recipe("synthetic-brain")
    task = SegmentationTask(recipe.task, labels)
    network = build_network(recipe.network, 1, len(task.outputs), 0).to(arguments.device)
    optimiser = torch.optim.AdamW(network.parameters())
    batch = batches.batch(0)

    def step(_: int) -> None:
        with torch.autocast(arguments.device, torch.bfloat16, enabled=precision is not None):
            outputs = network.outputs(batch.image)
        task.loss(outputs, batch.target, batch.unknown, batch.covariates).backward()
        optimiser.step()
        optimiser.zero_grad()

    return _seconds(step, arguments)


def _seconds(act: Callable[[int], object], arguments: argparse.Namespace) -> float:
    """Median seconds; the first call warms up."""
    times = []
    clock = time.perf_counter if arguments.device == "cuda" else time.process_time
    for step in range(arguments.repeats + 1):
        start = clock()
        act(step)
        if arguments.device == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
