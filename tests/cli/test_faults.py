"""Bad input: every fault ends with status 2, one sentence, and nothing half-written.

The list below is also the table of ``docs/reference/faults.md``. After a change of words, write the page anew:
``NEUROGRAFT_WRITE_FAULTS=1 pytest tests/cli/test_faults.py``.
"""

import errno
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurograft.imaging.files import read_label_map, write_label_map

Program = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"

TRAIN = "train --cohort target/cohort.tsv --out new TINY budget=2steps"
ADAPT = "adapt --source model --cohort target/cohort.tsv --out new --budget 2steps"
PREDICT = "predict --model model --input target --out new"
EVALUATE = "evaluate --reference target --prediction predictions --out new"

HEAD = """\
# Faults: what goes wrong, and what you see

Every command checks what it is given. Anything that you can mend ends with exit status 2 and one line that
begins with `Error:`, says what was expected and what came, names the file, and says how to mend it. There is
no traceback, and nothing half-written where the results should be. Exit status 1 and a traceback mean a fault
of neurograft itself: please report it.

The messages below are what the program prints for a study with the cohort `target`, the model `model` and the
predictions `predictions`, in the folder `/study`; a test compares them with the program.

## Errors

| What is wrong | Command | What you see |
|---|---|---|
"""

MIDDLE = """
## Things that work, and are said

| What is unusual | Command | What you see |
|---|---|---|
"""

TAIL = """
## What a machine cannot do

Whether these come depends on the machine and the network, so they are not in the tables above. Each is an error with
status 2, and only where the way was asked for by name; left to `auto`, the next best way is taken and said.

- `predict --precision int8` or `bf16`, and masks are not those of single precision: `the model cannot run with --engine
  ... here`, with how many voxels differ. `Use --engine auto or --engine torch, and --precision auto or fp32.`
- `compute.precision=bf16`, and gradients in it are wrong: `compute.precision is bf16, and this machine computes wrong
  gradients with it for this network`, with the size of the patches. `Set compute.precision=auto, or another
  sampling.patch_size.`
- `compute.compile=true`, and there is no compiler: `compute.compile is true, and this network cannot be trained so
  here`, with the compiler's own words. `Set compute.compile=auto.`
- `compute.device=cuda` without a GPU: `compute.device is cuda, which torch does not find here. Set
  compute.device=auto.`

## No space left, and kills

A training or a prediction works in a hidden folder beside its output (`.new.partial` for `--out new`) and
moves it into place when it is complete. After a kill or on a full disk, the same command goes on where it
stopped; another command for the same `--out` is refused until it is given `--overwrite`. On a full disk you see

    Error: .new.partial/plan.json: No space left on device. Free some space and repeat the command; it goes on.

`neurograft data check` reports all problems of a cohort at once, rather than the first one.
"""


def _edit(name: str, old: str, new: str) -> Callable[[], None]:
    def edit() -> None:
        file = Path(name)
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return edit


