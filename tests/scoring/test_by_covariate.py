"""An evaluation by scanner: each group is what an evaluation of it alone would be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.scoring.by_covariate import summary_by
from neurograft.scoring.run import Evaluation, score_files


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Path, Evaluation]:
    root = tmp_path_factory.mktemp("by")
    grid = Grid.from_affine((8, 8, 8), np.eye(4))
    rows = ["subject\timage\tlabel\tscanner"]
    for number, scanner in enumerate(["GE", "Siemens", "GE", ""]):
        label, found = np.zeros((8, 8, 8), np.int32), np.zeros((8, 8, 8), np.int32)
        label[2:6, 2:6, 2:6] = 1
        found[2 : 6 - number, 2:6, 2:6] = 1
        write_image(root / f"{number}.nii.gz", label.astype(np.float32), grid)
        write_label_map(root / f"{number}_dseg.nii.gz", label, grid)
        write_label_map(root / "found" / f"s{number}.nii.gz", found, grid)
        rows.append(f"s{number}\t{number}.nii.gz\t{number}_dseg.nii.gz\t{scanner}")
    (root / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (root / "labels.tsv").write_text("index\tname\n1\tball\n")
    cohort = open_cohort(root)
    return cohort, root / "found", score_files(cohort, root / "found")


def test_each_group_has_its_own_means(scored: tuple[Cohort, Path, Evaluation]) -> None:
    cohort, _, evaluation = scored
    dice = summary_by(evaluation, cohort, "scanner").query("measure == 'dice'").set_index("scanner")
    assert dice.index.tolist() == ["GE", "Siemens", "n/a"]
    # A mask of k of 4 planes has a Dice of 2k / (k + 4).
    assert dice["mean"].tolist() == pytest.approx([(1 + 4 / 6) / 2, 6 / 7, 2 / 5])
    assert dice["n"].tolist() == [2, 1, 1]


def test_a_group_is_what_an_evaluation_of_it_alone_gives(scored: tuple[Cohort, Path, Evaluation]) -> None:
    cohort, found, evaluation = scored
    grouped = summary_by(evaluation, cohort, "scanner")
    alone = score_files(cohort.of_subjects(["s0", "s2"]), found).tables.summary
    of_group = grouped[grouped["scanner"] == "GE"].drop(columns="scanner").reset_index(drop=True)
    pd.testing.assert_frame_equal(of_group, alone.reset_index(drop=True))


def test_an_unknown_column_is_told_with_those_there_are(scored: tuple[Cohort, Path, Evaluation]) -> None:
    cohort, _, evaluation = scored
    with pytest.raises(InputError, match="names no column") as refused:
        summary_by(evaluation, cohort, "site")
    assert "scanner" in refused.value.mend
