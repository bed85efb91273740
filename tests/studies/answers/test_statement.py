"""Answers from made scores, whose truth is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurograft.studies.answers.choice import CHOSEN, choose_strategy
from neurograft.studies.answers.label_need import LabelNeed, method_curves, need_of, needs_for
from neurograft.studies.answers.statement import answer_claim, answer_experiment, finding_of
from neurograft.studies.protocol.schema import ClaimConfig, Protocol, TargetConfig
from neurograft.studies.tables import compare_study, sizes_of, summarise_study


def made_scores(levels: dict[str, dict[str, float]], people: int = 20, folds: int = 2, seed: int = 0) -> pd.DataFrame:
    """Scores of methods by size; each fold is scored on test people, and on validation people of its own."""
    generator = np.random.default_rng(seed)
    ease = {"test": generator.normal(0, 0.04, people), "validation": generator.normal(0, 0.04, people)}
    rows = []
    for method, by_size in levels.items():
        for size, level in by_size.items():
            for fold in range(folds if size != "0" else 1):
                for split in ("test", "validation") if size != "0" else ("test",):
                    for person in range(people):
                        rows.append(
                            {
                                "experiment": "e", "method": method, "strategy": method.split(",")[0], "source": "",
                                "variant": "", "size": size, "people": int(size), "test": "fixed", "draw": 0,
                                "fold": None if size == "0" else fold, "seed": 0, "split": split,
                                "subject": f"{split}{person}", "case": f"{split}{person}", "label": "box",
                                "kind": "label", "status": "ok",
                                "dice": level + ease[split][person] + generator.normal(0, 0.01),
                            }
                        )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def study(tree: dict[str, Any]) -> Protocol:
    tree["experiments"][0] |= {"name": "e", "sizes": [2, 5, 14], "strategies": ["none", "scratch", "full", "freeze"]}
    return Protocol.model_validate(tree | {"comparison": {"draws": 500}})


LEVELS = {
    "none": {"0": 0.40},
    "scratch": {"2": 0.50, "5": 0.60, "14": 0.75},
    "full": {"2": 0.60, "5": 0.66, "14": 0.75},
    "freeze": {"2": 0.64, "5": 0.62, "14": 0.70},
}


def test_where_transfer_helps_is_said_by_size(study: Protocol) -> None:
    answer = answer_experiment(study, made_scores(LEVELS), "e")
    assert [(one.size, one.choice.leading) for one in answer.sizes] == [("2", "freeze"), ("5", "full"), ("14", "full")]
    assert all(one.choice.how == "chosen on validation people" for one in answer.sizes)
    findings = [finding_of(one.against["scratch"]) for one in answer.sizes]
    assert findings[:2] == ["better", "better"]
    assert findings[2] != "better"
    assert answer.sizes[0].mean == pytest.approx(0.64, abs=0.03)
    assert answer.sizes[0].against["scratch"]["difference"] == pytest.approx(0.14, abs=0.01)
    assert answer.sizes[0].against["none"]["difference"] == pytest.approx(0.24, abs=0.01)
    first, second, *_ = answer.sentences()
    assert "transfer is better than training from scratch with 2 and 5 people" in first
    assert "adapting is better than the source as it is with 2, 5 and 14 people" in second
    assert answer.to_dict()["sizes"][0]["against"]["scratch"]["finding"] == "better"


def test_the_winner_among_equals_does_not_profit_from_being_chosen() -> None:
    """The best of eight equal methods looks better than it is; the choice's figure does not."""
    naive, honest = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        rows = [
            {
                "subject": f"p{p}",
                "case": f"p{p}",
                "method": f"m{m}",
                "value": generator.normal(0.7, 0.05),
                "fold": "",
                "seed": "0",
            }
            for m in range(8)
            for p in range(20)
        ]
        table = pd.DataFrame(rows)
        choice = choose_strategy(table, table.iloc[:0], [f"m{m}" for m in range(8)], True)
        assert choice is not None
        assert sum(choice.chosen.values()) == pytest.approx(1)
        assert len(choice.scores) == 20
        assert set(choice.scores["method"]) == {CHOSEN}
        naive.append(table.groupby("method")["value"].mean().max())
        honest.append(choice.scores["value"].mean())
    assert np.mean(naive) > 0.71
    assert np.mean(honest) == pytest.approx(0.70, abs=0.004)


def test_lower_is_better_for_distances() -> None:
    rows = [
        {"subject": f"p{p}", "case": f"p{p}", "method": name, "value": value, "fold": "", "seed": "0"}
        for p in range(4)
        for name, value in (("near", 1.0), ("far", 5.0))
    ]
    table = pd.DataFrame(rows)
    choice = choose_strategy(table, table.iloc[:0], ["near", "far"], higher_is_better=False)
    assert choice is not None
    assert choice.leading == "near"
    assert choose_strategy(table, table.iloc[:0], ["neither"], True) is None


