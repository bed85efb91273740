"""P2's demonstration: who learns and who is tested, the tables, and a whole run of a few steps."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.demos import nuclei
from neurograft.demos.nuclei import ARMS, NUCLEI, NUCLEI_PLAN
from neurograft.demos.nuclei_runs import steps_to_twin
from neurograft.demos.nuclei_tables import PAPER
from neurograft.demos.run import run_demo
from neurograft.imaging.files import read_image, read_label_map
from neurograft.models import open_bundle

TINY = replace(
    NUCLEI_PLAN,
    source_people=2,
    target_people=5,
    test_people=3,
    folds=2,
    source_budget="2steps",
    budget="2steps",
    overrides=(
        *NUCLEI_PLAN.overrides,
        "network.channels=[2,4,4,4,4]",
        "sampling.batch_size=2",
        "validation.every=1",
        "validation.hold_out=1",
        "compute.device=cpu",
        "compute.precision=fp32",
        "compute.channels_last=false",
        "compute.threads=1",
    ),
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nuclei") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurograft.demos.run.NUCLEI_PLAN", TINY)
        outcomes = run_demo("midbrain-qsm", folder, None, False, "neurograft demo --dataset midbrain-qsm")
    rows = outcomes["midbrain-qsm"].rows
    assert [row[0] for row in rows] == ["transfer", "scratch", "transfer without gates", "rater 2"]
    return folder


def test_every_arm_is_one_that_the_paper_prints() -> None:
    assert {arm.name for arm in ARMS} | {"rater 2"} == set(PAPER)
    gateless = NUCLEI_PLAN.target_recipe(ARMS[2])
    assert (gateless.network.attention_gates, NUCLEI_PLAN.target_recipe(ARMS[0]).network.attention_gates) == (
        "none",
        "all",
    )
    assert NUCLEI_PLAN.test_people >= 12
    assert NUCLEI_PLAN.folds == 5


def test_the_raters_own_dice_is_what_two_masks_give_by_hand(out: Path) -> None:
    scores = pd.read_csv(out / "midbrain-qsm-scores.tsv", sep="\t", dtype={"subject": str})
    people = scores[scores["method"] == "rater 2"]
    assert set(people["subject"]) == {"seed32n002", "seed32n003", "seed32n004"}
    target = out / "phantoms" / "target"
    for row in people.to_dict("records"):
        one, other = (
            read_label_map(target / rater / f"sub-{row['subject']}_dseg.nii.gz").data for rater in nuclei.RATERS
        )
        value = NUCLEI.index(row["label"]) + 1
        both = 2 * ((one == value) & (other == value)).sum() / ((one == value).sum() + (other == value).sum())
        assert row["dice"] == pytest.approx(both)


def test_the_mean_susceptibility_of_a_rater_is_that_of_the_map(out: Path) -> None:
    pairs = pd.read_csv(out / "midbrain-qsm-paired.tsv", sep="\t", dtype={"subject": str})
    rows = pairs[(pairs["method"] == "rater 2") & (pairs["quantity"] == "mean susceptibility")]
    assert len(rows) == 9
    target = out / "phantoms" / "target"
    for row in rows.to_dict("records"):
        image = read_image(target / "images" / f"sub-{row['subject']}_Chimap.nii.gz").data
        value = NUCLEI.index(row["label"]) + 1
        for side, rater in (("reference", "rater1"), ("prediction", "rater2")):
            drawn = read_label_map(target / rater / f"sub-{row['subject']}_dseg.nii.gz").data == value
            assert row[side] == pytest.approx(1000 * image[drawn].mean(), rel=1e-4)
    agreement = pd.read_csv(out / "midbrain-qsm-agreement.tsv", sep="\t")
    chosen = agreement[(agreement["method"] == "rater 2") & agreement["quantity"].str.startswith("mean susc")]
    for row in chosen.to_dict("records"):
        own = rows[rows["label"] == row["label"]]
        difference = own["prediction"] - own["reference"]
        assert row["bias"] == pytest.approx(difference.mean())
        assert row["loa_upper"] == pytest.approx(difference.mean() + 1.96 * difference.std(), rel=1e-3)
    against = set(zip(agreement["method"], agreement["rater"], strict=True))
    assert ("transfer", "rater 2") in against
    assert ("scratch", "rater 1") in against


def test_models_come_from_a_source_of_their_own_kind_and_see_no_test_person(out: Path) -> None:
    models = pd.read_csv(out / "midbrain-qsm-models.tsv", sep="\t")
    assert models["method"].value_counts().to_dict() == {"transfer": 3, "transfer without gates": 3, "scratch": 2}
    plain = open_bundle(out / "models" / "transfer-without-gates-fold1").info
    assert plain.parent is not None
    assert plain.parent["name"] == "transfer-without-gates-source"
    assert not any("gate" in unit[0] for unit in plain.units)
    learnt = {person for entry in plain.training_subjects for person in entry["subjects"]}
    pool, tested = ({hashlib.sha256(f"seed32n00{n}".encode()).hexdigest() for n in who} for who in ((0, 1), (2, 3, 4)))
    assert pool <= learnt
    assert not tested & learnt
    head = pd.read_csv(out / "models" / "transfer-fold1" / "loading.tsv", sep="\t")
    assert set(head.loc[head["unit"] == "head", "action"]) == {"reset"}
    assert (head.loc[head["unit"] == "bottleneck", "action"] == "copied").all()


def test_the_five_models_speak_with_one_voice(out: Path) -> None:
    request = json.loads((out / "models" / "transfer-masks" / "prediction.json").read_text("utf-8"))
    assert len(request["models"]) == 2


def test_page_and_markdown_hold_raters_and_the_papers_rows(out: Path) -> None:
    text = (out / "midbrain-qsm.md").read_text("utf-8")
    assert "| Method | RN, rater 1 | SN, rater 1 | STN, rater 1 | RN, rater 2 |" in text
    assert "0.783 ± 0.061" in text
    assert "| RN, rater 2 | SN, rater 2 | STN, rater 2 | Test people |" in text
    assert "; 2 to 4 channels; crops of 64 and 48 voxels; Adam at 0.002 on 2 slices a step." in text
    assert "Pearson's r" in text
    html = (out / "midbrain-qsm.html").read_text("utf-8")
    assert "mean susceptibility, against rater 2" in html
    assert html.count("bland-altman-") >= 12


def test_steps_to_the_twins_best() -> None:
    rows = [("scratch", 0, 50, 0.5), ("scratch", 0, 100, 0.7), ("scratch", 1, 50, 0.8), ("scratch", 1, 100, 0.6),
            ("transfer", 0, 50, 0.7), ("transfer", 0, 100, 0.9), ("transfer", 1, 50, 0.7),
            ("transfer", 1, 100, 0.79)]  # fmt: skip
    found = steps_to_twin(pd.DataFrame(rows, columns=["method", "fold", "step", "dice"])).set_index("method")
    assert found.loc["scratch", "steps"] == 75
    assert (found.loc["transfer", "folds"], found.loc["transfer", "steps"]) == (1, 50)
    never = pd.DataFrame([("scratch", 0, 1, 0.5), ("transfer", 0, 1, 0.1)], columns=["method", "fold", "step", "dice"])
    assert np.isnan(steps_to_twin(never).set_index("method").loc["transfer", "steps"])
