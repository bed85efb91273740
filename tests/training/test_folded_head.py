"""A model as it is, under other labels: probabilities of its rows are added up, and none stands for what it is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle, open_bundle
from neurograft.tasks import SegmentationTask
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.training.starting_network import folded
from neurograft.transfer import Folding


def test_probabilities_add_up_and_the_rest_is_background() -> None:
    folding = Folding(("background", "a", "left b", "right b", "c"), {"B": ("left b", "right b"), "A": ("a",)})
    probabilities = torch.rand((2, 5, 3, 2, 2), generator=torch.Generator().manual_seed(0))
    found = folding.fold(probabilities)
    assert found.shape == (2, 3, 3, 2, 2)
    torch.testing.assert_close(found[:, 0], probabilities[:, 0] + probabilities[:, 4])
    torch.testing.assert_close(found[:, 1], probabilities[:, 2] + probabilities[:, 3])
    torch.testing.assert_close(found[:, 2], probabilities[:, 1])


@pytest.mark.parametrize("parts", [{"A": ("a",), "B": ("a", "b")}, {"A": ("c",)}])
def test_rows_belong_to_one_label_and_exist(parts: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="one label at most"):
        Folding(("background", "a", "b"), parts)


def test_a_task_is_folded_only_where_rows_are_not_the_labels(make_recipe) -> None:
    rows = ("background", "a", "b")
    softmax, sigmoid = (make_recipe(f"task.output={output}").task for output in ("softmax", "sigmoid"))
    assert folded(SegmentationTask(softmax, ["b", "a"]), rows, {}).folding is None
    assert folded(SegmentationTask(softmax, ["x", "a"]), rows, {"x": "b"}).folding is None
    assert folded(SegmentationTask(softmax, ["x"]), rows, {}).folding is None, "a random row is refused later"
    assert folded(SegmentationTask(sigmoid, ["a"]), ("a", "b"), {}).folding is None
    assert folded(SegmentationTask(softmax, ["a"]), rows, {}).folding == Folding(rows, {"a": ("a",)})
    for labels in (["x", "y"], ["x", "y", "b"]):
        with pytest.raises(InputError, match="x and y are both a of the source"):
            folded(SegmentationTask(softmax, labels), rows, {"x": "a", "y": "a"})


@pytest.fixture(scope="module")
def three(make_cohort, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort") / "three", labels=("left x", "right x", "y"))


@pytest.fixture(scope="module")
def source(three: Cohort, make_recipe, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Three labels, learnt for a step or two."""
    out = tmp_path_factory.mktemp("source") / "run"
    train_model(TrainingRequest(three, make_recipe("budget=2steps", "postprocessing.keep_largest=null"), out))
    return open_bundle(out)


def as_it_is(source: Bundle, cohort: Cohort, out: Path, label_from: dict[str, str]) -> Bundle:
    recipe = source.info.recipe
    train_model(TrainingRequest(cohort, recipe, out, "none", source, label_from, allow_shared_subjects=True))
    return open_bundle(out)


def test_a_model_as_it_is_says_of_its_own_labels_what_it_always_said(
    source: Bundle, three: Cohort, tmp_path: Path
) -> None:
    """One label of three, and both sides as one: exact sums of the source's own probabilities."""
    scan = read_image(next(iter(three.cases[0].images.values())))
    whole = Segmenter([source]).segment([scan], keep_probabilities=True).probabilities
    assert whole is not None
    for name, label_from, rows in (("y", {}, [2]), ("X", {"X": "left x+right x"}, [0, 1])):
        cohort = three.select_labels(["y"] if name == "y" else {"X": ("left x", "right x")})
        model = as_it_is(source, cohort, tmp_path / name, label_from)
        assert list(model.labels.names) == [name]
        assert set(model.info.head) == {"background", "left x", "right x", "y"}
        assert all(torch.equal(model.state[key], tensor) for key, tensor in source.state.items())
        found = Segmenter([model]).segment([scan], keep_probabilities=True)
        assert found.probabilities is not None
        expected = whole[rows].sum(0)
        np.testing.assert_allclose(found.probabilities[0], expected, atol=1e-5)
        clear = np.abs(expected - 0.5) > 1e-4
        assert np.array_equal((found.classes == 1)[clear], (expected > 0.5)[clear])


def test_it_is_refused_as_a_source(source: Bundle, three: Cohort, tmp_path: Path) -> None:
    model = as_it_is(source, three.select_labels(["y"]), tmp_path / "y", {})
    request = TrainingRequest(
        three.select_labels(["y"]), source.info.recipe, tmp_path / "z", "full", model, allow_shared_subjects=True
    )
    with pytest.raises(InputError, match="under other labels' names"):
        train_model(request)


@pytest.mark.parametrize(
    "change", [{"folded": {}}, {"folded": {"z": ["y"]}}, {"folded": {"y": ["nowhere"]}}, {"head": []}]
)
def test_a_head_that_does_not_make_up_the_labels_is_refused(
    source: Bundle, three: Cohort, tmp_path: Path, change: dict[str, Any]
) -> None:
    model = as_it_is(source, three.select_labels(["y"]), tmp_path / "y", {})
    file = model.path / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=r"bundle\.json.*cannot be read as a bundle"):
        open_bundle(model.path)


def test_models_of_other_heads_are_not_averaged(source: Bundle, three: Cohort, tmp_path: Path) -> None:
    two = as_it_is(source, three.select_labels({"X": ("left x", "right x")}), tmp_path / "a", {"X": "left x+right x"})
    other = as_it_is(source, three.select_labels({"X": ("left x", "right x")}), tmp_path / "b", {"X": "y"})
    with pytest.raises(InputError, match="cannot be averaged"):
        Segmenter([two, other])