def test_claims_are_judged_one_by_one(study: Protocol) -> None:
    scores = made_scores(LEVELS)
    claim = ClaimConfig(text="Tuning all beats freezing.", better="full", than="freeze")
    (sentence,) = answer_claim(study, scores, claim)
    assert "holds here with 5 and 14 people" in sentence
    assert "does not hold here: the opposite is shown with 2 people" in sentence
    gone = ClaimConfig(text="Freezing catches up.", better="full", than="freeze", expects="no better")
    (sentence,) = answer_claim(study, scores, gone)
    assert "does not hold here: full is still better with 5 and 14 people" in sentence
    assert "holds here: freeze is even better with 2 people" in sentence
    absent = ClaimConfig(text="?", better="lora", than="freeze")
    assert answer_claim(study, scores, absent) == []


def test_a_claim_without_figures_is_not_passed_over(study: Protocol) -> None:
    claim = ClaimConfig(text="Tuning all beats freezing.", better="full", than="freeze", sizes=(3, 5))
    (sentence,) = answer_claim(study, made_scores(LEVELS), claim)
    assert "holds here with 5 people" in sentence
    assert "cannot be judged with 3 people" in sentence
    failed = made_scores({"freeze": LEVELS["freeze"]})
    whole = ClaimConfig(text="Tuning all beats freezing.", better="full", than="freeze")
    assert answer_claim(study, failed, whole) == [f"{whole.text} e: cannot be judged with 2, 5 and 14 people."]


def test_tables_are_over_people_and_name_the_spread_of_trainings(study: Protocol) -> None:
    scores = made_scores(LEVELS)
    summary = summarise_study(study, scores)
    row = summary[(summary["method"] == "full") & (summary["size"] == "5")].iloc[0]
    own = scores[(scores["method"] == "full") & (scores["size"] == "5") & (scores["split"] == "test")]
    by_person = own.groupby("subject")["dice"].mean()
    assert row["mean"] == pytest.approx(by_person.mean())
    assert row["sd"] == pytest.approx(by_person.std(ddof=1))
    assert row["low"] < row["mean"] < row["high"]
    by_fold = own.groupby("fold")["dice"].mean()
    assert (row["run_low"], row["run_high"]) == pytest.approx((by_fold.min(), by_fold.max()))
    assert row["n_subjects"] == 20
    comparisons = compare_study(study, scores)
    assert sizes_of(scores) == ["2", "5", "14"]
    # At each size all methods, the source as it is among them, against scratch.
    assert len(comparisons) == 3 * 3
    assert set(comparisons["second"]) == {"scratch"}
    found = comparisons[(comparisons["size"] == "2") & (comparisons["first"] == "none")].iloc[0]
    assert found["difference"] == pytest.approx(-0.10, abs=0.01)
    assert found["family_size"] == 3


def test_the_need_of_labels_in_scans_and_minutes() -> None:
    levels = {"full": {size: 0.9 - 0.5 * int(size) ** -0.7 for size in ("2", "4", "8", "16", "32")}}
    scores = made_scores(levels, people=40)
    (curve,) = method_curves(scores, "dice")
    need = need_of(curve, "dice", 0.80, have=3, minutes_per_scan=30)
    assert need.low <= 5 ** (1 / 0.7) <= need.high
    text = need.sentence()
    assert "more (" in text
    assert "than the 3 labelled" in text
    assert "minutes of annotation" in text
    assert "does not cover another" in text
    assert "out of sight" in need_of(curve, "dice", 0.999).sentence()
    few = method_curves(made_scores({"full": {"2": 0.5, "4": 0.6}}), "dice")[0]
    assert "cannot be told from these data: a curve needs 3 numbers of people" in need_of(few, "dice", 0.8).sentence()


def test_people_are_whole() -> None:
    need = LabelNeed(
        "e", "full", "dice", "", 0.8, people=6.2, low=4.1, high=13.7, have=2, minutes_per_scan=10, largest=42, draws=3
    )
    assert need.sentence() == (
        "e, full: 5 more (3 to 12) than the 2 labelled, for a Dice of 0.8: 50 minutes of annotation (30 to 120) "
        "(95% interval)."
    )


