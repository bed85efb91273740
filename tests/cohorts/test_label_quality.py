"""The quality of labels: read from the cohort, and a bound that it must reach."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.cohorts.label_quality import case_quality, of_quality
from neurograft.errors import InputError

Save = Callable[..., Path]


def cohort(save: Save, *qualities: str) -> Cohort:
    rows = ["subject\timage\tlabel\tlabel_quality"]
    for number, quality in enumerate(qualities):
        save(f"q/{number}.nii.gz")
        label = save(f"q/{number}_dseg.nii.gz", labels=(1,))
        rows.append(f"s{number}\t{number}.nii.gz\t{label.name}\t{quality}")
    path = save("q/0.nii.gz").parent / "cohort.tsv"
    path.write_text("\n".join(rows) + "\n")
    return open_cohort(path)


def test_a_quality_is_read_and_silence_means_good(save: Save) -> None:
    assert [case_quality(case) for case in cohort(save, "0.25", "", "n/a", "1").cases] == [0.25, 1, 1, 1]
    plain = cohort(save, "0").cases[0]
    assert case_quality(replace(plain, covariates={})) == 1


@pytest.mark.parametrize("text", ["good", "1.5", "-0.1", "nan"])
def test_anything_else_is_refused(save: Save, text: str) -> None:
    found = cohort(save, "1").cases[0]
    with pytest.raises(InputError, match="label_quality of case s0"):
        # The table reads "nan" as an empty cell; other sources may not.
        case_quality(replace(found, covariates={"label_quality": text}))


def test_a_bound_keeps_what_reaches_it(save: Save) -> None:
    found = cohort(save, "0.2", "0.5", "")
    assert of_quality(found, 0.5).subjects == ("s1", "s2")
    assert of_quality(found, 0.0) == found
    with pytest.raises(InputError, match=r"the best is 0\.4"):
        of_quality(cohort(save, "0.2", "0.4"), 0.5)
