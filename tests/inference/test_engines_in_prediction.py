"""Predictions by other engines, within a bound on memory, and what their files say of it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurograft.cohorts import open_scans
from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume
from neurograft.inference.engines import EngineRequest, choosing
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle

BundleMaker = Callable[..., Bundle]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))


def volume(seed: int = 0, shape: tuple[int, int, int] = (30, 17, 22)) -> Volume:
    """Even numbers of hundredths, so that no voxel lies on an odd threshold."""
    data = np.random.default_rng(seed).integers(0, 50, shape).astype(np.float32) / 50
    return Volume(data, Grid.from_affine(shape, np.eye(4)))


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_masks_are_pytorchs(engine: str, threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxruntime"}[engine], reason=f"{engine} was not tried")
    bundle = threshold_bundle(tmp_path / "m", [0.31, 0.71], ["dim", "bright"], [4, 9])
    scans = tmp_path / "scans"
    scans.mkdir()
    for seed in range(3):
        image = volume(seed)
        nib.Nifti1Image(image.data, np.eye(4)).to_filename(scans / f"s{seed}.nii.gz")
    for name, request in (("plain", EngineRequest()), (engine, EngineRequest(engine, "fp32"))):
        out = tmp_path / name
        predict_cohort(PredictionRequest([bundle], open_scans(scans, ["image"]), out, engines=request))
    told = json.loads((tmp_path / engine / "prediction.json").read_text())
    assert told["engines"] == [f"{engine} fp32"]
    for mask in sorted((tmp_path / "plain").glob("*.nii.gz")):
        found = np.asarray(nib.load(tmp_path / engine / mask.name).dataobj)
        assert np.array_equal(found, np.asarray(nib.load(mask).dataobj))
        assert set(np.unique(found)) == {0, 4, 9}
    assert (tmp_path / "plain" / "volumes.tsv").read_text() == (tmp_path / engine / "volumes.tsv").read_text()


def test_an_engine_that_cannot_run_is_said_before_anything_is_written(
    threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_is_installed", lambda package: False)
    nib.Nifti1Image(volume().data, np.eye(4)).to_filename(tmp_path / "s.nii.gz")
    scans = open_scans(tmp_path / "s.nii.gz", ["image"])
    request = PredictionRequest(
        [threshold_bundle(tmp_path / "m")], scans, tmp_path / "out", engines=EngineRequest("openvino", "auto")
    )
    with pytest.raises(InputError, match="needs the package openvino"):
        predict_cohort(request)
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == []


def test_a_bound_on_memory_keeps_the_mask(
    threshold_bundle: BundleMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = volume()
    bundles = [
        threshold_bundle(tmp_path / f"m{k}", [0.51], overrides=[f"inference.window=[8, 8, {8 + k}]"]) for k in (0, 2)
    ]
    whole = Segmenter(bundles).segment([image]).classes
    for bound, words in ((100.0, None), (0.06, "half precision"), (1e-3, "more than the 0 MiB allowed")):
        caplog.clear()
        with caplog.at_level(logging.INFO, "neurograft.inference"):
            segmenter = Segmenter(bundles, memory_mib=bound)
            found = segmenter.segment([image]).classes
            segmenter.segment([image])
        assert np.array_equal(found, whole)
        assert sum(words in record.getMessage() for record in caplog.records) == 1 if words else not caplog.records
        assert segmenter.runners.plan is not None
        assert segmenter.runners.plan.is_exact == (words is None)
    assert np.array_equal(whole, image.data > 0.51)


def test_classes_are_those_of_kept_probabilities(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    """Decided slab by slab, or all at once from probabilities that are written."""
    image = volume(4, (40, 9, 21))
    bundles = [threshold_bundle(tmp_path / f"m{k}", [t], slope=s) for k, (t, s) in enumerate([(0.2, 3), (0.7, 9)])]
    segmenter = Segmenter(bundles)
    slabs = segmenter.segment([image])
    kept = segmenter.segment([image], keep_probabilities=True)
    assert np.array_equal(slabs.classes, kept.classes)
    assert kept.probabilities is not None
    clear = np.abs(kept.probabilities[0] - 0.5) > 1e-5
    assert np.array_equal(slabs.classes[clear], (kept.probabilities[0] > 0.5)[clear])