def test_each_test_set_chooses_by_its_own_validation_people() -> None:
    """With folds everybody is tested once, and validates for others: nobody's scores choose their own method."""
    rows = [
        {"subject": f"p{p}", "case": f"p{p}", "method": m, "value": v, "fold": "", "seed": "0", "test": name}
        for name, people, values in (
            ("folds 0", range(3), {"full": 0.9, "freeze": 0.5}),
            ("folds 1", range(3, 9), {"full": 0.4, "freeze": 0.6}),
        )
        for p in people
        for m, v in values.items()
    ]
    tested = pd.DataFrame(rows)
    # Those who validate for a set are those whom the other one tests.
    other = {"folds 0": "folds 1", "folds 1": "folds 0"}
    choice = choose_strategy(tested, tested.assign(test=tested["test"].map(other)), ["full", "freeze"], True)
    assert choice is not None
    assert choice.chosen == {"freeze": pytest.approx(3 / 9), "full": pytest.approx(6 / 9)}
    by_person = choice.scores.set_index("subject")["value"]
    assert (by_person["p0"], by_person["p8"]) == (0.5, 0.4)
    incomplete = tested[(tested["test"] == "folds 0") | (tested["method"] == "full")]
    crossed = choose_strategy(tested, incomplete, ["full", "freeze"], True)
    assert crossed is not None
    assert "cross-fitting" in crossed.how


def test_an_icc_without_any_difference_between_people_tells_nothing() -> None:
    scores = made_scores({"full": {"2": 0.5, "4": 0.6, "8": 0.7}})
    paired = scores.assign(quantity="volume_mm3", reference=1.0, prediction=1.0)
    (curve,) = method_curves(paired, "icc:volume_mm3")
    assert "not defined at every number of people" in need_of(curve, "icc:volume_mm3", 0.8).sentence()


def rows_of(method: str, size: str, means: dict[tuple[Any, ...], float], people: int = 8, **more: Any) -> list[Any]:
    """A method's scores: (test, draw, seed, fold) -> mean over people, who differ by 0.01 each."""
    return [
        {
            "experiment": "e", "method": method, "strategy": method.split(",")[0].split(" ")[0], "source": "",
            "variant": "", "size": size, "people": 0 if size == "0" else 2, "test": test, "draw": draw, "fold": fold,
            "seed": seed, "split": "test", "subject": f"p{p}", "case": f"p{p}", "label": "box", "kind": "label",
            "status": "ok", "dice": mean + 0.01 * p + 0.001 * ((3 * p + int(10 * mean)) % 5), **more,
        }
        for (test, draw, seed, fold), mean in means.items()
        for p in range(people)
    ]  # fmt: skip


def runs(*means: float) -> dict[tuple[Any, ...], float]:
    """Trainings on as many draws, each in two folds alike."""
    return {("fixed", draw, 0, fold): mean for draw, mean in enumerate(means) for fold in (0, 1)}


AS_IS = {("fixed", 0, 0, None): 0.5}


def test_draws_must_agree_on_the_source_as_it_is_too(study: Protocol) -> None:
    rows = [
        *rows_of("none", "0", AS_IS),
        *rows_of("full", "2", runs(0.7, 0.48)),
        *rows_of("scratch", "2", runs(0.4, 0.4)),
    ]
    answer = answer_experiment(study, pd.DataFrame(rows), "e")
    verdict = answer.sizes[0].against["none"]["verdict"]
    assert "not settled" in verdict
    assert "the sign holds in 1 of 2 seeds" in verdict
    row = compare_study(study, pd.DataFrame(rows)).set_index("first").loc["none"]
    assert (row["seeds_first"], row["seeds"]) == (2, 2)


def test_own_test_sets_of_several_draws_stand_beside_the_source_as_it_is(study: Protocol) -> None:
    """A person whom two draws test has a value of the source as it is in each."""
    own = {("own of 2, draw 0", 0, 0, None): 0.5, ("own of 2, draw 1", 0, 0, None): 0.5}
    trained = {(test, draw, 0, None): 0.6 for draw, (test, *_) in enumerate(own)}
    scores = pd.DataFrame(
        [*rows_of("none", "0", own), *rows_of("full", "2", trained), *rows_of("scratch", "2", trained)]
    )
    row = compare_study(study, scores).set_index("first").loc["none"]
    assert (row["seeds"], row["n_subjects"]) == (2, 8)
    assert answer_experiment(study, scores, "e").sizes[0].against["none"]["difference"] == pytest.approx(0.1, abs=0.01)


def test_methods_are_compared_on_the_trainings_that_both_have(study: Protocol) -> None:
    """A draw of which one method failed does not count for the other."""
    rows = [*rows_of("scratch", "2", runs(0.6, 0.6, 0.2)), *rows_of("full", "2", runs(0.65, 0.65))]
    scores = pd.DataFrame(rows)
    row = compare_study(study, scores).iloc[0]
    assert row["difference"] == pytest.approx(0.05, abs=0.005)
    assert "values of trainings that only one of them has, 16 in all, were dropped" in row["verdict"]
    against = answer_experiment(study, scores, "e").sizes[0].against["scratch"]
    assert against["difference"] == pytest.approx(0.05, abs=0.005)
    assert "16 in all" in against["verdict"]


