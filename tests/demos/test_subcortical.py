"""The sub-cortical ladder: who learns and who is scored, the tables in the paper's form, and a whole small run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from neurograft.cohorts.atlas import ApplyRequest, BuildRequest
from neurograft.demos import subcortical as plan
from neurograft.demos import subcortical_data as data
from neurograft.demos.run import run_demo
from neurograft.demos.subcortical_page import method_sentences
from neurograft.demos.subcortical_runs import LadderResult
from neurograft.demos.subcortical_tables import (
    PAPER,
    ladder_sentences,
    ladder_summary,
    ladder_table,
    ladder_verdicts,
    structure_table,
)
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map
from neurograft.imaging.frames import write_probabilities
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.sides import pair_sides
from neurograft.scoring.score_rows import BY_SQUARED_VOLUME, BY_VOLUME, MEAN

PEOPLE = tuple(f"{number:02d}" for number in range(15))


@pytest.mark.parametrize("ladder", [plan.SMALL, plan.FULL], ids=["small", "full"])
def test_everybody_is_scored_once_by_models_that_never_saw_them(ladder: plan.Ladder) -> None:
    cells = plan.ladder_cells(ladder, PEOPLE)
    assert len({cell.folder for cell in cells}) == len(cells)
    for cell in cells:
        assert not set(cell.learners) & set(cell.tested)
        assert len(cell.learners) == cell.people
    rows = {(cell.network.name, cell.way, cell.people, cell.seed) for cell in cells}
    for row in rows:
        mine = [cell for cell in cells if (cell.network.name, cell.way, cell.people, cell.seed) == row]
        assert sorted(person for cell in mine for person in cell.tested) == list(PEOPLE)


def test_one_run_learns_from_one_set_inside_the_next() -> None:
    cells = plan.ladder_cells(plan.SMALL, PEOPLE)
    learners = {cell.people: set(cell.learners) for cell in cells if cell.run == 0}
    assert learners[1] < learners[3] < learners[7]


def test_the_fourteen_structures_are_pairs() -> None:
    pairs, alone = pair_sides(list(data.STRUCTURES))
    assert (len(data.STRUCTURES), len(pairs), alone) == (14, 7, [])
    assert data.STRUCTURES["Left Thalamus Proper"] == "left thalamus"


def made_result(dice: dict[tuple[str, str, int], float]) -> LadderResult:
    """Eight people about a mean each, of two structures."""
    generator = np.random.default_rng(0)
    rows, models = [], []
    for (network, way, people), mean in dice.items():
        whose = {"network": network, "way": way, "people": people, "run": 0, "seed": 0}
        models.append({**whose, "steps": 10, "seconds": 5.0, "swaps": 1 if way == "none" else 0})
        for number in range(8):
            both = mean + 0.01 * np.array([-1, 1]) + generator.normal(0, 0.002)
            person = {"case": f"c{number}", "subject": f"s{number}", **whose}
            rows += [{**person, "label": name, "kind": "label", "dice": value}
                     for name, value in zip("xy", both, strict=True)]  # fmt: skip
            weighted = {MEAN: both.mean(), BY_SQUARED_VOLUME: both.min(), BY_VOLUME: both.mean() - 0.005}
            rows += [{**person, "label": name, "kind": "mean", "dice": value} for name, value in weighted.items()]
    seconds = pd.DataFrame([{"network": "tri-planar", "network_seconds": 9.0, "postprocessing_seconds": 0.5}])
    return LadderResult(pd.DataFrame(rows), pd.DataFrame(models), seconds)


@pytest.fixture(scope="module")
def result() -> LadderResult:
    return made_result(
        {
            ("tri-planar", "none", 0): 0.5,
            ("tri-planar", "transfer", 1): 0.85,
            ("tri-planar", "scratch", 1): 0.6,
            ("3D U-Net", "transfer", 1): 0.82,
            ("3D U-Net", "scratch", 1): 0.82,
        }
    )


def test_the_summary_stands_beside_the_papers_row(result: LadderResult) -> None:
    table = ladder_summary(result).set_index(["network", "way", "people"])
    row = table.loc[("tri-planar", "transfer", 1)]
    assert row["dice"] == pytest.approx(0.85, abs=0.003)
    assert row["dice_by_squared_volume"] == pytest.approx(0.84, abs=0.003)
    assert (row["paper_dice"], row["paper_by_squared_volume"]) == PAPER["transfer", 1] == (0.834, 0.754)
    assert np.isnan(table.loc[("tri-planar", "scratch", 1), "paper_dice"])
    assert table.loc[("tri-planar", "none", 0), "swaps"] == 1
    assert len(ladder_table(ladder_summary(result)).rows) == 5
    assert [row[0].text for row in structure_table(result).rows] == ["x", "y"]


def test_sentences_and_verdicts_say_what_the_figures_say(result: LadderResult) -> None:
    verdicts = ladder_verdicts(result)
    words = verdicts.set_index(["first", "second"])["verdict"].to_dict()
    assert len(words) == 4  # none, scratch; scratch, and the other network's transfer
    assert "tri-planar, scratch is worse than tri-planar" in words["tri-planar, scratch", "tri-planar, transfer"]
    assert "no difference shown" in words["3D U-Net, scratch", "3D U-Net, transfer"]
    assert "tri-planar, transfer is better than" in words["tri-planar, transfer", "3D U-Net, transfer"]
    assert (verdicts["p_wilcoxon"] >= 2 / 2**8).all()
    sentences = ladder_sentences(ladder_summary(result), verdicts)
    assert "above P5's 0.834" in sentences[0]
    assert "not above P5's 0.834" in sentences[1]
    assert "over all models: 1." in sentences[2]
    assert any("second one that had learnt" in line for line in method_sentences(plan.FULL))


def _no_atlas(request: BuildRequest) -> None:
    """Stands for the registrations, which are tested where they are: a card of who was asked for."""
    request.out.mkdir(parents=True)
    (request.out / "atlas.json").write_text(json.dumps({"subjects": list(request.cohort.subjects)}))


def _prior_from_truth(request: ApplyRequest) -> None:
    """In the place of a registered atlas: each structure with the voxels about it, equally likely."""
    priors = request.out / "priors"
    priors.mkdir(parents=True)
    for case in request.cohort.cases:
        label_map = read_label_map(case.label)
        classes = request.cohort.labels.to_classes(label_map.data)
        frames = [ndimage.binary_dilation(classes == number) for number in range(1, 15)]
        total = np.maximum(np.sum(frames, axis=0), 1)
        write_probabilities(priors / f"{case.id}.nii.gz", np.stack(frames).astype(np.float32) / total, label_map.grid)
    LabelTable.from_names(dict(enumerate(data.STRUCTURES, start=1))).to_tsv(priors / "labels.tsv")
    rows = pd.DataFrame({"case": [case.id for case in request.cohort.cases], "subject": "x", "seconds": 4.0})
    rows.to_csv(request.out / "registrations.tsv", sep="\t", index=False)


TINY = (
    "network.channels=[4,6,8]",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
)


@pytest.fixture(scope="module")
def out(subcortical_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demonstration in a step or two, on blocks in a ball, with one person a model and four in all."""
    folder = tmp_path_factory.mktemp("subcortical") / "out"
    triplanar, unet = plan.SMALL.networks
    small = replace(
        plan.SMALL,
        sizes=(1,),
        mixed_sizes=(1,),
        images_each=1,
        networks=(
            replace(
                triplanar,
                overrides=(*triplanar.overrides, *TINY, "network.dense_channels=[8,12,10]", "sampling.batch_size=8"),
                source_budget="1steps", budget="1steps", ways=(("none", False), ("mixed", True)),
            ),
            replace(
                unet,
                overrides=(*unet.overrides, *TINY, "sampling.patch_size=[16,16,16]"),
                source_budget="1steps", budget="1steps", ways=(("transfer", False), ("scratch", False)),
            ),
        ),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurograft.demos.run.SMALL", small)
        patch.setattr(data, "build_atlas", _no_atlas)
        patch.setattr(data, "apply_atlas", _prior_from_truth)
        patch.setattr(data, "open_atlas", lambda path: path)
        patch.setattr(data, "ATLAS_PEOPLE", 2)
        patch.setattr(data, "T1_LIKE", (*data.T1_LIKE, "preparation.spacing_mm=null"))
        outcomes = run_demo("subcortical", folder, subcortical_root, False, "neurograft demo --dataset subcortical")
    rows = outcomes["subcortical"].rows
    assert [row[:3] for row in rows] == [
        ("tri-planar", "none", "0"),
        ("tri-planar", "standardised, mixed", "1"),
        ("3D U-Net with atlas", "transfer", "1"),
        ("3D U-Net with atlas", "scratch", "1"),
    ]
    return folder


def test_the_demo_leaves_tables_a_page_pictures_and_models(out: Path) -> None:
    scores = pd.read_csv(out / "subcortical-scores.tsv", sep="\t", dtype={"subject": str})
    labels = scores[scores["kind"] == "label"]
    assert set(labels["label"]) == set(data.STRUCTURES)
    assert labels.groupby(["network", "way", "people"])["subject"].nunique().tolist() == [4] * 4
    text = (out / "subcortical.md").read_text("utf-8")
    assert "Left Thalamus Proper" in text
    assert "no like-for-like" in text
    assert "<svg" in (out / "subcortical.html").read_text("utf-8")
    assert "| tri-planar | 4.0 |" in text  # seconds of registration
    seconds = pd.read_csv(out / "subcortical-seconds.tsv", sep="\t")
    assert (seconds[["network_seconds", "postprocessing_seconds"]] >= 0).all(axis=None)


def test_atlas_and_source_share_nobody(out: Path) -> None:
    atlas = json.loads((out / "scans" / "atlas" / "atlas.json").read_text())
    source = pd.read_csv(out / "scans" / "source" / "cohort.tsv", sep="\t")
    assert sorted(source["subject"]) == ["seg_2", "seg_3"]
    assert atlas["subjects"] == ["seg_0", "seg_1"]


def test_a_mixed_model_knows_both_cohorts(out: Path) -> None:
    folder = next((out / "models").glob("*mixed*run0*seed0"))
    info = json.loads((folder / "model" / "bundle.json").read_text())
    assert [entry["name"] for entry in info["training_subjects"]] == ["made T1-like images", "miccai2012-train"]
    assert [len(entry["subjects"]) for entry in info["training_subjects"]] == [2, 1]
    assert info["recipe"]["preparation"]["normalisation"] == "nyul"


def test_scans_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be downloaded"):
        run_demo("subcortical", tmp_path / "out", None, False, "x")
    with pytest.raises(InputError, match="brain-label-maps"):
        run_demo("subcortical", tmp_path / "out", tmp_path, False, "x")
    with pytest.raises(InputError, match="no full version"):
        run_demo("ages", tmp_path / "out", None, False, "x", full=True)
