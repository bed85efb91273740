"""Histogram matching: give a scan's foreground the distribution of a reference.

Each intensity is replaced by the reference's at the same quantile. The reference is a quantile function: one scan's, or
the mean of a cohort's, which is the distribution nearest to all of them in optimal transport. In contrast to
Nyul's scale many quantiles count, so that tissue volumes are matched too: an atrophied brain is made to look
like one that is not. That is the method's known cost, and the reason why Nyul's few landmarks are the default.

Reference: Gonzalez and Woods, Digital Image Processing, section 3.3 (histogram specification).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.imaging.standardisation.nyul import distinct


def match_quantiles(
    image: NDArray[Any], own: NDArray[np.float64], reference: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Replace intensities by those of the reference at the same quantile.

    Args:
        image: any shape.
        own: the scan's quantiles, rising and not flat.
        reference: the reference's at the same shares.

    Returns:
        float32 of the same shape, never beyond the reference's ends.
    """
    own, reference = distinct(own, reference)
    return np.asarray(np.interp(image, own, reference), np.float32)
