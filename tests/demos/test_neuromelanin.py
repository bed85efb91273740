"""P1's protocol in small: its cohorts, its measures, and what it says of the paper's claims."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.demos import neuromelanin
from neurograft.demos.neuromelanin_claims import agreement_claim, lower_rates_claim, transfer_claim
from neurograft.demos.neuromelanin_measures import RATER, Measured, protocol_table
from neurograft.demos.page import write_experiment
from neurograft.imaging.files import read_label_map
from neurograft.phantoms import make_midbrain_cohort
from neurograft.recipes import Recipe, load_recipe
from neurograft.scoring.run import score_files
from neurograft.studies.comparison import ComparisonResult, run_comparison

PEOPLE = 8


def made_scores(dice: dict[str, float], noise: float = 0.01) -> pd.DataFrame:
    """Scores of 12 people and two seeds, about the given means."""
    generator = np.random.default_rng(5)
    rows = [
        {"strategy": strategy, "seed": seed, "subject": f"s{person}", "case": f"s{person}", "dice": value + jitter}
        for strategy, value in dice.items()
        for seed in (0, 1)
        for person, jitter in enumerate(noise * generator.standard_normal(12))
    ]
    return pd.DataFrame(rows)


def test_transfer_is_shown_only_where_it_is_settled() -> None:
    everywhere = transfer_claim(made_scores({"scratch": 0.4, "full": 0.6, "freeze(up3)": 0.55}), "LC", "5")
    assert "5 people: shown in all: better than scratch in 2 of 2" in everywhere
    part = transfer_claim(made_scores({"scratch": 0.4, "full": 0.6, "freeze(up3)": 0.4}), "LC", "5")
    assert "shown in part: better than scratch in 1 of 2 (full – scratch +0.197)" in part
    assert "not settled in 1 of 2 (freeze(up3)" in part
    against = transfer_claim(made_scores({"scratch": 0.6, "full": 0.4}), "LC", "5")
    assert "the opposite is shown: worse than scratch in 1 of 1" in against


def test_every_lower_rate_is_set_against_every_frozen_one() -> None:
    dice = {"scratch": 0.1, "freeze(up3)": 0.3, "freeze(up1)": 0.5, "decay_down1": 0.6, "decay_whole": 0.4}
    sentence = lower_rates_claim(made_scores(dice), "LC", "14")
    assert "it depends: better than freezing in 3 of 4" in sentence
    assert "worse than freezing in 1 of 4 (decay_whole – freeze(up1) −0.1" in sentence
    assert "scratch" not in sentence


def made_measured(models: list[tuple[str, float, float, float]]) -> Measured:
    """Models by name, Dice, ICC and its lower end; both ratios have the same ICC."""
    rows = [
        {
            "strategy": name, "training_subjects": "5", "seed": 0, "label": "SNpc", "dice": dice,
            **{f"{figure}{end}": value for figure in ("icc_max", "icc_median") for end, value in
               (("", icc), ("_low", low), ("_high", 1.0))},
            "n": PEOPLE, "n_undefined": 0,
        }
        for name, dice, icc, low in models
    ]  # fmt: skip
    cases = pd.DataFrame([{**row, "subject": "a", "case": "a"} for row in rows])
    return Measured(pd.DataFrame(rows), cases, ("SNpc",))


def test_a_fair_dice_with_an_icc_near_zero_is_named() -> None:
    models = [(RATER, 0.8, 0.9, 0.8), ("none", 0.7, 0.0, -0.3), ("full", 0.7, 0.05, -0.3), ("scratch", 0.3, 0.0, -0.3)]
    first, _, raters = agreement_claim(made_measured(models))
    assert "of 2 models 1 have a Dice of 0.5 or more, and 1 of these an ICC below 0.2" in first
    assert "full, 5 people, seed 0: Dice 0.700, ICC 0.050" in first
    assert "none, 5 people" not in first
    assert "Dice 0.800" in raters


@pytest.mark.parametrize(("icc", "low"), [(0.4, -0.1), (0.19, 0.01)])
def test_an_icc_is_not_near_zero_for_its_interval_alone(icc: float, low: float) -> None:
    first = agreement_claim(made_measured([(RATER, 0.8, 0.9, 0.8), ("full", 0.7, icc, low)]))[0]
    assert "and 0 of these" in first
    assert "none is seen" in first


def test_without_a_fair_model_nothing_is_claimed() -> None:
    first = agreement_claim(made_measured([(RATER, 0.8, 0.9, 0.8), ("full", 0.1, 0.0, -0.5)]))[0]
    assert "nothing shows here" in first


def test_an_icc_that_some_seeds_lack_says_so() -> None:
    measured = made_measured([("full", 0.7, 0.5, 0.1), ("full", 0.7, np.nan, np.nan)])
    table = protocol_table(measured)
    (row,) = table.rows
    assert "0.500 (0.500 to 0.500), 1 of 2 seeds" in [cell.text for cell in row]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, ComparisonResult]:
    """From SNpc to LC with two people to learn from and three to test on."""
    folder = tmp_path_factory.mktemp("neuromelanin")

    def tiny(name: str, overrides: list[str]) -> Recipe:
        small = ["budget=2steps", "network.channels=[4,8,8]", "sampling.batch_size=1", "compute.device=cpu"]
        machine = ["compute.precision=fp32", "compute.channels_last=false", "compute.threads=1"]
        return load_recipe(name, [*overrides, *small, *machine])

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SOURCE_PEOPLE": 2, "TARGET_PEOPLE": 5, "POOL": 2, "SIZES": (2,), "SEEDS": (0,),
            "STRATEGIES": ("scratch", "freeze(up2)", "decay_down1"), "load_recipe": tiny,
            "make_midbrain_cohort": partial(make_midbrain_cohort, spacing_mm=1.2),
        }.items():  # fmt: skip
            patch.setattr(neuromelanin, name, value)
        experiment = neuromelanin.neuromelanin_experiments(folder / "phantoms")[0]
    result = run_comparison(experiment.comparison, folder / "models")
    write_experiment(experiment, result, folder / "out", "neurograft demo")
    return folder, folder / "out", result


def test_left_right_and_both_are_scored_as_one_would_by_hand(ran: tuple[Path, Path, ComparisonResult]) -> None:
    folder, out, result = ran
    rows = pd.read_csv(out / "neuromelanin-snpc-to-lc-protocol.tsv", sep="\t")
    assert set(rows["label"]) == {"left LC", "right LC", "both LC"}
    assert list(dict.fromkeys(rows["strategy"])) == [RATER, "none", "scratch", "freeze(up2)", "decay_down1"]
    masks = folder / "models" / "scratch-2-seed0-predictions"
    by_side: dict[str, list[float]] = {"left LC": [], "right LC": [], "both LC": []}
    for file in sorted(masks.glob("*_dseg.nii.gz")):
        mask = read_label_map(file)
        name = f"sub-{file.name}"
        drawn = read_label_map(folder / "phantoms" / "target" / "rater1" / name).data
        x_mm = mask.grid.affine[0, 3] + mask.grid.affine[0, 0] * np.arange(mask.data.shape[0])
        for label, halves, values in (
            ("left LC", x_mm < 0, [2]), ("right LC", x_mm > 0, [3]), ("both LC", x_mm < np.inf, [2, 3])
        ):  # fmt: skip
            predicted, truth = (mask.data != 0) & halves[:, None, None], np.isin(drawn, values)
            by_side[label].append(2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()))
    for label, dice in by_side.items():
        (found,) = rows.loc[(rows["strategy"] == "scratch") & (rows["label"] == label), "dice"]
        assert found == pytest.approx(np.mean(dice), abs=1e-9)
    merged = result.scores.loc[result.scores["strategy"] == "scratch", "dice"].mean()
    assert merged == pytest.approx(np.mean(by_side["both LC"]), abs=1e-9)


def test_the_second_rater_stands_as_if_a_model(ran: tuple[Path, Path, ComparisonResult]) -> None:
    folder, out, _ = ran
    rows = pd.read_csv(out / "neuromelanin-snpc-to-lc-protocol.tsv", sep="\t").set_index(["strategy", "label"])
    target = folder / "phantoms" / "target"
    scored = score_files(target / "rater1", target / "rater2").tables.per_case
    tested = scored[scored["case"].str.contains("n002|n003|n004") & (scored["label"] == "label-2")]
    assert len(tested) == 3
    assert rows.loc[(RATER, "left LC"), "dice"] == pytest.approx(tested["dice"].mean())


def test_page_and_markdown_hold_the_second_table(ran: tuple[Path, Path, ComparisonResult]) -> None:
    text = (ran[1] / "neuromelanin-snpc-to-lc.md").read_text("utf-8")
    assert "| Dice of left LC | Dice of right LC | Dice of both LC |" in text
    assert "Transfer from 2 people" in text
    html = (ran[1] / "neuromelanin-snpc-to-lc.html").read_text("utf-8")
    assert "Dice of left LC" in html


def test_nobody_is_on_two_sides(ran: tuple[Path, Path, ComparisonResult]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neuromelanin, "POOL", 2)
        patch.setattr(neuromelanin, "SIZES", (2,))
        there, back = (e.comparison for e in neuromelanin.neuromelanin_experiments(ran[0] / "phantoms"))
    for comparison in (there, back):
        assert comparison.source is not None
        groups = [set(comparison.source.subjects), set(comparison.pool.subjects), set(comparison.test.subjects)]
        assert len(set.union(*groups)) == sum(map(len, groups))
    assert there.label_from == {"LC": "SNpc"}
    assert back.label_from == {"SNpc": "LC"}
    assert there.test.subjects == back.test.subjects
