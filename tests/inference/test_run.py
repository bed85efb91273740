import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import fingerprint_cohort, open_cohort, open_scans, read_bids
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.inference import run
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle

BundleMaker = Callable[..., Bundle]
SHAPE = (11, 9, 10)

OBLIQUE = np.array([[0.9, -0.3, 0.1, -7.0], [0.25, 1.1, -0.2, 4.0], [0.05, 0.2, 1.4, 9.0], [0, 0, 0, 1]])
OBLIQUE[:3, :3], _ = np.linalg.qr(OBLIQUE[:3, :3])
OBLIQUE[:3, :3] *= [0.8, 0.8, 1.6]
AFFINES = {
    "RAS": np.diag([1.0, 1.0, 1.0, 1.0]),
    "LPI": np.array([[-1.0, 0, 0, 90], [0, -1, 0, 126], [0, 0, -1, 72], [0, 0, 0, 1]]),
    "axes in another order": np.array([[0, 0, 1.2, 3], [-0.7, 0, 0, 5], [0, 0.9, 0, -4], [0, 0, 0, 1]]),
    "anisotropic": np.diag([0.5, 0.5, 3.0, 1.0]),
    "oblique": OBLIQUE,
}


def voxels(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Even numbers of hundredths, so that no voxel lies on an odd threshold."""
    return np.random.default_rng(seed).integers(0, 50, shape).astype(np.float32) / 50


def write_nifti1(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_sform(affine, 2)
    image.header.set_qform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)


@pytest.mark.parametrize("spacing", ["null", "[2, 2, 2]"])
@pytest.mark.parametrize("kind", [*AFFINES, "4D", "NIfTI-2", "MGZ", "uncompressed", "micrometres"])
def test_masks_lie_on_the_grid_of_the_scan(
    kind: str, spacing: str, threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    data, affine = voxels(), AFFINES.get(kind, AFFINES["oblique"])
    name = {"MGZ": "scan.mgz", "uncompressed": "scan.nii"}.get(kind, "scan.nii.gz")
    file = tmp_path / name
    if kind == "NIfTI-2":
        nibabel.save(nibabel.Nifti2Image(data, affine), file)
    elif kind == "MGZ":
        nibabel.save(nibabel.MGHImage(data, affine), file)
    elif kind == "micrometres":
        in_micrometres = affine.copy()
        in_micrometres[:3] *= 1000
        image = nibabel.Nifti1Image(data, in_micrometres)
        image.header.set_xyzt_units("micron", "sec")
        nibabel.save(image, file)
    else:
        write_nifti1(file, data[..., None] if kind == "4D" else data, affine)
    options = [f"preparation.spacing_mm={spacing}", "preparation.interpolation=nearest"]
    bundle = threshold_bundle(tmp_path / "model", [0.51], overrides=options)
    frame = predict_cohort(PredictionRequest([bundle], open_scans(file, ["image"]), tmp_path / "out"))
    source, mask = nibabel.load(file), nibabel.load(tmp_path / "out" / "scan_dseg.nii.gz")
    assert mask.shape == source.shape
    np.testing.assert_allclose(mask.affine, source.affine, atol=1e-5)
    if kind != "MGZ":
        assert type(mask) is (nibabel.Nifti2Image if kind == "NIfTI-2" else nibabel.Nifti1Image)
        for code in ("qform_code", "sform_code", "xyzt_units"):
            assert mask.header[code] == source.header[code]
        np.testing.assert_allclose(mask.header.get_qform(), source.header.get_qform(), atol=1e-5)
        np.testing.assert_allclose(mask.header.get_zooms(), source.header.get_zooms(), rtol=1e-6)
    found = np.asarray(mask.dataobj).reshape(SHAPE)
    assert set(np.unique(found)) <= {0, 1}
    if spacing == "null":
        assert np.array_equal(found, data > 0.51)
    mm = 1000.0 if kind == "micrometres" else 1.0
    voxel_mm3 = abs(np.linalg.det(source.affine[:3, :3])) / mm**3
    assert frame["voxels"].tolist() == [found.sum()]
    assert frame["volume_mm3"].tolist() == pytest.approx([found.sum() * voxel_mm3], abs=1e-3)


def write_scans(folder: Path, count: int = 3) -> None:
    folder.mkdir()
    for number in range(count):
        write_image(
            folder / f"s{number}.nii.gz", voxels(number), Grid.from_affine(SHAPE, np.diag([1.0, 2.0, 1.0, 1.0]))
        )


def test_volumes_and_probabilities(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans")
    bundle = threshold_bundle(tmp_path / "m", [0.31, 2.0], ["dim", "never"], [4, 9], slope=4, spacing_mm=(1, 2, 1))
    calls: list[tuple[int, int]] = []
    request = PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / "out", True)
    frame = predict_cohort(request, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    written = pd.read_csv(tmp_path / "out" / "volumes.tsv", sep="\t")
    columns = ["case", "subject", "session", "label", "index", "voxels", "volume_mm3", "mask", "seen_in_training"]
    assert list(written.columns) == list(frame.columns) == [*columns, "region", "oracle"]
    assert written[["case", "label", "index"]].values.tolist() == [
        [f"s{number}", label, index] for number in range(3) for label, index in (("dim", 4), ("never", 9))
    ]
    for number, rows in enumerate(frame.to_dict("records")[::2]):
        count = int((voxels(number) > 0.31).sum())
        assert (rows["voxels"], rows["volume_mm3"], rows["mask"]) == (count, 2.0 * count, f"s{number}_dseg.nii.gz")
        assert set(np.unique(read_image(tmp_path / "out" / rows["mask"]).data)) == {0, 4}
        # softmax over background, dim and never
        logits = np.stack([0 * voxels(number), 4 * (voxels(number) - 0.31), 8 * voxels(number) - 4 * 2.31])
        expected = np.exp(logits[1:]) / np.exp(logits).sum(0)
        for label, probability in zip(("Dim", "Never"), expected, strict=True):
            found = read_image(tmp_path / "out" / f"s{number}_label-{label}_probseg.nii.gz").data
            np.testing.assert_allclose(found, probability, atol=1e-5)
    assert (frame["voxels"].to_numpy()[1::2] == 0).all()
    assert (tmp_path / "out" / "labels.tsv").read_text() == "index\tname\n4\tdim\n9\tnever\n"
    models = json.loads((tmp_path / "out" / "prediction.json").read_text())["models"]
    assert models == [{"name": "m", "weights_sha256": bundle.info.weights_sha256}]


def test_an_interrupted_prediction_goes_on_where_it_stopped(
    threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "scans", 4)
    bundle = threshold_bundle(tmp_path / "m", [0.51])

    def request(out: str) -> PredictionRequest:
        return PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / out, True)

    undisturbed = predict_cohort(request("undisturbed"))
    segmented = []
    original = run.Segmenter.segment

    def segment(self: run.Segmenter, volumes: list, *args: object) -> object:
        segmented.append(volumes[0].path.name)
        if len(segmented) == 3:
            raise KeyboardInterrupt
        return original(self, volumes, *args)

    monkeypatch.setattr(run.Segmenter, "segment", segment)
    with pytest.raises(KeyboardInterrupt):
        predict_cohort(request("cut"))
    assert not (tmp_path / "cut").exists()
    again = predict_cohort(request("cut"))
    assert segmented == ["s0.nii.gz", "s1.nii.gz", "s2.nii.gz", "s2.nii.gz", "s3.nii.gz"]
    pd.testing.assert_frame_equal(again, undisturbed)
    names = sorted(path.name for path in (tmp_path / "undisturbed").iterdir())
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == names
    for name in names:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def cut_after_the_first(request: PredictionRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cut a prediction off in its second case; the list names the scans that it came to, and grows."""
    segmented: list[str] = []
    original = run.Segmenter.segment

    def segment(self: run.Segmenter, volumes: list, *args: object) -> object:
        segmented.append(volumes[0].path.name)
        if len(segmented) == 2:
            raise KeyboardInterrupt
        return original(self, volumes, *args)

    monkeypatch.setattr(run.Segmenter, "segment", segment)
    with pytest.raises(KeyboardInterrupt):
        predict_cohort(request)
    return segmented


def test_a_scan_replaced_after_an_interruption_is_segmented_anew(
    threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "scans", 2)
    bundle = threshold_bundle(tmp_path / "m", [0.51])
    request = PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / "cut")
    segmented = cut_after_the_first(request, monkeypatch)
    later = time.time_ns() + 10**9
    os.utime(tmp_path / "scans" / "s0.nii.gz", ns=(later, later))
    predict_cohort(request)
    assert segmented == ["s0.nii.gz", "s1.nii.gz", "s0.nii.gz", "s1.nii.gz"]


