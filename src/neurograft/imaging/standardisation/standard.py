"""The two methods behind one pair of functions: measure a scale on scans, bring a scan to it."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.imaging.standardisation.histogram_matching import match_quantiles
from neurograft.imaging.standardisation.landmarks import percentile_landmarks
from neurograft.imaging.standardisation.nyul import average_landmarks, map_landmarks
from neurograft.recipes.schema import StandardConfig

Method = Literal["nyul", "histogram"]

NYUL_PERCENTILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)
HISTOGRAM_PERCENTILES = tuple(number / 2 for number in range(201))


def resolved_percentiles(config: StandardConfig, method: Method) -> tuple[float, ...]:
    """The percentiles that count: the recipe's, or the method's own."""
    if config.percentiles is not None:
        return config.percentiles
    return NYUL_PERCENTILES if method == "nyul" else HISTOGRAM_PERCENTILES


def measure_standard(
    scans: Sequence[Sequence[NDArray[np.float64] | None]], config: StandardConfig, method: Method
) -> StandardConfig:
    """Average the landmarks of scans.

    Args:
        scans: landmarks of each scan and channel, as `percentile_landmarks` gives them at
            `resolved_percentiles`; a scan without contrast in a channel is left out of that channel.
        config: range, foreground and what follows; its own landmarks are replaced.
        method: whose percentiles are the default.

    Returns:
        The config with percentiles and landmarks filled in.

    Raises:
        InputError: a channel has contrast in no scan.
    """
    rows = []
    for channel, marks in enumerate(zip(*scans, strict=True)):
        known = [one for one in marks if one is not None]
        if not known:
            raise InputError(
                f"no scan has contrast in channel {channel + 1}, so there is no scale to measure",
                "Check the images, or choose another preparation.normalisation",
            )
        rows.append(tuple(average_landmarks(known, config.range).tolist()))
    filled = {"method": method, "percentiles": resolved_percentiles(config, method), "landmarks": tuple(rows)}
    return StandardConfig.model_validate(config.model_dump() | filled)


def standardise(image: NDArray[Any], config: StandardConfig, method: Method) -> NDArray[np.float32]:
    """Bring the channels of a scan to the scale; voxels of zero stay zero.

    Args:
        image: (C, D, H, W).
        config: with landmarks.
        method: how to read them.

    Returns:
        float32 (C, D, H, W); a channel without contrast is zero everywhere.

    Raises:
        InputError: no landmarks, or not a row a channel.
    """
    if config.landmarks is None:
        raise InputError(
            f"preparation.normalisation is {method}, and preparation.standard has no landmarks yet",
            "Train with it, which measures them, or give a file of neurograft standardise fit",
        )
    if len(config.landmarks) != len(image):
        raise InputError(
            f"preparation.standard has landmarks for {len(config.landmarks)} channels, the image has {len(image)}",
            "Measure the standard on images with the same channels",
        )
    change = map_landmarks if method == "nyul" else match_quantiles
    result = np.zeros(image.shape, np.float32)
    for number, (channel, row) in enumerate(zip(image, config.landmarks, strict=True)):
        own = percentile_landmarks(channel, resolved_percentiles(config, method), config.foreground)
        if own is not None:
            inside = channel != 0
            result[number][inside] = change(channel[inside], own, np.asarray(row, np.float64))
    return result
