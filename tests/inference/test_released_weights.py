"""A network whose engine has weights of its own lets its weights go."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume
from neurograft.inference.engines import EngineRequest
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle

BundleMaker = Callable[..., Bundle]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_scans_of_any_size_are_segmented_as_before(
    engine: str, threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))
    segmenter = Segmenter([threshold_bundle(tmp_path / "m")], engines=EngineRequest(engine, "fp32"))  # type: ignore[arg-type]
    for shape in ((12, 9, 8), (8, 8, 17), (12, 9, 8)):
        data = np.random.default_rng(0).integers(0, 50, shape).astype(np.float32) / 50
        data[data == 0.5] = 0.52
        found = segmenter.segment([Volume(data, Grid.from_affine(shape, np.eye(4)))]).classes
        assert np.array_equal(found, (data > 0.5).astype(np.int16))
    on_meta = all(parameter.is_meta for parameter in segmenter.runners.networks[0].parameters())
    assert on_meta == (engine == "openvino")