@pytest.mark.parametrize("change", ["nothing", "an older scan", "another mask", "the memory"])
def test_a_finished_mask_is_kept_only_for_what_it_was_made_from(
    change: str, threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "scans", 2)
    scans = open_scans(tmp_path / "scans", ["image"])
    masks = []
    for name in ("one", "other"):
        masks.append(tmp_path / f"{name}.nii.gz")
        write_label_map(masks[-1], np.ones(SHAPE, np.uint8), Grid.from_affine(SHAPE, np.diag([1.0, 2.0, 1.0, 1.0])))
        os.utime(masks[-1], ns=(10**18, 10**18))
    masked = replace(scans, cases=tuple(replace(case, mask=masks[0]) for case in scans.cases))
    request = PredictionRequest([threshold_bundle(tmp_path / "m", [0.51])], masked, tmp_path / "cut", memory_mib=100)
    segmented = cut_after_the_first(request, monkeypatch)
    if change == "an older scan":
        write_image(tmp_path / "scans" / "s0.nii.gz", voxels(7), Grid.from_affine(SHAPE, np.diag([1.0, 2.0, 1.0, 1.0])))
        os.utime(tmp_path / "scans" / "s0.nii.gz", ns=(10**18, 10**18))
    elif change == "another mask":
        first, *others = masked.cases
        request = replace(request, scans=replace(masked, cases=(replace(first, mask=masks[1]), *others)))
    elif change == "the memory":
        request = replace(request, memory_mib=0.01)
    predict_cohort(request)
    assert segmented[2:] == (["s1.nii.gz"] if change == "nothing" else ["s0.nii.gz", "s1.nii.gz"])
    assert not (tmp_path / "cut" / "finished.jsonl").exists()


