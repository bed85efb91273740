"""Engines against PyTorch, what is refused, and what is remembered."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from neurograft.errors import InputError
from neurograft.inference.engines import EngineRequest, TorchEngine, choose_engine, choosing, template_windows
from neurograft.inference.engines.interface import describe
from neurograft.inference.engines.store import EngineStore
from neurograft.models import Bundle
from neurograft.networks import build_network
from neurograft.recipes.schema import NetworkConfig
from neurograft.tasks import SegmentationTask

BundleMaker = Callable[..., Bundle]
WINDOW = (16, 16, 16)
OPENVINO = EngineRequest("openvino", "fp32")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bundle(threshold_bundle: BundleMaker, tmp_path: Path) -> Bundle:
    """Two labels in the brain of the test windows, at thresholds that bf16 blurs."""
    options = ["preparation.normalisation=percentile", "preparation.orientation=LPS"]
    return threshold_bundle(tmp_path / "m", [0.31, 0.71], ["dim", "bright"], [4, 9], slope=30, overrides=options)


def task_of(bundle: Bundle) -> SegmentationTask:
    return SegmentationTask(bundle.info.recipe.task, bundle.labels.names)


def chosen(bundle: Bundle, request: EngineRequest, windows_ahead: int | None = None):
    return choose_engine(bundle, bundle.network(), task_of(bundle), WINDOW, request, windows_ahead)


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(channels=(4, 6, 8)),
        NetworkConfig(channels=(4, 6), norm="batch", activation="prelu", upsampling="trilinear"),
        NetworkConfig(channels=(8, 8), norm="group", activation="silu", block_order="conv-act-norm"),
        NetworkConfig(name="residual_unet3d", channels=(4, 6, 8), auxiliary_heads=1),
        NetworkConfig(name="attention_unet2d", channels=(4, 6, 8), slice_axis="axial", auxiliary_heads=1),
    ],
    ids=lambda config: f"{config.name}-{config.norm}",
)
@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_engines_answer_as_pytorch_does(engine: str, config: NetworkConfig, tmp_path: Path) -> None:
    package = {"openvino": "openvino", "onnx": "onnxruntime"}[engine]
    pytest.importorskip(package, reason=f"{package} is not installed, so its engine was not tried")
    network = build_network(config, 2, 3, seed=1).eval()
    with torch.no_grad():
        for name, value in network.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(generator=torch.Generator().manual_seed(3))
    block = network.context.block(WINDOW)
    if engine == "openvino":
        from neurograft.inference.engines import openvino_cpu

        openvino_cpu.export(network, (1, 2, *block), tmp_path)
        run = openvino_cpu.OpenVinoEngine(tmp_path, "fp32", 1)
    else:
        from neurograft.inference.engines import onnx_runtime

        onnx_runtime.export(network, (1, 2, *block), tmp_path)
        run = onnx_runtime.OnnxEngine(tmp_path, 1)
    windows = torch.randn((2, 2, *block), generator=torch.Generator().manual_seed(0))
    expected = TorchEngine(network)(windows)
    answers = run(windows)
    assert answers.shape == expected.shape == (2, 3, *WINDOW)
    torch.testing.assert_close(answers, expected, atol=2e-4, rtol=1e-3)
    # An answer is the caller's own, not the engine's memory for the next one.
    kept = answers.clone()
    run(windows + 1)
    assert torch.equal(answers, kept)


def test_the_choice_is_measured_once_and_kept(bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = chosen(bundle, OPENVINO)
    assert describe(first.engine) == "openvino fp32"
    assert first.parity is not None
    assert first.parity.dice == pytest.approx(1.0, abs=1e-3)
    (record,) = cache.rglob("measured.json")
    assert set(json.loads(record.read_text())) == {"torch fp32", "openvino fp32"}

    def unexpected(*arguments: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(choosing, "template_windows", unexpected)
    again = chosen(bundle, OPENVINO)
    assert again.measured == first.measured
    window = torch.rand((1, 1, *WINDOW), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.engine(window), first.engine(window))


def test_an_engine_that_is_wrong_is_refused_by_name_and_passed_over_by_auto(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from neurograft.inference.engines.openvino_cpu import OpenVinoEngine

    right = OpenVinoEngine.__call__
    monkeypatch.setattr(OpenVinoEngine, "__call__", lambda engine, windows: right(engine, windows) * 0.9)
    with pytest.raises(InputError, match="openvino fp32: a probability is off by"):
        chosen(bundle, OPENVINO)
    with caplog.at_level(logging.INFO):
        assert describe(chosen(bundle, EngineRequest("auto", "fp32")).engine) == "torch fp32"
    assert "openvino fp32 is not used: a probability is off by" in caplog.text


def test_an_export_that_fails_leaves_pytorch(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    from neurograft.inference.engines import openvino_cpu

    def fail(*arguments: object) -> None:
        raise RuntimeError("no such operation\nand more")

    monkeypatch.setattr(openvino_cpu, "export", fail)
    found = chosen(bundle, EngineRequest("auto", "fp32"))
    assert describe(found.engine) == "torch fp32"
    assert found.measured["openvino fp32"].fault == "does not run this model (no such operation)"
    assert not list(cache.rglob("*.partial"))


@pytest.mark.parametrize("damage", ["lost", "one bit"])
def test_a_damaged_export_is_made_anew(
    damage: str, bundle: Bundle, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    window = torch.rand((1, 1, *WINDOW), generator=torch.Generator().manual_seed(0))
    before = chosen(bundle, OPENVINO).engine(window)
    (weights,) = cache.rglob("network.bin")
    whole = weights.read_bytes()
    # A weight of the wrong sign is read without complaint.
    weights.write_bytes(bytes([*whole[:3], whole[3] ^ 128, *whole[4:]]))
    if damage == "lost":
        weights.unlink()
    assert torch.equal(chosen(bundle, OPENVINO).engine(window), before)
    assert "is damaged, and is made anew" in caplog.text
    assert weights.read_bytes() == whole


def test_an_export_that_cannot_be_read_leaves_pytorch(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurograft.inference.engines import openvino_cpu

    chosen(bundle, OPENVINO)

    def fail(*arguments: object) -> None:
        raise RuntimeError("not here")

    monkeypatch.setattr(openvino_cpu, "OpenVinoEngine", fail)
    with pytest.raises(InputError, match=r"cannot be loaded.*Delete"):
        chosen(bundle, OPENVINO)


def test_a_full_disk_is_no_fault_of_the_engine(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurograft.inference.engines import openvino_cpu

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(openvino_cpu, "export", full)
        found = chosen(bundle, EngineRequest("auto", "fp32"))
        assert "No space left" in found.measured["openvino fp32"].fault
    assert describe(chosen(bundle, OPENVINO).engine) == "openvino fp32"


def test_another_threshold_or_version_is_measured_anew(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder() -> Path:
        return EngineStore(bundle, WINDOW, "cpu", {}).folder

    first = folder()
    monkeypatch.setattr("neurograft.__version__", "99.0")
    assert folder() != first
    monkeypatch.undo()
    recipe = bundle.info.recipe
    inference = recipe.inference.model_copy(update={"threshold": 0.123})
    info = bundle.info.model_copy(update={"recipe": recipe.model_copy(update={"inference": inference})})
    assert EngineStore(replace(bundle, info=info), WINDOW, "cpu", {}).folder != first


def test_half_precision_that_is_asked_for_is_given_or_refused(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="onnx runs in single precision"):
        chosen(bundle, EngineRequest("onnx", "bf16"))
    # Not single precision in its place, however little there is to do.
    with pytest.raises(InputError, match="torch bf16: only"):
        chosen(bundle, EngineRequest("auto", "bf16"), windows_ahead=1)


def test_a_model_that_cannot_see_the_test_windows_stays_with_pytorch(
    threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    masked = threshold_bundle(tmp_path / "masked", overrides=["preparation.brain=mask"])
    found = chosen(masked, EngineRequest("auto", "fp32"))
    assert describe(found.engine) == "torch fp32"
    assert "no other engine can be compared" in found.reason
    with pytest.raises(InputError, match="cannot be compared with PyTorch"):
        chosen(masked, OPENVINO)


def test_half_precision_is_used_only_where_masks_agree(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    # Thresholds in the middle of tissue: bf16 cannot tell on which side many voxels lie.
    with caplog.at_level(logging.INFO):
        found = chosen(bundle, EngineRequest("torch", "auto"))
    assert describe(found.engine) == "torch fp32"
    assert "torch bf16 is not used: only" in caplog.text
    with pytest.raises(InputError, match="torch bf16: only"):
        chosen(bundle, EngineRequest("torch", "bf16"))


def test_half_precision_is_not_vouched_for_where_nothing_is_found(
    threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    blind = threshold_bundle(tmp_path / "blind", [5.0], overrides=["preparation.normalisation=percentile"])
    with pytest.raises(InputError, match="show none of the labels"):
        chosen(blind, EngineRequest("torch", "bf16"))


def test_nothing_is_exported_for_little_work(bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected() -> bool:
        raise AssertionError("an engine was loaded to ask what it can do")

    monkeypatch.setattr(choosing, "_has_bf16", unexpected)
    found = chosen(bundle, EngineRequest("auto", "auto"), windows_ahead=3)
    assert describe(found.engine) == "torch fp32"
    assert "too little" in found.reason
    assert not cache.exists()


def test_a_slow_first_call_does_not_make_little_work_look_large(
    bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter((50.0, 0.1))
    monkeypatch.setattr(choosing, "_seconds", lambda engine, window: next(seconds))
    assert "too little" in chosen(bundle, EngineRequest("auto", "auto"), windows_ahead=3).reason
    assert not cache.exists()


def test_a_build_under_another_name_is_no_fault(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(choosing, "version", unknown)
    assert describe(chosen(bundle, EngineRequest("torch", "fp32")).engine) == "torch fp32"


def test_engines_that_are_not_here_are_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_is_installed", lambda package: False)
    with pytest.raises(InputError, match=r"--engine onnx needs the package onnxruntime\. Run: pip install"):
        chosen(bundle, EngineRequest("onnx", "fp32"))
    assert describe(chosen(bundle, EngineRequest("auto", "fp32")).engine) == "torch fp32"


def test_test_windows_never_change_and_show_a_brain(bundle: Bundle) -> None:
    network = bundle.network()
    windows = template_windows(bundle, network, WINDOW)
    assert windows.shape == (4, 1, *WINDOW)
    assert torch.equal(windows, template_windows(bundle, network, WINDOW))
    answers = TorchEngine(network)(windows).argmax(1)
    assert all((answers == label).float().mean() > 0.02 for label in (1, 2))


def test_small_voxels_and_priors_have_test_windows_too(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    fine = threshold_bundle(
        tmp_path / "fine",
        channels=["t1", "t2"],
        overrides=["preparation.spacing_mm=[0.5, 0.5, 2]", "preparation.crop=nonzero"],
    )
    windows = template_windows(fine, fine.network(), (8, 8, 8))
    assert windows.shape == (4, 2, 8, 8, 8)
    assert torch.isfinite(windows).all()
    assert not torch.equal(windows[:, 0], windows[:, 1])


def test_an_export_reports_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = pytest.importorskip("openvino_telemetry.utils.sender", reason="OpenVINO came without its telemetry")
    sent: list[object] = []
    monkeypatch.setattr(sender.TelemetrySender, "send", lambda *arguments: sent.append(arguments))
    from neurograft.inference.engines import openvino_cpu

    network = build_network(NetworkConfig(channels=(2, 2)), 1, 2, seed=1).eval()
    openvino_cpu.export(network, (1, 1, 8, 8, 8), tmp_path)
    openvino_cpu.OpenVinoEngine(tmp_path, "fp32", 1)(torch.zeros(1, 1, 8, 8, 8))
    assert sent == []
