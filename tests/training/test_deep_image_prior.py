from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map, write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import ComputeConfig
from neurograft.training.deep_image_prior import ImagePrior, fit_image_prior
from neurograft.training.image_prior_files import ImagePriorRequest, segment_with_image_prior

COMPUTE = ComputeConfig(device="cpu", precision="fp32", channels_last=True, threads=1)
QUICK = ImagePrior(steps=60, channels=(4, 8, 8))
SHAPE = (19, 17, 14)


def tube() -> tuple[np.ndarray, np.ndarray]:
    """A bright tube that wanders, in noise, and its truth."""
    rng = np.random.default_rng(0)
    x, y, z = np.indices(SHAPE)
    inside = (x - 9 - 3 * np.sin(y / 4)) ** 2 + (z - 7) ** 2 < 12
    image = rng.normal(0, 0.3, SHAPE) + 3.0 * inside
    return ((image - image.mean()) / image.std()).astype(np.float32), inside.astype(np.int16)


def in_slices(truth: np.ndarray, slices: list[int]) -> np.ndarray:
    few = np.full(SHAPE, IGNORE, np.int16)
    few[:, slices] = truth[:, slices]
    return few


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_it_fills_in_what_lies_between_drawn_slices() -> None:
    image, truth = tube()
    few = in_slices(truth, [2, 9, 15])
    fit = fit_image_prior(image, few, ("tube",), QUICK, 0, COMPUTE)
    assert fit.drawn_voxels == 3 * 19 * 14
    assert dice(fit.classes == 1, truth == 1) > 0.85
    assert fit.image_error < 0.5


@pytest.mark.parametrize("start", ["noise", "image"])
def test_the_seed_decides(start) -> None:
    image, truth = tube()
    config = replace(QUICK, steps=4, start=start)
    calls: list[tuple[int, int]] = []
    few = in_slices(truth, [2, 9])
    first, again, other = (
        fit_image_prior(image, few, ("tube",), config, seed, COMPUTE, lambda *done: calls.append(done))
        for seed in (3, 3, 4)
    )
    assert (first.image_error, first.label_loss) == (again.image_error, again.label_loss)
    assert first.image_error != other.image_error
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)] * 3


def test_voxels_that_nobody_drew_do_not_count() -> None:
    image, truth = tube()
    config = replace(QUICK, steps=4)
    few = in_slices(truth, [2, 9])
    fit = fit_image_prior(image, few, ("tube",), config, 0, COMPUTE)
    more = fit_image_prior(image, in_slices(truth, [2, 9, 12]), ("tube",), config, 0, COMPUTE)
    assert fit.label_loss != more.label_loss
    with pytest.raises(ValueError, match="no voxel is annotated"):
        fit_image_prior(image, np.full(SHAPE, IGNORE), ("tube",), config, 0, COMPUTE)


@pytest.fixture
def request_on_disk(tmp_path: Path) -> ImagePriorRequest:
    image, truth = tube()
    grid = Grid.from_affine(SHAPE, np.diag([1.0, 2.0, 1.0, 1.0]))
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[:, [4, 8, 12]] = 7 * truth[:, [4, 8, 12]]
    write_image(tmp_path / "scan.nii.gz", image, grid)
    write_label_map(tmp_path / "drawn.nii.gz", drawn, grid)
    (tmp_path / "labels.tsv").write_text("index\tname\n7\ttube\n")
    return ImagePriorRequest(
        tmp_path / "scan.nii.gz",
        tmp_path / "drawn.nii.gz",
        tmp_path / "filled.nii.gz",
        QUICK,
        slice_axis="coronal",
        margin_mm=4,
        compute=COMPUTE,
    )


def test_files_in_a_file_out(request_on_disk: ImagePriorRequest) -> None:
    summary = segment_with_image_prior(request_on_disk)
    filled, drawn = read_label_map(request_on_disk.out), read_label_map(request_on_disk.label)
    assert filled.grid.same_as(drawn.grid)
    assert np.array_equal(filled.data[:, [4, 8, 12]], drawn.data[:, [4, 8, 12]]), "what was drawn stays"
    assert set(np.unique(filled.data)) == {0, 7}
    assert summary["voxels_tube"] == (filled.data == 7).sum() > (drawn.data == 7).sum()
    # Two slices of 2 mm lie within 4 mm of the outer drawn ones, and nothing farther is looked at.
    assert not filled.data[:, [0, 1, 15, 16]].any()
    _, truth = tube()
    assert dice(filled.data[:, 4:13] == 7, truth[:, 4:13] == 1) > 0.8
    with pytest.raises(InputError, match="the output exists"):
        segment_with_image_prior(request_on_disk)
    short = replace(request_on_disk, overwrite=True, config=replace(QUICK, steps=4))
    assert segment_with_image_prior(short)["steps"] == 4


def test_what_cannot_be_filled_in(request_on_disk: ImagePriorRequest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would pass for background"):
        segment_with_image_prior(replace(request_on_disk, slice_axis=None))
    with pytest.raises(InputError, match=r"Write one of sagittal, coronal, axial"):
        segment_with_image_prior(replace(request_on_disk, slice_axis="oblique"))
    grid = read_label_map(request_on_disk.label).grid
    write_label_map(tmp_path / "empty.nii.gz", np.zeros(SHAPE, np.uint8), grid)
    with pytest.raises(InputError, match="no voxel has a label"):
        segment_with_image_prior(replace(request_on_disk, label=tmp_path / "empty.nii.gz"))
    other = Grid.from_affine((8, 8, 8), np.eye(4))
    write_label_map(tmp_path / "elsewhere.nii.gz", np.full((8, 8, 8), 7, np.uint8), other)
    with pytest.raises(InputError, match="does not lie on the image's grid"):
        segment_with_image_prior(replace(request_on_disk, label=tmp_path / "elsewhere.nii.gz"))
    assert not request_on_disk.out.exists()
    before = request_on_disk.label.read_bytes()
    with pytest.raises(InputError, match="would replace what it is made from"):
        segment_with_image_prior(replace(request_on_disk, out=request_on_disk.label, overwrite=True))
    assert request_on_disk.label.read_bytes() == before
