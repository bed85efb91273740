"""What goes into JSON comes back as it was, type by type, and nothing else is ever made from a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import open_cohort
from neurograft.evaluation.overlap.counts import LabelCounts
from neurograft.imaging.cropping import Box
from neurograft.inference.regions import Region
from neurograft.scoring.measuring import CaseMeasures
from neurograft.studies.parts.plain import from_plain, to_plain


def there_and_back(value: object) -> object:
    return from_plain(json.loads(json.dumps(to_plain(value))))


def test_values_keep_their_types() -> None:
    value = {
        "tuple": (1, 2.5, None, "x"),
        ("a", 26): [True, Path("b/c.nii.gz"), frozenset({"q", "p"})],
        "single": np.float32(0.1),
        "empty": np.zeros((0, 3)),
        "tenth": 0.1 + 0.2,
    }
    back = there_and_back(value)
    assert isinstance(back, dict)
    assert back["tuple"] == (1, 2.5, None, "x")
    assert back["a", 26] == [True, Path("b/c.nii.gz"), frozenset({"p", "q"})]
    assert back["single"].dtype == np.float32
    assert back["empty"].shape == (0, 3)
    assert back["tenth"].hex() == (0.1 + 0.2).hex()
    assert there_and_back(float("nan")) != there_and_back(float("nan"))


def test_dataclasses_of_ours_keep_what_they_hold(balls: Path) -> None:
    cohort = open_cohort(balls / "cohort.tsv")
    assert there_and_back(cohort) == cohort
    region = Region("predicted", Box((0, 1, 2), (3, 4, 5)), "", "")
    assert there_and_back(region) == region
    counts = LabelCounts((1, 2), np.arange(9).reshape(3, 3))
    case = CaseMeasures("c", "s", np.eye(4), [{"dice": np.float64(0.25)}], counts, ("swapped",))
    back = there_and_back(case)
    assert isinstance(back, CaseMeasures)
    assert back.counts is not None
    assert (back.scores, back.swaps, back.counts.values) == (case.scores, case.swaps, (1, 2))
    assert np.array_equal(back.counts.matrix, counts.matrix)
    assert np.array_equal(back.affine, np.eye(4))


def test_nothing_else_is_written_or_made() -> None:
    with pytest.raises(TypeError, match="object is not written"):
        to_plain(object())
    with pytest.raises(TypeError, match="Python objects"):
        to_plain(np.array([object()]))
    with pytest.raises(ValueError, match="no plain data of ours"):
        from_plain({"is": "Popen", "of": {"args": "true"}})
    with pytest.raises(ValueError, match="no plain data of ours"):
        from_plain({"is": "Box", "of": {"somewhere": 1}})
