"""What a tri-planar network makes of voxels before it decides: its joined features, for cohorts side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from neurograft.cohorts import Case, Cohort
from neurograft.cohorts.priors import case_prior
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.preparation import prepare_classes, prepare_image
from neurograft.imaging.prior import with_prior
from neurograft.models import Bundle
from neurograft.networks.triplanar import TriplanarNetwork
from neurograft.recipes.schema import PreparationConfig
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.planes import cut_case_planes

VOXELS_A_PASS = 256


@dataclass(frozen=True, eq=False)
class VoxelFeatures:
    """Features of voxels, and whose they are.

    Attributes:
        features: float32 (V, F).
        voxels: a row a voxel: ``cohort``, ``case``, ``subject``, ``label``.
    """

    features: NDArray[np.float32]
    voxels: pd.DataFrame


def triplanar_of(bundle: Bundle) -> TriplanarNetwork:
    """The network of a model, ready to be asked.

    Raises:
        InputError: another network, which has no joined features.
    """
    network = bundle.network()
    if not isinstance(network, TriplanarNetwork):
        raise InputError(
            f"{bundle.info.name} is a {bundle.info.recipe.network.name}; features are those of the tri-planar network",
            "Give a model of a recipe such as p5-subcortical",
            bundle.path,
        )
    return network.eval()


def joined_features(
    bundle: Bundle,
    cohorts: Sequence[Cohort],
    preparation: PreparationConfig,
    voxels_each: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> VoxelFeatures:
    """The features of randomly chosen voxels of the structures, as many of every cohort and structure.

    The voxels of a scan are the same whatever the preparation does to its intensities.

    Args:
        bundle: a tri-planar model.
        cohorts: labelled scans with the model's labels by name, each with the model's number of channels.
        preparation: how scans are prepared, the model's or another with the same grid and prior.
        voxels_each: voxels of each cohort, shared among its scans and structures.
        seed: decides which voxels.
        progress: called with scans done and in all.

    Raises:
        InputError: another network, no labelled scan, a label that a cohort does not have, or other channels.
    """
    network = triplanar_of(bundle)
    features, rows = [], []
    total = sum(len(cohort.labelled()) for cohort in cohorts)
    done = 0
    for cohort in cohorts:
        chosen = cohort.select_labels(_known_labels(bundle, cohort)).labelled()
        if not chosen.cases:
            raise InputError("no case has a label map to take voxels from", "Label some", cohort.source)
        if len(chosen.channels) != len(bundle.info.channels):
            raise InputError(
                f"the model reads {len(bundle.info.channels)} channels, and {cohort.name} has {len(chosen.channels)}",
                "Give the cohort that the model is for",
                cohort.source,
            )
        each = max(1, voxels_each // (len(chosen) * len(chosen.labels)))
        for case in chosen.cases:
            example = _example(case, chosen.labels, preparation)
            generator = np.random.default_rng([seed, *case.id.encode()])
            for number, name in enumerate(chosen.labels.names, start=1):
                places = _drawn(example, number, each, generator)
                features.append(_features(network, example, places))
                whose = {"cohort": cohort.name, "case": case.id, "subject": case.subject, "label": name}
                rows += [whose] * len(places)
            done += 1
            if progress is not None:
                progress(done, total)
    return VoxelFeatures(np.concatenate(features), pd.DataFrame(rows))


def _known_labels(bundle: Bundle, cohort: Cohort) -> dict[str, list[str]] | list[str]:
    """The model's labels in the cohort, by name, or by the recipe's mergers where it has any."""
    wanted = bundle.info.recipe.labels
    if isinstance(wanted, dict) and {name for names in wanted.values() for name in names} <= set(cohort.labels.names):
        return {name: list(names) for name, names in wanted.items()}
    known = [name for name in bundle.labels.names if name in cohort.labels.names]
    if not known:
        raise InputError(
            f"cohort {cohort.name} has none of the model's labels",
            f"They are: {', '.join(bundle.labels.names)}",
            cohort.source,
        )
    return known


def _example(case: Case, labels: LabelTable, preparation: PreparationConfig) -> TrainingCase:
    if case.label is None:
        raise InputError(f"case {case.id} has no label map", "Give it one")
    mask = read_label_map(case.mask) if case.mask else None
    prepared = prepare_image([read_image(path) for path in case.images.values()], preparation, mask)
    prior = case_prior(case, preparation)
    if prior is not None:
        prepared = with_prior(prepared, prior)
    classes = prepare_classes(read_label_map(case.label), labels, prepared)
    return TrainingCase(
        case.id,
        case.subject,
        torch.from_numpy(prepared.data),
        torch.from_numpy(classes),
        prior_channels=0 if prior is None else len(prior.names),
    )


def _drawn(example: TrainingCase, number: int, count: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    flat = example.voxels_by_class.get(number)
    if flat is None:
        return []
    chosen = generator.choice(flat.numpy(), size=min(count, len(flat)), replace=False)
    return [tuple(int(place) for place in np.unravel_index(index, example.shape)) for index in np.sort(chosen)]


def _features(
    network: TriplanarNetwork, example: TrainingCase, places: Sequence[tuple[int, ...]]
) -> NDArray[np.float32]:
    depth, height, _ = network.context.block((1, 1, 1))
    found = []
    for start in range(0, len(places), VOXELS_A_PASS):
        part = places[start : start + VOXELS_A_PASS]
        planes = torch.zeros((len(part), example.image.shape[0], 3, depth, height))
        for number, (first, second, third) in enumerate(part):
            cut_case_planes(example, (first, second, third), network.context, planes[number])
        with torch.inference_mode():
            found.append(network.joined_features(planes).numpy())
    width = network.trunk2.linear.in_features
    return np.concatenate(found) if found else np.empty((0, width), np.float32)