def _truncate(name: str) -> Callable[[], None]:
    return lambda: Path(name).write_bytes(Path(name).read_bytes()[: Path(name).stat().st_size // 2])


def _write(name: str, text: str) -> Callable[[], None]:
    def write() -> None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)

    return write


def _unlabel() -> None:
    table = Path("target/cohort.tsv")
    table.write_text("\n".join("\t".join(line.split("\t")[:2]) for line in table.read_text().splitlines()) + "\n")


def _without_coeruleus() -> None:
    for file in Path("target").glob("*_dseg.nii.gz"):
        label = read_label_map(file)
        write_label_map(file, np.where(label.data == 3, 0, label.data), label.grid)


def _shift_label() -> None:
    label = read_label_map("target/d_dseg.nii.gz")
    moved = label.grid.affine.copy()
    moved[0, 3] += 5
    write_label_map("target/d_dseg.nii.gz", label.data, type(label.grid).from_affine(label.grid.shape, moved))


def _nan() -> None:
    from neurograft.imaging.files import read_image, write_image

    image = read_image("target/c.nii.gz")
    image.data[0, 0, :3] = np.nan
    write_image("target/c.nii.gz", image.data, image.grid)


def _tamper() -> None:
    weights = Path("model/model/model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def _annotate_in_slices() -> None:
    table = Path("target/cohort.tsv")
    header, *rows = table.read_text().splitlines()
    states = ["label_state", "dense", "coeruleus=slices", "dense"]
    lines = [f"{row}\t{state}" for row, state in zip([header, *rows], states, strict=True)]
    table.write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Fault:
    """A thing that can be wrong.

    Attributes:
        what: in the page's words.
        command: without the program's name; TINY stands for the test's small network.
        spoil: makes it so.
        names: what the message must contain.
    """

    what: str
    command: str
    spoil: Callable[[], Any] = lambda: None
    names: tuple[str, ...] = ()


FAULTS = [
    # files
    Fault("An image is cut off (truncated gzip)", PREDICT, _truncate("target/c.nii.gz"), ("target/c.nii.gz",)),
    Fault("… in training", TRAIN, _truncate("target/d.nii.gz"), ("target/d.nii.gz",)),
    Fault("A label map is cut off", TRAIN, _truncate("target/d_dseg.nii.gz"), ("target/d_dseg.nii.gz",)),
    Fault("… in scoring", EVALUATE, _truncate("predictions/d_dseg.nii.gz"), ("predictions/d_dseg.nii.gz",)),
    Fault("A text file is called .nii.gz", PREDICT, _write("target/c.nii.gz", "text"), ("target/c.nii.gz",)),
    Fault("An image holds NaN", TRAIN, _nan, ("target/c.nii.gz",)),
    Fault("Image and label map lie on different grids", TRAIN, _shift_label, ("target/d_dseg.nii.gz",)),
    Fault(
        "A file of the table is missing", TRAIN, lambda: Path("target/d.nii.gz").unlink(), ("d.nii.gz", "cohort.tsv")
    ),
    Fault("The input is missing", "predict --model model --input scans --out new", names=("scans",)),
    Fault(
        "A folder holds no scan",
        "predict --model model --input empty --out new",
        lambda: Path("empty").mkdir(),
        ("empty",),
    ),
    # cohorts
    Fault("The cohort is missing", "train --cohort people.tsv --out new TINY", names=("people.tsv",)),
    Fault(
        "The cohort is an empty folder",
        "train --cohort empty --out new TINY",
        lambda: Path("empty").mkdir(),
        ("empty",),
    ),
    Fault("A folder is no cohort", "data check predictions", names=("predictions",)),
    Fault(
        "The table has no column image",
        TRAIN,
        _edit("target/cohort.tsv", "\timage\t", "\timagee\t"),
        ("cohort.tsv", "imagee"),
    ),
    Fault(
        "The table has no column subject",
        "data check target",
        _edit("target/cohort.tsv", "subject\t", "who\t"),
        ("cohort.tsv",),
    ),
    Fault(
        "The table has no row", "data check target", _write("target/cohort.tsv", "subject\timage\n"), ("cohort.tsv",)
    ),
    Fault("No case has a label map", TRAIN, _unlabel, ("cohort.tsv",)),
    Fault("A label is in no training case", TRAIN, _without_coeruleus, ("coeruleus", "cohort.tsv")),
    Fault("A label is annotated in some slices only", TRAIN, _annotate_in_slices, ("coeruleus", "d_dseg.nii.gz")),
    Fault("A subject is unknown", f"{PREDICT} --subjects people.txt", _write("people.txt", "c\nzz\n"), ("zz",)),
    Fault(
        "The list of subjects is empty", f"{PREDICT} --subjects people.txt", _write("people.txt", "\n"), ("people.txt",)
    ),
    Fault("--where fits nobody", f"{TRAIN} --where age=71", names=("age=71",)),
    Fault("--where names no column", f"{TRAIN} --where agee=70", names=("agee",)),
    Fault("More labelled people are wanted than there are", f"{ADAPT} --labels 9", names=("9",)),
    Fault("People whom the source has seen", ADAPT.replace("target/", "source/"), names=("a (", "b (")),
    # recipes and strategies
    Fault("A label is unknown", f"{TRAIN} labels=[nigro]", names=("nigro", "'nigra'")),
    Fault("A strategy is unknown", f"{ADAPT} --strategy freez", names=("'freeze'",)),
    Fault("A unit is unknown", f"{ADAPT} --strategy freeze(up9)", names=("up9", "up1")),
    Fault("A recipe key is misspelt", f"{TRAIN} sampling.patch_sise=[16,16,16]", names=("'patch_size'",)),
    Fault(
        "… in a file", f"{TRAIN} --recipe mine.yaml", _write("mine.yaml", "netwrok: {}\n"), ("mine.yaml", "'network'")
    ),
    Fault("A recipe value is wrong", f"{TRAIN} optimiser.learning_rate=fast", names=("optimiser.learning_rate",)),
    Fault("A recipe is unknown", f"{TRAIN} --recipe defualt", names=("'default'",)),
    Fault("A budget is not understood", ADAPT.replace("2steps", "soon"), names=("soon",)),
    Fault("A device is not there", f"{TRAIN} compute.device=mps", names=("mps",)),
    Fault("--label-from is not of its form", f"{ADAPT} --label-from nigra", names=("nigra", "TARGET=SOURCE")),
    # models
    Fault("The model is missing or none", "predict --model target --input target --out new", names=("target",)),
    Fault("… for adapt", ADAPT.replace("--source model", "--source modle"), names=("modle",)),
    Fault("The weights were altered", PREDICT, _tamper, ("model/model/model.safetensors",)),
    Fault("The bundle is damaged", "model inspect model", _write("model/model/bundle.json", "{"), ("bundle.json",)),
    Fault("Models that differ are averaged", f"{PREDICT} --model other", lambda: _other_labels(), ("other",)),
    # evaluation
    Fault(
        "There are no predictions", EVALUATE.replace("predictions", "empty"), lambda: Path("empty").mkdir(), ("empty",)
    ),
    Fault("A prediction is missing", EVALUATE, lambda: Path("predictions/d_dseg.nii.gz").unlink(), ("d",)),
    Fault("There is no reference (zero test subjects)", EVALUATE, _unlabel, ("cohort",)),
    Fault("A policy is unknown", f"{EVALUATE} --missing ignore", names=("ignore", "score-zero")),
    # output
    Fault("The output exists", PREDICT, _write("new/mine.txt", "mine"), ("new",)),
    Fault(
        "… and is not neurograft's, with --overwrite",
        f"{PREDICT} --overwrite",
        _write("new/mine.txt", "mine"),
        ("new",),
    ),
    Fault("The output is a file", TRAIN, _write("new", "mine"), ("new",)),
    Fault("The output cannot be written", TRAIN.replace("--out new", "--out /proc/new"), names=("/proc/new",)),
    Fault(
        "An unfinished run with other settings", f"{TRAIN} --seed 1", lambda: _unfinished(), ("/study/.new.partial",)
    ),
]


def _other_labels() -> None:
    shutil.copytree("model/model", "other")
    info = json.loads(Path("other/bundle.json").read_text())
    info["labels"]["labels"][0]["name"] = "putamen"
    Path("other/bundle.json").write_text(json.dumps(info))


def _unfinished() -> None:
    Path(".new.partial").mkdir()
    Path(".new.partial/.neurograft.json").write_text('{"request": {"seed": 0}}')


WORKS = [
    Fault(
        "A patch is larger than the images", f"{TRAIN} sampling.patch_size=[32,16,16]", names=("32 x 16 x 16", "padded")
    ),
    Fault("A scan was in the training", PREDICT.replace("target", "source"), names=("a was among",)),
    Fault("A column looks misspelt", TRAIN, _edit("target/cohort.tsv", "\tage", "\tlable_state"), ("label_state",)),
]


@pytest.fixture(scope="module")
def messages() -> Iterator[dict[str, str]]:
    """Rows of the page by fault; written out at the end when that was asked for."""
    rows: dict[str, str] = {}
    yield rows
    if os.environ.get("NEUROGRAFT_WRITE_FAULTS"):
        errors, works = ([rows[_key(fault)] for fault in faults] for faults in (FAULTS, WORKS))
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(HEAD + "\n".join(errors) + "\n" + MIDDLE + "\n".join(works) + "\n" + TAIL)


def _key(fault: Fault) -> str:
    return f"{fault.what}: {fault.command}"


def _row(fault: Fault, message: str, tmp_path: Path) -> str:
    command = " ".join(fault.command.replace("TINY ", "").replace(" TINY", "").split())
    message = message.replace(str(tmp_path.resolve()), "/study").replace("|", "\\|")
    return f"| {fault.what} | `neurograft {command}` | `{message}` |"


def _check_page(fault: Fault, row: str, messages: dict[str, str]) -> None:
    messages[_key(fault)] = row
    if not os.environ.get("NEUROGRAFT_WRITE_FAULTS"):
        assert row in PAGE.read_text().splitlines(), "write the page anew, see the head of this file"


def _words(fault: Fault, tiny: list[str]) -> list[str]:
    # Later overrides win, so the small network comes first.
    return [piece for word in fault.command.split() for piece in (tiny if word == "TINY" else [word])]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("fault", FAULTS, ids=_key)
def test_a_fault_is_one_sentence_and_leaves_nothing(
    fault: Fault, neurograft: Program, tiny: list[str], tmp_path: Path, messages: dict[str, str]
) -> None:
    fault.spoil()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    outcome = neurograft(*_words(fault, tiny))
    assert outcome.status == 2, outcome
    assert len(outcome.errors) == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    message = outcome.errors[0]
    shown = message.replace(str(tmp_path.resolve()), "/study")
    for name in fault.names:
        assert name in shown
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before
    left = {path.name for path in tmp_path.iterdir()} - {path.relative_to(tmp_path).parts[0] for path in before}
    assert left <= {"empty"}
    _check_page(fault, _row(fault, message, tmp_path), messages)


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("fault", WORKS, ids=_key)
def test_what_is_unusual_works_and_is_said(
    fault: Fault, neurograft: Program, tiny: list[str], tmp_path: Path, messages: dict[str, str]
) -> None:
    fault.spoil()
    outcome = neurograft(*_words(fault, tiny))
    assert outcome.status == 0, outcome
    said = [text for text in outcome.warnings if all(name in text for name in fault.names)]
    assert said
    _check_page(fault, _row(fault, f"WARNING: {said[0]}", tmp_path), messages)


def test_the_page_has_no_other_rows(messages: dict[str, str]) -> None:
    if os.environ.get("NEUROGRAFT_WRITE_FAULTS"):
        pytest.skip("the page is being written")
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "What is" not in line]
    assert len(rows) == len(FAULTS) + len(WORKS)
    assert PAGE.read_text().startswith(HEAD)
    assert PAGE.read_text().endswith(TAIL)


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("command", [TRAIN, PREDICT, EVALUATE], ids=["train", "predict", "evaluate"])
def test_no_space_left_is_said_and_the_same_command_goes_on(
    command: str, code: int, neurograft: Program, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = _words(Fault("", command), tiny)

    def full(self: Path, *_: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        for name in ("write_bytes", "write_text"):
            patch.setattr(Path, name, full)
        outcome = neurograft(*words)
    assert outcome.status == 2
    assert len(outcome.errors) == 1
    assert not Path("new").exists()
    assert neurograft(*words).status == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("kilobytes", [16, 40, 130, 200])
def test_a_disk_that_is_full_at_different_moments(
    kilobytes: int, study: Any, neurograft: Program, tiny: list[str], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        words = _words(Fault("", TRAIN.replace("--out new", "--out disk/new validation.hold_out=1")), tiny)
        outcome = neurograft(*words)
        assert outcome.status == 2, outcome
        assert len(outcome.errors) == 1
        shown = re.search(r"Error: (\S+): (No space left.*)$", TAIL, re.MULTILINE)
        found = re.fullmatch(r"Error: (\S+): (.*)", outcome.errors[0])
        assert shown is not None
        assert found is not None
        assert found.group(1).startswith(str(disk)), "the message names what could not be written"
        assert found.group(2) == shown.group(2)
        assert not (disk / "new").exists()
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert neurograft(*words).status == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
