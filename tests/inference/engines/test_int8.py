"""Convolutions in eight bits: what is rounded, how far it is off, and when it is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurograft.errors import InputError
from neurograft.inference.engines import EngineRequest, TorchEngine, choose_engine, parity, template_windows
from neurograft.inference.engines.interface import describe
from neurograft.inference.engines.parity import CALIBRATION_PLACES_MM
from neurograft.models import Bundle
from neurograft.networks import build_network
from neurograft.recipes.schema import NetworkConfig
from neurograft.tasks import SegmentationTask

openvino = pytest.importorskip("openvino", reason="openvino is not installed, so nothing was rounded to eight bits")

from neurograft.inference.engines import openvino_cpu, openvino_graph, openvino_int8  # noqa: E402

BundleMaker = Callable[..., Bundle]
WINDOW = (16, 16, 16)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def quantised(config: NetworkConfig, folder: Path, scale: float = 1.0):
    """A random network, what it reads, and the folders of both exports."""
    network = build_network(config, 2, 3, seed=1).eval()
    block = network.context.block(WINDOW)
    windows = scale * torch.randn((3, 2, *block), generator=torch.Generator().manual_seed(0))
    plain, rounded = folder / "plain", folder / "rounded"
    plain.mkdir()
    rounded.mkdir()
    openvino_cpu.export(network, (1, 2, *block), plain)
    openvino_int8.quantise(plain, windows[:2], rounded)
    return network, windows, plain, rounded


CONFIGS = [
    NetworkConfig(channels=(8, 12, 16)),
    NetworkConfig(channels=(8, 12), norm="batch", activation="prelu", upsampling="trilinear"),
    NetworkConfig(name="residual_unet3d", channels=(8, 12, 16), auxiliary_heads=1),
    NetworkConfig(name="attention_unet2d", channels=(8, 12, 16), slice_axis="axial", auxiliary_heads=1),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.name}-{config.norm}")
def test_answers_are_near_those_of_single_precision_on_windows_not_calibrated_on(
    config: NetworkConfig, tmp_path: Path
) -> None:
    network, windows, _, rounded = quantised(config, tmp_path)
    expected = TorchEngine(network)(windows[2:])
    answers = openvino_cpu.OpenVinoEngine(rounded, "int8", 1)(windows[2:])
    off = (answers - expected).std() / expected.std()
    assert 1e-6 < off < 0.12, "rounded, and not wrong"


def giver(node, place: int):
    """What a convolution reads, before blocks of voxels are laid out in space."""
    given = node.input_value(place).get_node()
    return given.input_value(0).get_node() if given.get_type_name() == "DepthToSpace" else given


def test_all_convolutions_are_rounded_but_the_first_and_the_last(tmp_path: Path) -> None:
    _, _, plain, rounded = quantised(CONFIGS[0], tmp_path)
    core = openvino.Core()

    def convolutions(folder: Path) -> list:
        nodes = core.read_model(folder / openvino_cpu.FILE).get_ordered_ops()
        return [node for node in nodes if node.get_type_name() in openvino_int8.OUTPUT_CHANNEL]

    def is_rounded(node) -> bool:
        givers = [giver(node, place).get_type_name() for place in (0, 1)]
        assert givers.count("FakeQuantize") in (0, 2), "activations and weights, or neither"
        return givers[0] == "FakeQuantize"

    assert not any(map(is_rounded, convolutions(plain)))
    found = {node.get_friendly_name(): is_rounded(node) for node in convolutions(rounded)}
    assert [name for name, done in found.items() if not done] == [next(iter(found)), list(found)[-1]]
    assert len(found) > 8


def test_weights_are_rounded_by_output_channel(tmp_path: Path) -> None:
    """Independent arithmetic: each channel's weights lie on 255 levels, half a step away from the old ones at most."""
    _, _, plain, rounded = quantised(CONFIGS[0], tmp_path)
    core = openvino.Core()
    source = core.read_model(plain / openvino_cpu.FILE)
    assert openvino_graph.upsample_pointwise(source) == 2
    before = {node.get_friendly_name(): node for node in source.get_ordered_ops()}
    found_blocks = set()
    for node in core.read_model(rounded / openvino_cpu.FILE).get_ordered_ops():
        if node.get_type_name() != "Convolution" or node.input_value(1).get_node().get_type_name() != "FakeQuantize":
            continue
        fake = node.input_value(1).get_node()
        weights, low, high = (fake.input_value(place).get_node().get_data() for place in range(3))
        assert low.shape == (weights.shape[0], *[1] * (weights.ndim - 1))
        np.testing.assert_allclose(high, np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True))
        np.testing.assert_array_equal(low, -high)
        # What activations were divided by, weights were multiplied by: their ratio depends on the input channel alone.
        old = before[node.get_friendly_name()].input_value(1).get_node().get_data()
        ratio = (weights / old).reshape(weights.shape[0], weights.shape[1], -1)
        np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1, :, :1], ratio.shape), rtol=1e-4)
        activations = giver(node, 0)
        given, made = (activations.input_value(place).get_node().get_data() for place in (2, 4))
        blocks = given.size // ratio.shape[1]
        np.testing.assert_allclose(given.ravel() / made.ravel(), np.tile(ratio[0, :, 0], blocks), rtol=1e-4)
        found_blocks.add(blocks)
    assert found_blocks == {1, 8}, "what a pointwise convolution gives is rounded before it is laid out in space"


