"""One of neurograft's trainings in benchmarks/time_to_dice.py, with a clock that stands still during tests."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunet_network import PlainUNet
from time_to_dice import CHANNELS, LABELS, mean_dice, stopwatch

from neurograft.inference.windows import window_probabilities
from neurograft.models import Bundle, open_bundle
from neurograft.networks import NETWORKS, UnitNetwork
from neurograft.recipes import Recipe, load_recipe
from neurograft.sampling.batches import Batch, PatchBatches
from neurograft.sampling.examples import TrainingCase
from neurograft.tasks import SegmentationTask
from neurograft.training.fit import fit
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.training.starting_network import prepare_transfer


class TestedBatches(PatchBatches):
    """Batches of a training that is tested between its steps, at seconds that are fixed beforehand.

    What is asked of it before the first step, to plan the training, does not count: step 0 starts the clock.
    """

    network: UnitNetwork
    task: SegmentationTask
    recipe: Recipe
    times: list[float]
    tested: list[TrainingCase]
    curve: list[tuple[float, float, int]]
    began: float

    def batch(self, step: int) -> Batch:
        """The batch of a step; before it a test, if one is due."""
        if step == 0:
            self.curve, self.began = [], stopwatch()
        elapsed = stopwatch() - self.began
        if len(self.curve) < len(self.times) - 1 and elapsed >= self.times[len(self.curve)]:
            self.test(step)
        return super().batch(step)

    def test(self, step: int) -> None:
        """Put a point on the curve, and set the clock back to where it was."""
        stopped = stopwatch()
        learning = self.network.training
        self.network.eval()
        pairs = []
        for case in self.tested:
            shares = window_probabilities(self.network, self.task, case.image, self.recipe)
            pairs.append((case.target.numpy(), self.task.decide(shares, 0.5).numpy()))
        self.network.train(learning)
        self.curve.append((stopped - self.began, mean_dice(pairs), step))
        self.began += stopwatch() - stopped


def learn(options: argparse.Namespace) -> dict[str, Any]:
    """Train by the way in ``options.part``, and give its curve."""
    torch.set_num_threads(options.threads)
    settings = json.loads((options.folder / "settings.json").read_text("utf-8"))
    overrides = [f"budget={max(1, round(options.seconds))}s"]
    if options.part == "same":
        NETWORKS["plain_unet"] = lambda config, inputs, outputs: PlainUNet(inputs, outputs, config.channels)
        overrides += ["network.name=plain_unet", f"network.channels={CHANNELS}"]
    recipe = load_recipe("hippocampus", overrides)
    source = source_of(options) if options.part == "adapted" else None
    strategy, moves = ("scratch", {}) if source is None else ("full", {"Posterior": "Anterior"})
    channels = ("image",) if source is None else source.side.channels
    start = prepare_transfer(channels, tuple(LABELS), recipe, strategy, source, moves, seed=0)
    batches = TestedBatches(cases(options.folder, settings["train"]), recipe.sampling, recipe.augmentation)
    batches.network, batches.task, batches.recipe = start.network, start.task, recipe
    batches.times, batches.tested = settings["times"], cases(options.folder, settings["test"])
    with tempfile.TemporaryDirectory() as name:
        found = fit(start.network, start.task, start.plan, recipe, batches, [], {}, Path(name), options.part)
    batches.test(found.steps)
    return {"curve": batches.curve}


def source_of(options: argparse.Namespace) -> Bundle:
    """A model of the anterior part alone, learnt from the people that are neither learnt from nor tested here."""
    from prepared_cases import five_people

    cohort = five_people(options.data_root, options.test_people)[2]
    budget = ["budget=10steps"] if options.seconds < 20 else []
    recipe = load_recipe("hippocampus", ["labels=[Anterior]", *budget])
    train_model(TrainingRequest(cohort, recipe, options.folder / "source"))
    return open_bundle(options.folder / "source" / "model")


def cases(folder: Path, names: list[str]) -> list[TrainingCase]:
    """Those that were prepared for all."""
    found = []
    for name in names:
        with np.load(folder / "cases" / f"{name}.npz") as arrays:
            image, target = (torch.from_numpy(arrays[key]) for key in ("image", "target"))
        found.append(TrainingCase(name, name, image, target))
    return found