def test_the_choice_stands_beside_its_own_source_and_variant(tree: dict[str, Any]) -> None:
    near, far = {"source": "near"}, {"source": "far"}
    small = {"variant": "small"}
    rows = [
        *rows_of("none from near", "0", {("fixed", 0, 0, None): 0.3}, **near),
        *rows_of("none from far", "0", {("fixed", 0, 0, None): 0.7}, **far),
        *rows_of("full from near, small", "2", runs(0.65), **near, **small),
        *rows_of("full from far, small", "2", runs(0.5), **far, **small),
        *rows_of("scratch", "2", runs(0.9)),
        *rows_of("scratch, small", "2", runs(0.6), **small),
    ]
    tree["experiments"][0] |= {"name": "e"}
    answer = answer_experiment(Protocol.model_validate(tree), pd.DataFrame(rows), "e")
    against = answer.sizes[0].against
    assert against["none"]["difference"] == pytest.approx(0.35, abs=0.01)
    assert against["scratch"]["difference"] == pytest.approx(0.05, abs=0.01)
    first, second, third, *_ = answer.sentences()
    assert "transfer is better than training from scratch with 2 people" in first
    assert "adapting is better than the source as it is with 2 people" in second
    assert "; beside it training from scratch is scratch, small, and the source as it is is none from near." in third
    # A variant without a twin of its own has the plain one.
    plain = pd.DataFrame([row for row in rows if row["method"] != "scratch, small"])
    assert answer_experiment(Protocol.model_validate(tree), plain, "e").sizes[0].beside["scratch"] == ("scratch",)


def test_an_experiment_without_the_reference_compares_all_pairs(tree: dict[str, Any]) -> None:
    tree["experiments"][0] |= {"name": "e", "strategies": ["full", "freeze", "none"]}
    protocol = Protocol.model_validate(tree)
    rows = [*rows_of("none", "0", AS_IS), *rows_of("full", "2", runs(0.6)), *rows_of("freeze", "2", runs(0.7))]
    assert len(compare_study(protocol, pd.DataFrame(rows))) == 3
    # A reference that is planned, and not there yet, is waited for.
    tree["experiments"][0]["strategies"] = ["scratch", "full", "freeze", "none"]
    assert compare_study(Protocol.model_validate(tree), pd.DataFrame(rows)).empty


def test_a_size_may_differ_by_a_person_from_test_set_to_test_set() -> None:
    """All people beside one of three test sets of 20 are 13 or 14: one point of the curve, with everybody in it."""
    rows = []
    for size, mean in (("2", 0.5), ("5", 0.6), ("all", 0.7)):
        for fold, rest in enumerate((13, 13, 14)):
            rows += [
                row | {"subject": f"{fold}{row['subject']}", "people": rest if size == "all" else int(size)}
                for row in rows_of("scratch", size, {(f"folds {fold}", 0, 0, None): mean})
            ]
    (curve,) = method_curves(pd.DataFrame(rows), "dice")
    assert curve.sizes == (2, 5, 13)
    assert curve.fit is not None
    assert curve.fit.people == 24


def test_seeds_on_one_draw_of_people_are_one_draw() -> None:
    rows = []
    for size, mean in (("2", 0.5), ("4", 0.6), ("8", 0.7)):
        trained = {("fixed", 0, seed, None): mean + 0.02 * seed for seed in range(3)}
        rows += [row | {"people": int(size)} for row in rows_of("scratch", size, trained)]
    (curve,) = method_curves(pd.DataFrame(rows), "dice")
    assert curve.fit is not None
    assert curve.fit.draws == 1
    assert curve.means[0] == pytest.approx(0.52 + 0.035, abs=0.005)
    each = pd.DataFrame(rows)
    (curve,) = method_curves(each.assign(draw=each["seed"]), "dice")  # repeats: seeds
    assert curve.fit is not None
    assert curve.fit.draws == 3


def test_a_target_that_was_not_measured_has_a_reason() -> None:
    scores = made_scores({"full": {"2": 0.5, "4": 0.6, "8": 0.7}})
    paired = scores.assign(quantity="volume", reference=1.0, prediction=1.0)
    for target, table, words in (
        (TargetConfig(value=0.8, label="bix"), scores, "no label 'bix'"),
        (TargetConfig(value=0.8, measure="icc:contrast"), paired, "no quantity 'contrast'"),
        (TargetConfig(value=0.8, measure="icc:volume"), pd.DataFrame(), "no ICC of the volume is scored yet"),
    ):
        (need,) = needs_for(target, table)
        assert words in need.sentence()
        assert not need.is_identified
