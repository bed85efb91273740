import sys
from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import open_cohort
from neurograft.errors import InputError
from neurograft.imaging.brain_extraction import command_brain, solid, template_brain
from neurograft.imaging.files import read_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import prepare_image
from neurograft.imaging.volume import Volume
from neurograft.phantoms.synthesis.look import read_look
from neurograft.recipes.schema import PreparationConfig

SCAN = Volume(
    np.where(np.indices((60, 60, 60)).sum(0) % 7 == 0, 0, 50).astype(np.float32),
    Grid.from_affine((60, 60, 60), np.diag([-2.0, 2, 2, 1])),
    Path("head.nii.gz"),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a program of one statement, in which `image` is the input and `out` the path to write."""

    def make(statement: str, arguments: str = "{input} {output}") -> Path:
        script = tmp_path / "a program.py"
        script.write_text(
            "import sys, time, nibabel, numpy as np\n"
            "image, out = nibabel.load(sys.argv[1]), sys.argv[2]\n"
            "data = np.asarray(image.dataobj)\n"
            "def write(data, affine=image.affine): nibabel.Nifti1Image(data.astype('f4'), affine).to_filename(out)\n"
            f"{statement}\n"
        )
        monkeypatch.setenv("NEUROGRAFT_BRAIN_COMMAND", f"'{sys.executable}' '{script}' {arguments}")
        return script

    return make


def test_a_command_is_run_checked_and_remembered(program) -> None:
    keep = "m = np.zeros(data.shape); m[5:-5, 5:-5, 5:-5] = 1; write(data * m)"
    script = program(keep)
    mask = command_brain(SCAN)
    # The stripped image has zeros within the brain, and the mask has none.
    expected = np.zeros(SCAN.data.shape, bool)
    expected[5:-5, 5:-5, 5:-5] = True
    assert (mask.data != 0)[6:-6, 6:-6, 6:-6].all()
    assert not (mask.data != 0)[~expected].any()
    assert mask.grid.same_as(SCAN.grid)
    script.unlink()
    np.testing.assert_array_equal(command_brain(SCAN).data, mask.data)
    prepared = prepare_image([SCAN], PreparationConfig(brain="command", normalisation="none", crop="nonzero"))
    assert prepared.data.shape == (1, 50, 50, 50)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("pass", "wrote no file"),
        ("sys.exit('no licence found')", "ended with status 1: no licence found"),
        ("write(data[1:])", "does not lie on the scan's grid: shape 59x60x60"),
        ("write(data, np.eye(4))", "does not lie on the scan's grid"),
        ("write(data * 0)", "0.00 litres, which is no brain"),
        ("m = data * 0; m[:4, :4, :4] = 1; write(m)", "which is no brain"),
        ("open(out, 'w').write('no image')", "cannot be read"),
    ],
)
def test_a_command_that_goes_wrong_is_reported(program, statement: str, message: str) -> None:
    program(statement)
    with pytest.raises(InputError, match=message):
        command_brain(SCAN)


def test_a_command_must_be_given_end_and_exist(program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program("time.sleep(60)")
    monkeypatch.setenv("NEUROGRAFT_BRAIN_TIMEOUT_S", "1")
    with pytest.raises(InputError, match="did not end within 1 seconds"):
        command_brain(SCAN)
    program("pass", "{input}")
    with pytest.raises(InputError, match=r"does not say where \{output\} goes"):
        command_brain(SCAN)
    monkeypatch.setenv("NEUROGRAFT_BRAIN_COMMAND", f"no-such-program-here {{input}} {{output}}; touch {tmp_path}/x")
    with pytest.raises(InputError, match="there is no program"):
        command_brain(SCAN)
    assert not (tmp_path / "x").exists()
    monkeypatch.delenv("NEUROGRAFT_BRAIN_COMMAND")
    with pytest.raises(InputError, match="no command is given"):
        prepare_image([SCAN], PreparationConfig(brain="command"))


def test_no_recipe_can_name_a_command() -> None:
    with pytest.raises(ValueError, match="brain"):
        PreparationConfig.model_validate({"brain": ["rm", "-rf"]})
    with pytest.raises(ValueError, match="brain_command"):
        PreparationConfig.model_validate({"brain": "command", "brain_command": "anything"})


def test_a_mask_is_wanted_and_empties_what_is_around() -> None:
    mask = np.zeros(SCAN.data.shape, np.int32)
    mask[10:20, 10:30, 10:40] = 1
    config = PreparationConfig(brain="mask", normalisation="none")
    data = prepare_image([SCAN], config, Volume(mask, SCAN.grid)).data[0]
    np.testing.assert_array_equal(data, (SCAN.data * mask)[::-1])
    with pytest.raises(InputError, match="brain is mask, and this case has none"):
        prepare_image([SCAN], config)


def test_the_largest_part_without_holes() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[2:12, 2:12, 2:12] = True
    full = mask.copy()
    mask[5:8, 5:8, 5:8] = False
    mask[17:, 17:, 17:] = True
    np.testing.assert_array_equal(solid(mask), full)
    assert not solid(np.zeros((3, 3, 3), bool)).any()


def test_the_template_finds_a_brain_inside_of_a_head(shared_data: Path) -> None:
    cohort = open_cohort(shared_data / "brain-label-maps")
    names = {value: label.name for label in cohort.labels.labels for value in label.values}
    values = read_label_map(cohort.cases[0].label)
    look, thinned = read_look(), np.ascontiguousarray(values.data[::2, ::2, ::2])
    head, brain = np.zeros(thinned.shape, np.float32), np.zeros(thinned.shape, bool)
    for value in np.unique(thinned)[1:].tolist():
        row = look.of(names[value]) if value in names else look.of("", value)
        if row is not None:
            head[thinned == value] = 500 * row.mean
            brain |= (thinned == value) & (row.part == "brain")
    scan = Volume(head, values.grid.derived((128, 128, 128), np.diag([2.0, 2, 2, 1])))
    mask = template_brain(scan).data > 0
    # The template's mask holds the fluid of the sulci, which the structures do not.
    assert 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) > 0.82
    assert (mask & brain).sum() / brain.sum() > 0.93
    np.testing.assert_array_equal(template_brain(scan).data > 0, mask)
