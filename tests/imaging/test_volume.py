import numpy as np
import pytest

from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume


def test_data_must_fit_the_grid() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 5\).*\(2, 3, 4\)"):
        Volume(np.zeros((2, 3, 5)), Grid.from_affine((2, 3, 4), np.eye(4)))
