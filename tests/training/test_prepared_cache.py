"""Prepared images that a second training finds on disk."""

import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neurograft.cohorts import Cohort
from neurograft.recipes.schema import PreparationConfig
from neurograft.training import prepared_cache
from neurograft.training.cases import PreparedCase, prepare_cohort
from neurograft.training.prepared_cache import PreparedCache
from neurograft.training.unlabelled import prepare_scans

RESAMPLED = PreparationConfig(spacing_mm=(1.5, 1.5, 1.5), crop="nonzero")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prepared"


@pytest.fixture
def prepared_images(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each image that is prepared."""
    calls: list[int] = []
    original = prepared_cache.prepare_image

    def counted(*arguments: object) -> object:
        calls.append(1)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prepared_cache, "prepare_image", counted)
    return calls


def same(one: list[PreparedCase], other: list[PreparedCase]) -> bool:
    return all(
        torch.equal(a.example.image, b.example.image)
        and torch.equal(a.example.target, b.example.target)
        and a.spacing_mm == b.spacing_mm
        and a.voxel_volume_mm3 == b.voxel_volume_mm3
        for a, b in zip(one, other, strict=True)
    )


def test_a_second_training_reads_what_the_first_prepared(
    balls: Cohort, prepared_images: list[int], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = prepare_cohort(balls, RESAMPLED)
    assert len(prepared_images) == len(balls.cases)
    with caplog.at_level(logging.INFO):
        second = prepare_cohort(balls, RESAMPLED)
    assert len(prepared_images) == len(balls.cases)
    assert f"{len(balls.cases)} of {len(balls.cases)} images were prepared before" in caplog.text
    assert same(first, second)
    assert folder.stat().st_mode & 0o077 == 0
    shutil.rmtree(folder)
    assert same(first, prepare_cohort(balls, RESAMPLED))


def test_an_image_that_may_be_placed_wrongly_is_made_anew_each_time(
    balls: Cohort, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    original = prepared_cache.prepare_image

    def doubtful(*arguments: object) -> object:
        made.append(1)
        return replace(original(*arguments), doubt="outlines overlap by 0.50 only")  # type: ignore[arg-type]

    monkeypatch.setattr(prepared_cache, "prepare_image", doubtful)
    for _ in range(2):
        PreparedCache().image(balls.cases[0], RESAMPLED)
    assert len(made) == 2
    assert not folder.exists()


def test_scans_without_labels_share_them(balls: Cohort, prepared_images: list[int]) -> None:
    prepare_cohort(balls, RESAMPLED)
    prepare_scans(balls, RESAMPLED)
    assert len(prepared_images) == len(balls.cases)


def test_another_preparation_or_content_is_another_image(
    balls: Cohort, prepared_images: list[int], tmp_path: Path
) -> None:
    case = balls.cases[0]
    cache = PreparedCache()
    cache.image(case, RESAMPLED)
    cache.image(case, RESAMPLED.model_copy(update={"normalisation": "zscore"}))
    assert len(prepared_images) == 2
    (name, path), *_ = case.images.items()
    moved = tmp_path / f"elsewhere{''.join(path.suffixes)}"
    shutil.copy(path, moved)
    cache.image(replace(case, images={name: moved}), RESAMPLED)
    assert len(prepared_images) == 2
    shutil.copy(next(iter(balls.cases[1].images.values())), moved)
    cache.image(replace(case, images={name: moved}), RESAMPLED)
    assert len(prepared_images) == 3


def test_a_damaged_file_is_made_anew(
    balls: Cohort, prepared_images: list[int], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = prepare_cohort(balls, RESAMPLED)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert same(first, prepare_cohort(balls, RESAMPLED))
    assert len(prepared_images) == 2 * len(balls.cases)
    assert "made anew" in caplog.text
    prepare_cohort(balls, RESAMPLED)
    assert len(prepared_images) == 2 * len(balls.cases)


def test_the_least_used_goes_first(balls: Cohort, folder: Path) -> None:
    cache = PreparedCache()
    for age, case in enumerate(balls.cases):
        before = set(folder.glob("*"))
        cache.image(case, RESAMPLED)
        (new,) = set(folder.glob("*")) - before
        os.utime(new, (1000 - age, 1000 - age))
    oldest = min(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in folder.iterdir())
    count = len(list(folder.iterdir()))
    PreparedCache((total - 1) / 2**30).trim()
    assert not oldest.exists()
    assert len(list(folder.iterdir())) == count - 1


def test_a_bound_of_nothing_keeps_nothing(balls: Cohort, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROGRAFT_PREPARED_GIB", "0")
    prepare_cohort(balls, RESAMPLED)
    assert not folder.exists()
    monkeypatch.setenv("NEUROGRAFT_PREPARED_GIB", "1e-9")
    prepare_cohort(balls, RESAMPLED)
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_stops_nothing(
    balls: Cohort, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    assert len(prepare_cohort(balls, RESAMPLED)) == len(balls.cases)
    assert caplog.text.count("are not kept for the next time") == 1


def test_many_short_trainings_stay_within_the_bound(balls: Cohort, folder: Path) -> None:
    prepare_cohort(balls, RESAMPLED)
    file = next(folder.iterdir())
    for number in range(40):
        shutil.copy(file, folder / f"{number}.safetensors")
    before = set(folder.iterdir())
    total = sum(path.stat().st_size for path in before)
    # What it writes is a small share of the bound.
    PreparedCache(total / 2**30).image(balls.cases[0], RESAMPLED.model_copy(update={"normalisation": "zscore"}))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= total
    assert set(folder.iterdir()) - before


def test_a_folder_of_somebody_else_is_read(
    balls: Cohort, prepared_images: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_cohort(balls, RESAMPLED)

    def refused(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(prepared_cache.os, "utime", refused)
    assert same(first, prepare_cohort(balls, RESAMPLED))
    assert len(prepared_images) == len(balls.cases)


def test_another_version_of_what_computes_is_another_image(
    balls: Cohort, prepared_images: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = PreparedCache()
    cache.image(balls.cases[0], RESAMPLED)
    # The template that scans are brought to comes with nilearn.
    known = prepared_cache.version
    monkeypatch.setattr(prepared_cache, "version", lambda name: known(name) + "x" * (name == "nilearn"))
    cache.image(balls.cases[0], RESAMPLED)
    assert len(prepared_images) == 2


@pytest.mark.parametrize("text", ["much", "nan"])
def test_a_bound_that_is_no_number(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NEUROGRAFT_PREPARED_GIB", text)
    assert PreparedCache().most_bytes == prepared_cache.MOST_GIB * 2**30
    assert "is no number" in caplog.text
