from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurograft.cohorts import Cohort
from neurograft.cohorts.scans import open_scans
from neurograft.cohorts.typical import choose_typical
from neurograft.errors import InputError

Make = Callable[[dict[str, str]], Cohort]
PATTERNS = {"x": (20, 3, 3), "y": (3, 20, 3), "z": (3, 3, 20)}
"""Where a bright ball lies, in voxels of 24 x 24 x 24."""


def scan(kind: str, seed: int, noise: float = 0.3) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(24.0)] * 3, indexing="ij"))
    squares = sum((axis - middle) ** 2 for axis, middle in zip(grid, PATTERNS[kind], strict=True))
    generator = np.random.default_rng(seed)
    return np.asarray(100 + 50 * np.exp(-squares / 30) + generator.normal(0, noise, squares.shape), np.float32)


def opened(folder: Path, names: Sequence[str], subjects: dict[str, str] | None = None) -> Cohort:
    cohort = open_scans(folder, ["image"])
    cases = [replace(case, subject=(subjects or {}).get(case.id, case.id)) for case in cohort.cases if case.id in names]
    return replace(cohort, cases=tuple(cases))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def cohort(kinds: dict[str, str]) -> Cohort:
        for number, (name, kind) in enumerate(kinds.items()):
            nib.save(nib.Nifti1Image(scan(kind, number), np.eye(4)), tmp_path / f"{name}.nii.gz")
        return opened(tmp_path, list(kinds))

    return cohort


KINDS = {"a": "x", "b": "x", "c": "x", "d": "y", "e": "y", "f": "z", "g": "z", "h": "z"}


def test_one_of_each_kind_is_chosen_and_stands_for_it(make: Make) -> None:
    read = []
    found = choose_typical(make(KINDS), 3, progress=lambda done, total: read.append((done, total)))
    assert sorted(KINDS[name] for name in found.chosen) == ["x", "y", "z"]
    assert all(KINDS[name] == KINDS[nearest] for name, nearest in found.nearest.items())
    assert found.distance < 0.5 * found.random_distance
    assert read[-1] == (8, 8)


def test_who_is_labelled_stands_for_others_and_is_not_chosen(make: Make) -> None:
    found = choose_typical(make(KINDS), 2, labelled=["b"])
    assert sorted(KINDS[name] for name in found.chosen) == ["y", "z"]
    assert found.nearest["a"] == found.nearest["c"] == "b"


def test_neither_order_nor_axes_nor_scale_change_the_choice(make: Make, tmp_path: Path) -> None:
    cohort = make(KINDS)
    found = choose_typical(cohort, 3)
    assert choose_typical(replace(cohort, cases=cohort.cases[::-1]), 3) == found
    for number, name in enumerate(KINDS):
        image = nib.load(tmp_path / f"{name}.nii.gz")
        turned = image.as_reoriented(nib.orientations.axcodes2ornt(("L", "S", "P") if number % 2 else ("P", "R", "I")))
        nib.save(nib.Nifti1Image(3 * turned.get_fdata().astype(np.float32), turned.affine), tmp_path / f"{name}.nii.gz")
    assert choose_typical(cohort, 3).chosen == found.chosen


def test_no_exchange_is_better(tmp_path: Path) -> None:
    names = [f"p{n:02}" for n in range(12)]
    generator = np.random.default_rng(0)
    weights = generator.dirichlet((0.4, 0.4, 0.4), len(names))
    for name, (x, y, z) in zip(names, weights, strict=True):
        data = x * scan("x", 0) + y * scan("y", 1) + z * scan("z", 2)
        nib.save(nib.Nifti1Image(data.astype(np.float32), np.eye(4)), tmp_path / f"{name}.nii.gz")
    cohort = opened(tmp_path, names)
    found = choose_typical(cohort, 3)
    blocks = []
    for case in cohort.cases:
        data = np.asarray(nib.load(case.images["image"]).dataobj, np.float64)
        data = np.clip(data, *np.percentile(data, (0.5, 99.5)))
        coarse = data.reshape(12, 2, 12, 2, 12, 2).mean((1, 3, 5)).ravel()
        blocks.append((coarse - coarse.mean()) / coarse.std())

    def cost(chosen: set[str]) -> float:
        of = [blocks[names.index(name)] for name in chosen]
        return float(np.mean([min(np.sqrt(((one - other) ** 2).mean()) for other in of) for one in blocks]))

    chosen = set(found.chosen)
    assert cost(chosen) == pytest.approx(found.distance, rel=1e-4)
    for left in chosen:
        for joined in set(names) - chosen:
            assert cost(chosen - {left} | {joined}) >= found.distance * (1 - 1e-6)
    assert found.random_distance > found.distance


