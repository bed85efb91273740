"""What a recipe will cost: scaled from small measurements."""

from collections.abc import Callable

import pytest
import torch

from neurograft.recipes import load_recipe
from neurograft.recipes.loading import override_recipe
from neurograft.training import expectations
from neurograft.training.expectations import expect

SMALL = [
    "network.channels=[4, 4]",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
]


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list]:
    """Every call of an engine takes two seconds, every training step three."""
    asked: list = []

    def call(engine, shape) -> float:
        engine(torch.zeros(shape))
        asked.append((engine.name, engine.precision, shape))
        return 2.0

    def step(network, choice, patch, batch) -> float:
        asked.append(("step", patch, batch))
        return 3.0

    monkeypatch.setattr(expectations, "_call_seconds", call)
    monkeypatch.setattr(expectations, "step_seconds", step)
    return lambda: asked


def test_time_grows_with_voxels_windows_and_patches(stopwatch: Callable[[], list]) -> None:
    recipe = override_recipe(
        {}, [*SMALL, "sampling.patch_size=[64, 32, 32]", "sampling.batch_size=4", "inference.overlap=0.5"]
    )
    found = expect("mine", recipe)
    # A patch of 64 x 32 x 32 is below 48^3 and measured as it is.
    assert ("step", (64, 32, 32), 1) in stopwatch()
    assert found.step_seconds == pytest.approx(3.0 * 4)
    # 160 x 192 x 160 mm at 1 mm: windows start every 32, 16 and 16 voxels: 4 x 11 x 9 of them.
    assert found.windows == 4 * 11 * 9
    assert found.scan_seconds["torch fp32"] == pytest.approx(2.0 * 4 * 11 * 9)
    assert (found.recipe, "fp32" in found.compute) == ("mine", True)


def test_large_windows_are_measured_small_and_scaled(stopwatch: Callable[[], list]) -> None:
    options = ["sampling.patch_size=[96, 96, 96]", "inference.overlap=0.0", "preparation.spacing_mm=[2, 2, 2]"]
    found = expect("mine", override_recipe({}, [*SMALL, "sampling.batch_size=2", *options]))
    # 96^3 halved along each axis in turn is 48^3, an eighth.
    assert ("step", (48, 48, 48), 1) in stopwatch()
    assert found.step_seconds == pytest.approx(3.0 * 2 * 8)
    # 80 x 96 x 80 voxels of 2 mm lie in one window.
    assert found.windows == 1
    assert found.scan_seconds["torch fp32"] == pytest.approx(2.0 * 8)


def test_single_voxels_are_measured_in_batches(stopwatch: Callable[[], list]) -> None:
    small = ["network.channels=[4, 4, 4]", "network.dense_channels=[4, 4, 4]", "inference.window=[16, 16, 16]"]
    recipe = load_recipe("p5-subcortical", [*SMALL[1:], *small])
    found = expect("p5", recipe)
    assert ("step", (1, 1, 1), 8) in stopwatch()
    assert found.step_seconds == pytest.approx(3.0 * recipe.sampling.batch_size / 8)


def test_openvino_is_measured_too(stopwatch: Callable[[], list]) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed, so it was not measured")
    found = expect("mine", override_recipe({}, [*SMALL, "sampling.patch_size=[16, 16, 16]"]))
    assert "openvino fp32" in found.scan_seconds


def test_a_real_measurement_is_positive() -> None:
    found = expect("mine", override_recipe({}, [*SMALL, "sampling.patch_size=[16, 16, 16]"]))
    assert found.step_seconds > 0
    assert all(seconds > 0 for seconds in found.scan_seconds.values())
