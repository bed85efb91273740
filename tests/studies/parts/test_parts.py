"""Predictions and evaluations in parts give the files of those in one piece, byte for byte, interrupted or not."""

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from neurograft.cohorts import open_cohort
from neurograft.errors import InputError
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import load_recipe
from neurograft.scoring.files import write_evaluation
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.run import score_files
from neurograft.studies.cells.running import Outcome
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.executors.local import LocalExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.parts.measuring import measure_in_parts
from neurograft.studies.parts.prediction import predict_in_parts
from neurograft.studies.parts.spreading import Spread, divided
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

RECIPE = [
    "budget=2steps", "network.channels=[4,8]", "sampling.patch_size=[16,16,16]", "validation.hold_out=0",
    "compute.device=cpu", "compute.precision=fp32", "compute.channels_last=false", "compute.threads=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def model(balls: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("model") / "run"
    some = open_cohort(balls / "cohort.tsv").of_subjects(["p0", "p1"])
    train_model(TrainingRequest(some, load_recipe("default", RECIPE), out))
    return open_bundle(out / "model")


@pytest.fixture(scope="module")
def whole(model: Bundle, balls: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "masks"
    predict_cohort(request(model, balls, out))
    return out


def request(model: Bundle, balls: Path, out: Path) -> PredictionRequest:
    return PredictionRequest([model], open_cohort(balls / "cohort.tsv"), out, keep_probabilities=True, overlays=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Unplugged(InlineExecutor):
    """Stops after three cells, as a machine does whose power fails."""

    ran: int = 0

    def outcomes(self) -> Iterator[Outcome]:
        if self.ran == 3:
            raise KeyboardInterrupt
        self.ran += 1
        yield from super().outcomes()


def test_parts_do_not_depend_on_who_runs_them() -> None:
    assert [len(part) for part in divided(range(8))] == [1] * 8
    assert [len(part) for part in divided(range(33))] == [2] * 16 + [1]
    many = divided(range(100_001))
    assert max(map(len, many)) == 64
    assert [item for part in many for item in part] == list(range(100_001))


def test_a_prediction_in_parts_that_was_cut_off(model: Bundle, balls: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    with pytest.raises(KeyboardInterrupt):
        predict_in_parts(request(model, balls, out), Unplugged)
    assert not out.exists()
    parts = StudyFolder(tmp_path / ".masks.parts")
    assert len(parts.finished()) == 3
    done: list[tuple[int, int]] = []
    predict_in_parts(request(model, balls, out), InlineExecutor, lambda *told: done.append(told))
    # Three of eight were there.
    assert done[0] == (4, 8)
    assert contents(out) == contents(whole)
    assert [entry.name for entry in tmp_path.iterdir()] == ["masks"]


@pytest.mark.slow
def test_processes_of_this_machine_give_the_same_files(model: Bundle, balls: Path, whole: Path, tmp_path: Path) -> None:
    predict_in_parts(request(model, balls, tmp_path / "masks"), partial(LocalExecutor, workers=2))
    assert contents(tmp_path / "masks") == contents(whole)


def test_what_a_part_cannot_read_is_the_users_to_mend(model: Bundle, balls: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for file in balls.iterdir():
        (data / file.name).write_bytes(b"no image" if file.name == "p3_image.nii.gz" else file.read_bytes())
    with pytest.raises(InputError, match=r"1 of 8 parts failed; part 4 of 8: .*p3_image"):
        predict_in_parts(request(model, data, tmp_path / "masks"), InlineExecutor)
    (data / "p3_image.nii.gz").write_bytes((balls / "p3_image.nii.gz").read_bytes())
    done: list[tuple[int, int]] = []
    predict_in_parts(request(model, data, tmp_path / "masks"), InlineExecutor, lambda *told: done.append(told))
    assert done == [(8, 8)]


def test_a_folder_of_somebody_else_is_left_alone(model: Bundle, balls: Path, tmp_path: Path) -> None:
    (tmp_path / ".masks.parts").mkdir()
    (tmp_path / ".masks.parts" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="files that neurograft did not make"):
        predict_in_parts(request(model, balls, tmp_path / "masks"), InlineExecutor)
    assert (tmp_path / ".masks.parts" / "letter.txt").read_text() == "mine"


def test_a_kill_before_the_first_part_is_in_nobodys_way(tmp_path: Path) -> None:
    spread = Spread.beside(tmp_path / "out", InlineExecutor)
    spread.root.mkdir()
    gone = {"host": platform.node(), "pid": 2**22 + 1, "started": 0.0}
    StudyFolder(spread.root).lock.write_text(json.dumps(gone))
    assert spread.run("empty", {}, []) == []
    spread.clear()
    assert not spread.root.exists()


def test_an_evaluation_in_parts(balls: Path, whole: Path, tmp_path: Path) -> None:
    cohort = open_cohort(balls / "cohort.tsv")
    options = ScoringOptions(
        surfaces=("voxel",), groups={"both": ("one", "two")}, lesions=("one",), slices="skip", biomarkers=True, draws=50
    )
    spread = Spread.beside(tmp_path / "scores", InlineExecutor)
    found = []
    for name, measure in (("whole", None), ("parts", partial(measure_in_parts, spread))):
        evaluation = score_files(cohort, whole, options=options, measure=measure)
        (tmp_path / name).mkdir()
        write_evaluation(evaluation, tmp_path / name)
        found.append(contents(tmp_path / name))
    assert found[0] == found[1]
    assert {"per_case.tsv", "lesion_scores.tsv", "confusion.tsv", "biomarkers.tsv"} <= set(found[0])
    spread.clear()
    assert not spread.root.exists()
