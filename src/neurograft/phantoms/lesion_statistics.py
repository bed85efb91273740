"""How many lesions people with multiple sclerosis have, and how large: numbers measured on real masks.

Measured on the 30 consensus masks of Lesjak et al. 2018, "A novel public MR image dataset of multiple sclerosis
patients with lesion segmentations based on multi-rater consensus", Neuroinformatics 16:51-63 (CC BY 4.0): lesions
are components of 26-connected voxels. No mask is here, only the numbers.
"""

import numpy as np
from numpy.typing import NDArray

LESIONS = (18, 85, 419)
"""Fewest, median and most lesions a person."""
LOG_LESIONS = (4.295, 0.926)
"""Mean and standard deviation over people of the logarithm of the number of lesions."""
VOLUME_PERCENTILES = (1.0, 5.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.0, 98.0, 99.0, 99.5, 99.75, 99.9, 100.0)
VOLUME_MM3 = (0.2, 1.2, 6.5, 17.4, 47.1, 125.4, 251.2, 456.7, 751.4, 2217.5, 5023.8, 10205.5, 23958.2, 46951.2)
"""Volume of a lesion at these percentiles of all lesions of all people."""
TOTAL_ML = (0.33, 14.1, 52.6)
"""Smallest, median and largest volume of all lesions of a person."""


def draw_lesion_volumes(generator: np.random.Generator, count: int | None = None) -> NDArray[np.float64]:
    """Draw the volumes of a person's lesions in mm3, the largest first.

    The number is lognormal within the range that was measured; volumes are drawn one by one between the measured
    percentiles, linearly in their logarithm, and those of a person that come to more than anybody's all together
    are drawn anew.

    Args:
        generator: source of the numbers.
        count: number of lesions, instead of a drawn one.
    """
    mean, sd = LOG_LESIONS
    if count is None:
        count = int(np.clip(round(float(np.exp(generator.normal(mean, sd)))), LESIONS[0], LESIONS[2]))
    while True:
        ranks = generator.uniform(VOLUME_PERCENTILES[0], VOLUME_PERCENTILES[-1], size=count)
        volumes = np.exp(np.interp(ranks, VOLUME_PERCENTILES, np.log(VOLUME_MM3)))
        if volumes.sum() <= 1000.0 * TOTAL_ML[2]:
            return np.sort(volumes)[::-1]
