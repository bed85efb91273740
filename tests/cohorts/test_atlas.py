import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import open_cohort
from neurograft.cohorts.atlas import ApplyRequest, BuildRequest, apply_atlas, build_atlas, open_atlas
from neurograft.cohorts.check import check_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, write_image, write_label_map
from neurograft.imaging.frames import read_frames, write_probabilities
from neurograft.imaging.grid import Grid
from neurograft.imaging.registration import RegistrationSettings
from neurograft.imaging.template import mni152

COARSE = RegistrationSettings(kind="affine", spacing_mm=4.0)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people who are the template turned and scaled, with two balls as labels."""
    folder = tmp_path_factory.mktemp("people")
    template = mni152(2)
    data = template.data[::2, ::2, ::2]
    places = np.indices(data.shape)
    rows = ["subject\timage\tlabel\tage"]
    for number, (turn, size) in enumerate(((0.0, 1.0), (0.12, 1.06), (-0.1, 0.95))):
        affine = np.array([[size, turn, 0, 9 * number], [-turn, size, 0, -50], [0, 0, size, 20], [0, 0, 0, 1.0]])
        grid = Grid.from_affine(data.shape, affine @ template.grid.affine @ np.diag([2.0, 2, 2, 1]))
        noise = np.random.default_rng(number).normal(1, 0.05, data.shape)
        labels = np.zeros(data.shape, np.uint8)
        for value, centre in ((3, (18, 30, 22)), (8, (32, 30, 22))):
            labels[((places - np.array(centre)[:, None, None, None]) ** 2).sum(0) < 17] = value
        write_image(folder / f"p{number}.nii.gz", data * noise, grid)
        write_label_map(folder / f"p{number}_dseg.nii.gz", labels, grid)
        rows.append(f"p{number}\tp{number}.nii.gz\tp{number}_dseg.nii.gz\t{30 + number}")
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (folder / "labels.tsv").write_text("index\tname\n3\tleft ball\n8\tright ball\n")
    return folder


@pytest.fixture(scope="module")
def atlas_folder(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("atlas") / "atlas"
    cohort = open_cohort(people).of_subjects(["p0", "p1"])
    rows = build_atlas(BuildRequest(cohort, out, people / "p0.nii.gz", settings=COARSE))
    assert rows["case"].tolist() == ["p0", "p1"]
    assert (rows["suspicious"] == "").all()
    return out


def test_the_average_of_registered_people(people: Path, atlas_folder: Path) -> None:
    atlas = open_atlas(atlas_folder)
    assert atlas.names == ("left ball", "right ball")
    own = open_cohort(people).cases[0]
    truth = read_image(own.label).data
    assert atlas.grid.same_as(read_image(own.images["image"]).grid)
    for frame, value in zip(atlas.frames, (3, 8), strict=True):
        # The reference is one of the two people, so half of each probability is that person's label.
        assert frame[truth == value].min() > 0.5 - 1 / 255
        assert frame[truth == value].mean() > 0.9
        assert frame[truth != value].max() < 0.5 + 1 / 255
        np.testing.assert_allclose(frame.sum(), (truth == value).sum(), rtol=0.03)
    text = (atlas_folder / "atlas.json").read_text() + (atlas_folder / "README.md").read_text()
    assert '"p0"' not in text
    assert "of 2 people" in text


def test_priors_for_somebody_else(people: Path, atlas_folder: Path, tmp_path: Path) -> None:
    drawn = []
    request = ApplyRequest(
        open_atlas(atlas_folder),
        open_cohort(people).of_subjects(["p2"]),
        tmp_path / "priors",
        settings=COARSE,
        # The people are one template, and taken for copies of each other.
        allow_shared_subjects=True,
        draw=lambda path, applied: drawn.append((path.name, applied.frames.shape)),
    )
    frame = apply_atlas(request)
    assert frame["suspicious"].tolist() == [""]
    assert drawn == [("p2.png", (2, 50, 59, 48))]
    result = open_cohort(tmp_path / "priors")
    case = result.cases[0]
    assert case.covariates == {"age": "32"}
    frames, grid = read_frames(case.prior)
    truth = read_image(case.label)
    assert grid.same_as(truth.grid)
    for found, value in zip(frames, (3, 8), strict=True):
        inside = truth.data == value
        assert 2 * ((found > 0.5) & inside).sum() / ((found > 0.5).sum() + inside.sum()) > 0.9
    names = pd.read_csv(tmp_path / "priors" / "priors" / "labels.tsv", sep="\t")
    assert names["name"].tolist() == ["left ball", "right ball"]
    assert not [problem for problem in check_cohort(result).problems if problem.severity == "error"]


def test_nobody_gets_a_prior_made_from_themselves(people: Path, atlas_folder: Path, tmp_path: Path) -> None:
    cohort = open_cohort(people)
    request = ApplyRequest(open_atlas(atlas_folder), cohort, tmp_path / "priors", settings=COARSE)
    with pytest.raises(InputError, match=r"also among the people whom the atlas was made from: .*p1 \(same subject"):
        apply_atlas(request)
    assert not (tmp_path / "priors").exists()


def test_an_atlas_from_elsewhere(tmp_path: Path) -> None:
    grid = Grid.from_affine((4, 4, 4), np.eye(4))
    frames = np.zeros((2, 4, 4, 4), np.float32)
    frames[0, 1] = 1
    write_probabilities(tmp_path / "other.nii.gz", frames, grid)
    with pytest.raises(InputError, match="nothing names the atlas's frames"):
        open_atlas(tmp_path / "other.nii.gz")
    (tmp_path / "labels.tsv").write_text("index\tname\n2\tb\n1\ta\n")
    atlas = open_atlas(tmp_path / "other.nii.gz")
    assert atlas.names == ("a", "b")
    assert atlas.people is None
    (tmp_path / "labels.tsv").write_text("index\tname\n1\ta\n")
    with pytest.raises(InputError, match=r"has 2 frames, and labels\.tsv names 1"):
        open_atlas(tmp_path / "other.nii.gz")
    with pytest.raises(InputError, match="no atlas here"):
        open_atlas(tmp_path)


def test_what_cannot_become_an_atlas(people: Path, tmp_path: Path) -> None:
    cohort = open_cohort(people)
    blind = cohort.with_labels(cohort.labels.from_names({3: "left ball", 99: "nothing"}))
    with pytest.raises(InputError, match="no case shows nothing"):
        build_atlas(BuildRequest(blind.of_subjects(["p0"]), tmp_path / "a", people / "p0.nii.gz", settings=COARSE))
    with pytest.raises(InputError, match="no channel 'T2w'"):
        build_atlas(BuildRequest(cohort, tmp_path / "b", people / "p0.nii.gz", channel="T2w", settings=COARSE))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "cohort.tsv").write_text(f"subject\timage\np0\t{people / 'p0.nii.gz'}\n")
    with pytest.raises(InputError, match="no atlas to build"):
        build_atlas(BuildRequest(open_cohort(tmp_path / "c"), tmp_path / "d"))
    (people / "broken").mkdir(exist_ok=True)
    for name in ("atlas.nii.gz", "reference.nii.gz"):
        (people / "broken" / name).write_bytes((people / "p0.nii.gz").read_bytes())
    (people / "broken" / "labels.tsv").write_text("index\tname\n1\ta\n")
    (people / "broken" / "atlas.json").write_text(json.dumps({"people": 3}))
    with pytest.raises(InputError, match=r"atlas\.(json|nii)"):
        open_atlas(people / "broken")
