"""MONAI's or TorchIO's augmentation of patches; runs in their environment, started by benchmarks/augmentation.py."""

import json
import math
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

PATCH = 64
ROTATION_DEGREES, ZOOM = 15.0, (0.85, 1.2)
GAMMA, NOISE, BLUR = (0.7, 1.5), 0.1, (0.5, 1.0)
ELASTIC_VOXELS, ELASTIC_SPACING = 3.0, 16.0


def main() -> None:
    """Arguments: library, folder with volume.npz, patches, rounds, threads."""
    library, folder = sys.argv[1:3]
    patches, rounds, threads = map(int, sys.argv[3:])
    torch.set_num_threads(threads)
    with np.load(f"{folder}/volume.npz") as arrays:
        image, target = torch.from_numpy(arrays["image"]), torch.from_numpy(arrays["target"])[None]
    rates = []
    for elastic in (False, True):
        change = (with_monai if library == "monai" else with_torchio)(elastic)
        generator = np.random.default_rng(0)
        found = []
        for _ in range(1 + rounds):
            start = time.perf_counter()
            for _ in range(patches):
                corner = [int(generator.integers(0, extent - PATCH + 1)) for extent in target.shape[1:]]
                box = (slice(None), *(slice(first, first + PATCH) for first in corner))
                change(image[box].clone(), target[box].clone())
            found.append(patches / (time.perf_counter() - start))
        rates.append(found[1:])
    print(json.dumps({"rates": rates, "version": f"{library} {version(library)}"}))


def with_monai(elastic: bool) -> Callable[[Any, Any], Any]:
    """Dictionary transforms on a patch."""
    from monai import transforms as m

    both, modes = ("image", "label"), ("bilinear", "nearest")
    angle = math.radians(ROTATION_DEGREES)
    ranges = {"rotate_range": (angle,) * 3, "scale_range": ((ZOOM[0] - 1, ZOOM[1] - 1),) * 3}
    if elastic:
        spatial = m.Rand3DElasticd(both, (4.0, 6.0), (30.0, 60.0), prob=1, mode=modes, padding_mode="border", **ranges)
    else:
        spatial = m.RandAffined(both, prob=1, mode=modes, padding_mode="border", **ranges)
    chain = m.Compose(
        [
            spatial,
            m.RandFlipd(both, prob=0.5, spatial_axis=0),
            m.RandGaussianSmoothd("image", BLUR, BLUR, BLUR, prob=1),
            m.RandAdjustContrastd("image", prob=1, gamma=GAMMA, retain_stats=True),
            m.RandScaleIntensityd("image", (-0.2, 0.25), prob=1),
            m.RandShiftIntensityd("image", (-0.2, 0.2), prob=1),
            m.RandGaussianNoised("image", prob=1, std=NOISE),
        ]
    )
    return lambda image, label: chain({"image": image, "label": label})


def with_torchio(elastic: bool) -> Callable[[Any, Any], Any]:
    """Transforms of a subject that holds a patch."""
    import torchio as t

    spatial = [t.RandomAffine(scales=ZOOM, degrees=ROTATION_DEGREES)]
    if elastic:
        points = math.ceil(PATCH / ELASTIC_SPACING) + 3
        spatial.append(t.RandomElasticDeformation(points, 2 * ELASTIC_VOXELS, locked_borders=0))
    log_gamma = (math.log(GAMMA[0]), math.log(GAMMA[1]))
    chain = t.Compose(
        [*spatial, t.RandomFlip(0), t.RandomBlur(BLUR), t.RandomGamma(log_gamma), t.RandomNoise(0, (0, NOISE))]
    )
    return lambda image, label: chain(t.Subject(image=t.ScalarImage(tensor=image), label=t.LabelMap(tensor=label)))


if __name__ == "__main__":
    main()