def test_what_is_finished_survives_a_scan_that_cannot_be_read(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 2)
    bundle = threshold_bundle(tmp_path / "m", [0.51])
    good = (tmp_path / "scans" / "s1.nii.gz").read_bytes()
    (tmp_path / "scans" / "s1.nii.gz").write_bytes(good[:-30])

    def request() -> PredictionRequest:
        return PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / "out")

    with pytest.raises(InputError, match=r"s1\.nii\.gz"):
        predict_cohort(request())
    assert (tmp_path / ".out.partial" / "s0_dseg.nii.gz").is_file()
    (tmp_path / "scans" / "s1.nii.gz").write_bytes(good)
    assert len(predict_cohort(request())) == 2


def test_an_error_in_the_first_scan_leaves_nothing_in_the_way(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 2)
    (tmp_path / "scans" / "s0.nii.gz").write_text("no image")
    bundle = threshold_bundle(tmp_path / "m", [0.51])
    with pytest.raises(InputError, match=r"s0\.nii\.gz"):
        predict_cohort(PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / "out"))
    (tmp_path / "scans" / "s0.nii.gz").unlink()
    predict_cohort(PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / "out"))


def test_bids_input_gives_a_bids_derivative(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for subject in ("01", "02"):
        folder = root / f"sub-{subject}" / "ses-a" / "anat"
        folder.mkdir(parents=True)
        write_image(folder / f"sub-{subject}_ses-a_T1w.nii.gz", voxels(), Grid.from_affine(SHAPE, np.eye(4)))
    (root / "dataset_description.json").write_text(json.dumps({"Name": "raw", "BIDSVersion": "1.10.0"}))
    scans = read_bids(root)
    bundle = threshold_bundle(tmp_path / "m", [0.51], channels=list(scans.channels))
    frame = predict_cohort(PredictionRequest([bundle], scans, tmp_path / "out", True))
    mask = "sub-01/ses-a/anat/sub-01_ses-a_desc-neurograft_dseg.nii.gz"
    assert frame["mask"].iloc[0] == mask
    assert np.array_equal(read_image(tmp_path / "out" / mask).data, voxels() > 0.51)
    assert (tmp_path / "out" / mask.replace("desc-neurograft_dseg", "label-Bright_desc-neurograft_probseg")).is_file()
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert (tmp_path / "out" / "desc-neurograft_dseg.tsv").is_file()


def write_two_channels(folder: Path, columns: tuple[str, ...]) -> Path:
    folder.mkdir()
    rows = ["\t".join(["subject", *columns])]
    for seed, column in enumerate(columns):
        write_image(folder / f"{column}.nii.gz", voxels(seed), Grid.from_affine(SHAPE, np.eye(4)))
    rows.append("\t".join(["p", *(f"{column}.nii.gz" for column in columns)]))
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    return folder / "cohort.tsv"


def test_channels_are_taken_by_name_whatever_their_order(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "m", [0.51], channels=["t1", "t2"], reads=1)
    table = write_two_channels(tmp_path / "c", ("image_t2", "image_flair", "image_t1"))
    predict_cohort(PredictionRequest([bundle], open_cohort(table), tmp_path / "out"))
    t2 = voxels(0)
    assert np.array_equal(read_image(tmp_path / "out" / "p_dseg.nii.gz").data, t2 > 0.51)


def test_a_channel_that_is_missing_is_named(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "m", [0.51], channels=["t1", "t2"])
    table = write_two_channels(tmp_path / "c", ("image_t1",))
    with pytest.raises(InputError, match="the model needs the channels t1, t2; here are t1") as caught:
        predict_cohort(PredictionRequest([bundle], open_cohort(table), tmp_path / "out"))
    assert caught.value.file == table
    (tmp_path / "scan").mkdir()
    write_image(tmp_path / "scan" / "a.nii.gz", voxels(), Grid.from_affine(SHAPE, np.eye(4)))
    with pytest.raises(InputError, match=r"2 channels \(t1, t2\), which bare files cannot say"):
        open_scans(tmp_path / "scan", ["t1", "t2"])


def test_some_of_the_names_in_common_and_as_many_channels_is_no_match(
    threshold_bundle: BundleMaker, tmp_path: Path
) -> None:
    bundle = threshold_bundle(tmp_path / "m", [0.51], channels=["t1", "t2"], reads=0)
    # By position, t2 would be given to the network as its t1.
    table = write_two_channels(tmp_path / "c", ("image_t2", "image_flair"))
    with pytest.raises(InputError, match="the model needs the channels t1, t2; here are t2, flair"):
        predict_cohort(PredictionRequest([bundle], open_cohort(table), tmp_path / "out"))


def test_channels_of_other_names_are_taken_in_order_and_said(
    threshold_bundle: BundleMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = threshold_bundle(tmp_path / "m", [0.51], channels=["t1", "t2"], reads=1)
    table = write_two_channels(tmp_path / "c", ("image_a", "image_b"))
    with caplog.at_level(logging.WARNING):
        predict_cohort(PredictionRequest([bundle], open_cohort(table), tmp_path / "out"))
    assert "channels by position: t1 = a, t2 = b" in caplog.text
    assert np.array_equal(read_image(tmp_path / "out" / "p_dseg.nii.gz").data, voxels(1) > 0.51)


def test_people_of_the_training_are_marked(
    threshold_bundle: BundleMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_scans(tmp_path / "scans", 2)
    (tmp_path / "table.tsv").write_text("subject\timage\nx\tscans/s1.nii.gz\n")
    seen = fingerprint_cohort(open_cohort(tmp_path / "table.tsv"))
    bundle = threshold_bundle(tmp_path / "m", [0.51], seen=seen)
    with caplog.at_level(logging.WARNING):
        frame = predict_cohort(PredictionRequest([bundle], open_scans(tmp_path / "scans", ["image"]), tmp_path / "out"))
    assert frame["seen_in_training"].tolist() == ["no", "yes"]
    assert "s1 was among the training subjects" in caplog.text
    assert "s0 was among" not in caplog.text


@pytest.mark.parametrize(("spacing", "warned"), [((1, 1, 2), False), ((1.05, 2, 1), False), ((1, 1, 1), True)])
def test_other_voxel_sizes_than_in_training_are_said(
    spacing: tuple[float, float, float],
    warned: bool,
    threshold_bundle: BundleMaker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_scans(tmp_path / "scans", 1)
    scans = open_scans(tmp_path / "scans", ["image"])
    with caplog.at_level(logging.WARNING):
        predict_cohort(
            PredictionRequest([threshold_bundle(tmp_path / "m", spacing_mm=spacing)], scans, tmp_path / "out")
        )
    text = "s0 has voxels of 1.00 x 2.00 x 1.00 mm, the training images had 1.00 x 1.00 x 1.00 mm"
    assert (text in caplog.text) == warned
    caplog.clear()
    resampling = threshold_bundle(tmp_path / "r", spacing_mm=spacing, overrides=["preparation.spacing_mm=[1, 1, 1]"])
    with caplog.at_level(logging.WARNING):
        predict_cohort(PredictionRequest([resampling], scans, tmp_path / "resampled"))
    assert "has voxels of" not in caplog.text


def test_nobody_to_predict_on(threshold_bundle: BundleMaker, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 1)
    scans = open_scans(tmp_path / "scans", ["image"])
    nobody = type(scans)(scans.name, scans.source, scans.kind, scans.channels, scans.labels, ())
    with pytest.raises(InputError, match="no scan to predict on"):
        predict_cohort(PredictionRequest([threshold_bundle(tmp_path / "m")], nobody, tmp_path / "out"))
