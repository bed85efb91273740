from dataclasses import replace

import numpy as np
import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.recipes.loading import override_recipe
from neurograft.training.synthetic_cohort import write_synthetic_cohort

MADE = [
    "synthesis.enabled=true",
    "synthesis.std=[0, 0]",
    "synthesis.blur_sigma_mm=[0, 0]",
    *(
        f"synthesis.{name}_probability=0"
        for name in ("bias", "gamma", "low_resolution", "noise", "ringing", "ghost", "strip", "partial_view")
    ),
    "synthesis.sides_differ_probability=1",
    "augmentation.flip_axes=[left-right]",
    "augmentation.flip_probability=1",
    "preparation.spacing_mm=[1, 1, 1]",
]


@pytest.fixture
def maps(tmp_path) -> Cohort:
    """One map of 2 mm voxels: left on the left, in a volume whose first axis runs to the left."""
    label = np.zeros((12, 10, 10), np.uint8)
    label[7:10, 3:7, 3:7], label[2:5, 3:7, 3:7] = 4, 9
    folder = tmp_path / "maps"
    folder.mkdir()
    write_label_map(folder / "a.nii.gz", label, Grid.from_affine(label.shape, np.diag([-2.0, 2.0, 2.0, 1.0])))
    (folder / "labels.tsv").write_text("index\tname\tintensity_class\n4\tleft x\t1\n9\tright x\t2\n")
    return open_cohort(folder)


def test_what_is_written_is_a_cohort_whose_labels_fit_its_images(maps, tmp_path):
    table = write_synthetic_cohort(maps, override_recipe({}, MADE), tmp_path / "out", images_each=3)
    cohort = open_cohort(table)
    assert (cohort.channels, cohort.subjects, len(cohort)) == (("image",), ("a",), 3)
    assert {label.name: label.values for label in cohort.labels.labels} == {"left x": (4,), "right x": (9,)}
    looks = set()
    for case in cohort.cases:
        image, label = read_image(case.images["image"]), read_label_map(case.label)
        assert image.grid.same_as(label.grid)
        assert image.grid.spacing_mm == (1, 1, 1)
        grey = [np.unique(image.data[label.data == value]) for value in (4, 9)]
        assert [len(levels) for levels in grey] == [1, 1]
        looks.add(float(grey[0][0]))
        middles = [image.grid.affine[0, :3] @ np.argwhere(label.data == value).mean(0) for value in (4, 9)]
        # Every image is mirrored here, and left is left all the same.
        assert middles[0] < middles[1]
    assert len(looks) == 3


@pytest.mark.parametrize("state", ["slices", {"left x": "dense", "right x": "none"}])
def test_what_was_not_looked_for_everywhere_is_refused(maps, tmp_path, state):
    partial = replace(maps, cases=(replace(maps.cases[0], label_state=state),))
    with pytest.raises(InputError, match="right x is not annotated throughout in case a"):
        write_synthetic_cohort(partial, override_recipe({}, MADE), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_seed_gives_its_images(maps, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_synthetic_cohort(maps, override_recipe({}, MADE), tmp_path / name, seed=seed)
    one, same, other = (read_image(tmp_path / name / "images/a_01_image.nii.gz").data for name in "abc")
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_channels_have_columns_of_their_own(maps, tmp_path):
    recipe = override_recipe({}, [*MADE, "synthesis.channels=[T1w, T2w]"])
    assert open_cohort(write_synthetic_cohort(maps, recipe, tmp_path / "out")).channels == ("T1w", "T2w")


def test_what_cannot_be_made(maps, tmp_path):
    with pytest.raises(InputError, match="makes no images"):
        write_synthetic_cohort(maps, override_recipe({}, []), tmp_path / "out")
    with pytest.raises(InputError, match="no partner for left x"):
        write_synthetic_cohort(maps, override_recipe({}, [*MADE, "labels=[left x]"]), tmp_path / "out")
