"""What a study is expected to take, without being kept: time by the unit of the budget, and what cells share."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from neurograft.recipes import load_recipe
from neurograft.studies.estimate import _training_seconds, estimate_study
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.run import Places, draft_study


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [("30steps", 30 * 0.5), ("10min", 600.0), ("3epochs", 3 * (4 * 8 / 2) * 0.5)],
)
def test_seconds_of_a_training_by_hand(budget: str, seconds: float) -> None:
    recipe = load_recipe("default", [f"budget={budget}", "sampling.patches_per_subject=8", "sampling.batch_size=2"])
    assert _training_seconds(recipe, 4, step_seconds=0.5) == pytest.approx(seconds)


def test_a_draft_is_estimated_and_not_kept(tree: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    tree["experiments"][0] |= {"test": {"kind": "folds", "folds": 2}, "sizes": [2], "pool": 2}
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(tree))
    folder = StudyFolder(tmp_path / "study")
    draft = draft_study(load_protocol(tmp_path / "protocol.yaml"), folder.root, Places(balls))
    estimate = estimate_study(draft.plan, draft.description["cohorts"], folder, workers=1)
    assert estimate.seconds is not None
    assert estimate.seconds > 0
    # For each half of the people a guard and a source, from which full begins and which is scored as it is.
    assert sorted(estimate.shared) == [
        ("one-to-two: nobody on both sides of folds 0", 3),
        ("one-to-two: nobody on both sides of folds 1", 3),
        ("source one, 2 people, seed 0, apart from folds 0", 2),
        ("source one, 2 people, seed 0, apart from folds 1", 2),
    ]
    assert not any(file.exists() for file in (folder.plan, folder.readings, folder.description))