@given(st.floats(-50, 0), st.floats(0, 50))
def test_zero_is_a_level_and_the_range_is_kept(low: float, high: float) -> None:
    first, last = openvino_int8._with_zero(low, high)
    step = (last - first) / (openvino_int8.LEVELS - 1)
    assert abs(first / step - round(first / step)) < 1e-3
    assert first <= 0 <= last
    if high - low > 1e-3:
        assert abs(first - low) <= step / 2 + 1e-6
        assert abs(last - high) <= step / 2 + 1e-6


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(1e-3, 10))
def test_balancing_divides_what_it_multiplies(activations: list[float], weight: float) -> None:
    scale = openvino_int8._balance(np.array(activations, np.float32), np.full(len(activations), weight, np.float32))
    assert np.isfinite(scale).all()
    assert (scale > 0).all()
    assert np.exp(np.log(scale.astype(np.float64)).mean()) == pytest.approx(1, rel=1e-3)
    order = np.argsort(activations, kind="stable")
    assert (np.diff(scale[order]) >= 0).all()


def chosen(bundle: Bundle, request: EngineRequest, windows_ahead: int | None = None):
    task = SegmentationTask(bundle.info.recipe.task, bundle.labels.names)
    return choose_engine(bundle, bundle.network(), task, WINDOW, request, windows_ahead)


def test_it_is_calibrated_elsewhere_than_it_is_compared(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "m", overrides=["preparation.normalisation=percentile"])
    network = bundle.network()
    test = template_windows(bundle, network, WINDOW)
    other = template_windows(bundle, network, WINDOW, CALIBRATION_PLACES_MM)
    assert test.shape == other.shape
    assert not any(torch.equal(one, two) for one in test for two in other)
    assert all(float(window.std()) > 0 for window in other)


def test_it_is_given_where_masks_agree_and_never_unasked(
    threshold_bundle: BundleMaker, tmp_path: Path, cache: Path
) -> None:
    options = ["preparation.normalisation=percentile"]
    bundle = threshold_bundle(tmp_path / "m", [0.06], overrides=options)
    # However little there is to do: it was asked for.
    found = chosen(bundle, EngineRequest("auto", "int8"), windows_ahead=1)
    assert describe(found.engine) == "openvino int8"
    assert found.parity is not None
    assert found.parity.agreement >= parity.LEAST_AGREEMENT["int8"]
    assert {path.name for path in next(cache.glob("engines/*")).iterdir()} == {
        "openvino", "openvino-int8", "measured.json"
    }  # fmt: skip
    again = chosen(bundle, EngineRequest("openvino", "int8"))
    window = torch.rand((1, 1, *WINDOW), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.engine(window), found.engine(window))
    assert "int8" not in " ".join(chosen(bundle, EngineRequest("auto", "auto")).measured)


def test_it_is_refused_where_masks_do_not_agree(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    options = ["preparation.normalisation=percentile"]
    bundle = threshold_bundle(tmp_path / "m", [0.31, 0.71], ["dim", "bright"], [4, 9], slope=30, overrides=options)
    with pytest.raises(InputError, match=r"openvino int8: only .* of voxels have the same class"):
        chosen(bundle, EngineRequest("openvino", "int8"))


def test_a_network_without_convolutions_inside_cannot_be_rounded(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(4, 2, 1))
    openvino_cpu.export(network, (1, 1, 8, 8, 8), tmp_path)
    with pytest.raises(ValueError, match="no convolution that could be quantised"):
        openvino_int8.quantise(tmp_path, torch.zeros(1, 1, 8, 8, 8), tmp_path / "none")


def test_other_engines_do_not_have_it(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "m")
    with pytest.raises(InputError, match="--precision int8 is OpenVINO's"):
        chosen(bundle, EngineRequest("torch", "int8"))
    with pytest.raises(InputError, match="onnx runs in single precision"):
        chosen(bundle, EngineRequest("onnx", "int8"))
