import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from neurograft.cohorts import (
    CohortFingerprint,
    fingerprint_case,
    fingerprint_cohort,
    fingerprint_image,
    open_cohort,
    require_disjoint,
    shared_with,
    subject_hash,
)
from neurograft.cohorts.fingerprints import signature
from neurograft.cohorts.leakage import near_duplicates
from neurograft.errors import InputError
from neurograft.imaging.files import read_image
from neurograft.imaging.grid import Grid
from neurograft.imaging.resampling import resample_to_spacing
from neurograft.imaging.volume import Volume


def blob(seed, shape=(30, 32, 34)):
    """A smooth random image, above zero."""
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3).astype(np.float32) * 1000 + 300


def volume(data, affine=None):
    return Volume(data, Grid.from_affine(data.shape, np.eye(4) if affine is None else affine))


def fingerprint(name, **images):
    return CohortFingerprint(
        name,
        {subject_hash(subject): (fingerprint_image(volume(data)),) for subject, data in images.items()},
        {subject_hash(subject): subject for subject in images},
    )


def copy_with_noise(image, rng):
    return (image * 3.7 + rng.normal(0, 0.01 * 3.7 * np.percentile(image, 99), image.shape)).astype(np.float32)


def test_different_people_are_disjoint():
    a, b = fingerprint("A", p=blob(0), q=blob(1)), fingerprint("B", p=blob(2))
    assert not shared_with(a, b)
    require_disjoint(a, b, "training", "test")


def test_the_same_image_under_another_name_is_refused_by_name():
    a, b = fingerprint("A", p=blob(0), q=blob(1)), fingerprint("B", z=blob(1))
    with pytest.raises(InputError, match=r"1 subject of training also among test: q \(the same image, there z\)"):
        require_disjoint(a, b, "training", "test")


def test_identifiers_count_within_one_cohort_only():
    a = fingerprint("A", p=blob(0))
    assert not shared_with(a, fingerprint("B", p=blob(1)))
    (found,) = shared_with(a, fingerprint("A", p=blob(1))).subjects
    assert (found.name, found.how) == ("p", "same subject identifier")
    assert subject_hash("sub-01") == subject_hash("01") != subject_hash("1")


@pytest.mark.parametrize(
    "change",
    [
        lambda image: copy_with_noise(image, np.random.default_rng(0)),
        lambda image: image - 5000,
        lambda image: np.pad(image, 4),
        lambda image: np.where(np.random.default_rng(0).random(image.shape) < 1e-3, np.nan, image),
    ],
)
def test_a_changed_copy_is_caught(change):
    image = blob(3) + 600
    overlap = shared_with(fingerprint("A", p=image), fingerprint("B", q=change(image).astype(np.float32)))
    assert [shared.how[:21] for shared in overlap.subjects] == ["nearly the same image"]


def test_a_reoriented_copy_is_caught():
    image = blob(4)
    flipped = volume(
        image[::-1].transpose(1, 0, 2).copy(), np.array([[0, -1, 0, 29], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )
    pairs = near_duplicates([fingerprint_image(volume(image))], [fingerprint_image(flipped)])
    assert pairs[0][2] == pytest.approx(1)


def test_constant_images_resemble_nothing():
    assert not signature(np.full((5, 5, 5), 7, np.float32)).any()
    a, b = fingerprint("A", p=np.full((5, 5, 5), 7)), fingerprint("B", q=np.full((5, 5, 6), 7))
    assert not shared_with(a, b)


def test_json_holds_no_identifier_and_comes_back_whole():
    a = fingerprint("A", patient_7=blob(0), q=blob(1))
    text = json.dumps(a.to_dict())
    assert "patient_7" not in text
    back = CohortFingerprint.from_dict(json.loads(text))
    with pytest.raises(InputError, match=r"patient_7 \(same subject identifier\)"):
        require_disjoint(back, fingerprint("A", patient_7=blob(5)), "the source", "the test")
    (found,) = shared_with(back, fingerprint("B", z=blob(0))).subjects
    assert (found.name, found.other_name) == (f"hash {subject_hash('patient_7')[:8]}", "z")


@pytest.mark.parametrize(
    "content",
    [{}, {"name": "A", "subjects": []}, {"name": "A", "subjects": {"x": [{"voxels": "y", "signature": "AA=="}]}}, None],
)
def test_damaged_fingerprints_are_refused(content):
    with pytest.raises(InputError, match="not a cohort's fingerprint"):
        CohortFingerprint.from_dict(content)


def test_a_cohort_is_fingerprinted_by_subject(tmp_path, save):
    for name in ("a", "b", "c"):
        save(f"{name}.nii")
    (tmp_path / "cohort.tsv").write_text("subject\timage\np\ta.nii\nq\tb.nii\np\tc.nii\n")
    cohort = open_cohort(tmp_path, "A")
    steps = []
    found = fingerprint_cohort(cohort, progress=lambda done, total: steps.append((done, total)))
    assert {found.names[key]: len(images) for key, images in found.subjects.items()} == {"p": 2, "q": 1}
    assert found.subjects[subject_hash("q")][0].voxels == fingerprint_case(cohort.cases[1])
    assert steps == [(1, 3), (2, 3), (3, 3)]


def real_images(shared_data: Path, name: str, skip: int = 1):
    if not (shared_data / name).is_dir():
        pytest.skip(f"{shared_data / name} is not here")
    cases = open_cohort(shared_data / name).cases[::skip]
    return [case.subject for case in cases], [read_image(next(iter(case.images.values()))) for case in cases]


def test_real_crops_of_different_people_are_told_apart_and_copies_are_not(shared_data):
    subjects, images = real_images(shared_data, "msd-hippocampus")
    prints = [fingerprint_image(image) for image in images]
    assert not [(i, j) for i, j, _ in near_duplicates(prints, prints) if subjects[i] != subjects[j]]
    rng = np.random.default_rng(0)
    noisy = [fingerprint_image(Volume(copy_with_noise(image.data, rng), image.grid)) for image in images[::4]]
    finer = [fingerprint_image(resample_to_spacing(image, (0.8, 0.8, 0.8), "linear")) for image in images[::8]]
    for copies, originals in ((noisy, prints[::4]), (finer, prints[::8])):
        caught = {i for i, j, _ in near_duplicates(copies, originals) if i == j}
        assert caught == set(range(len(copies)))


def test_real_brains_of_different_people_are_told_apart(shared_data):
    _, images = real_images(shared_data, "miccai2012-train", skip=3)
    prints = [fingerprint_image(image) for image in images]
    assert [(i, j) for i, j, _ in near_duplicates(prints, prints) if i != j] == []