def test_scans_of_one_person_are_matched_with_another_s(make: Make, tmp_path: Path) -> None:
    make(KINDS)
    # Two people with a scan of either kind are alike; one with a single scan is half like them.
    owners = {"a": "both", "d": "both", "b": "other", "e": "other"}
    cohort = opened(tmp_path, list(KINDS), owners)
    shuffled = replace(cohort, cases=tuple(cohort.cases[n] for n in (3, 6, 1, 0, 7, 2, 5, 4)))
    for one in (cohort, shuffled):
        found = choose_typical(one, 2)
        assert sorted(found.scans) == ["both", "c", "f", "g", "h", "other"]
        assert found.scans == {name: 1 + (name in ("both", "other")) for name in found.scans}
        assert len({"both", "other"} & set(found.chosen)) == 1
        assert len({"f", "g", "h"} & set(found.chosen)) == 1
        assert found.nearest["both"] == found.nearest["other"]
        assert found.nearest["c"] == found.nearest["both"], "matched with the scan of its kind"
    assert choose_typical(shuffled, 2) == choose_typical(cohort, 2)


def test_copies_of_one_scan_stand_for_themselves_once_chosen(make: Make, tmp_path: Path) -> None:
    cohort = make({"a": "x", "b": "x", "c": "y"})
    (tmp_path / "b.nii.gz").write_bytes((tmp_path / "a.nii.gz").read_bytes())
    found = choose_typical(cohort, 2, labelled=["a"])
    assert found.chosen == ("b", "c")
    assert found.nearest == {"a": "a", "b": "b", "c": "c"}
    assert found.distance == 0
    # The first of equal ones.
    assert choose_typical(cohort, 2).chosen == ("a", "c")


def test_all_but_the_labelled_may_be_chosen(make: Make) -> None:
    found = choose_typical(make(KINDS), 7, labelled=["a"])
    assert found.chosen == tuple("bcdefgh")
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert found.random_distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("count", "labelled", "message"),
    [
        (9, [], "cannot choose 9 of 8 people"),
        (8, ["a"], "cannot choose 8 of 7 people"),
        (0, [], "at least one person"),
        (1, ["nobody"], "no subject 'nobody'"),
    ],
)
def test_what_cannot_be_chosen(make: Make, count: int, labelled: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_typical(make(KINDS), count, labelled)


def test_a_scan_that_cannot_be_read_is_named(make: Make, tmp_path: Path) -> None:
    cohort = make(KINDS)
    (tmp_path / "d.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"d\.nii\.gz"):
        choose_typical(cohort, 2)


def test_a_case_without_a_scan_is_refused(make: Make) -> None:
    cohort = make(KINDS)
    cases = (replace(cohort.cases[0], images={}, label=Path("only.nii.gz")), *cohort.cases[1:])
    with pytest.raises(InputError, match=r"only\.nii\.gz: a case without a scan"):
        choose_typical(replace(cohort, cases=cases), 2)


def test_voxels_that_are_not_finite_are_refused(make: Make, tmp_path: Path) -> None:
    cohort = make(KINDS)
    data = scan("x", 0)
    data[3, 3, 3] = np.nan
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "e.nii.gz")
    with pytest.raises(InputError, match=r"e\.nii\.gz.*NaN"):
        choose_typical(cohort, 2)


@pytest.mark.parametrize("value", [0, 7])
def test_a_scan_that_shows_nothing_is_refused(make: Make, tmp_path: Path, value: float) -> None:
    cohort = make(KINDS)
    nib.save(nib.Nifti1Image(np.full((24, 24, 24), value, np.float32), np.eye(4)), tmp_path / "d.nii.gz")
    with pytest.raises(InputError, match=r"d\.nii\.gz: shows nothing"):
        choose_typical(cohort, 2)


def test_noise_does_not_stand_for_others(make: Make, tmp_path: Path) -> None:
    cohort = make(KINDS)
    noise = np.random.default_rng(5).normal(100, 60, (24, 24, 24)).astype(np.float32)
    nib.save(nib.Nifti1Image(noise, np.eye(4)), tmp_path / "d.nii.gz")
    for count in (1, 2):
        found = choose_typical(cohort, count)
        assert "d" not in found.chosen
        assert "d" not in found.nearest.values()


def test_all_images_of_a_case_are_compared(make: Make, tmp_path: Path) -> None:
    cohort = make({**KINDS, "flat": "x"})
    # The first image is the same for all, so the second decides.
    cases = tuple(
        replace(case, images={"same": cohort.cases[0].images["image"], "own": case.images["image"]})
        for case in cohort.cases
        if case.id != "flat"
    )
    found = choose_typical(replace(cohort, cases=cases), 3)
    assert sorted(KINDS[name] for name in found.chosen) == ["x", "y", "z"]
    turned = replace(cases[1], images=dict(reversed(cases[1].images.items())))
    assert choose_typical(replace(cohort, cases=(cases[0], turned, *cases[2:])), 3) == found, "images go by name"
    mixed = (*cases[:2], replace(cases[2], images={"own": cases[2].images["own"]}), *cases[3:])
    with pytest.raises(InputError, match="case c has other images than case a"):
        choose_typical(replace(cohort, cases=mixed), 3)
