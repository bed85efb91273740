"""Protocols are refused before anything runs, with the nearest right word."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from neurograft.errors import InputError
from neurograft.studies.protocol import load_protocol, protocol_names


def write(tree: Any, folder: Path) -> Path:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


@pytest.mark.parametrize("name", protocol_names())
def test_shipped_protocols_are_valid(name: str) -> None:
    assert load_protocol(name).experiments


def test_every_paper_has_a_large_and_a_small_protocol() -> None:
    names = set(protocol_names())
    assert {f"p{number}{size}" for number in range(1, 6) for size in ("", "-small")} <= names
    assert all(load_protocol(f"p{number}").paper == f"P{number}" for number in range(1, 6))


def test_a_misspelt_key_is_told_with_the_right_one(tree: dict[str, Any], tmp_path: Path) -> None:
    tree["experiments"][0]["stategies"] = tree["experiments"][0].pop("strategies")
    with pytest.raises(InputError, match=r"Did you mean 'strategies'"):
        load_protocol(write(tree, tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sources": {}}, "names source 'one'"),
        ({"cohorts": {"others": {"path": "x"}}}, "names cohort 'people'"),
        ({"cohorts": {"people": {}}}, "either a path or a phantom"),
        ({"scoring": {"measures": ["dise"]}}, "dise cannot be measured"),
        ({"seeds": [0, 0]}, "a seed is named twice"),
        ({"claims": [{"text": "t", "better": "a", "than": "b", "experiments": ["x"]}]}, "names experiment 'x'"),
    ],
)
def test_what_does_not_fit_together(change: dict[str, Any], words: str, tree: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        load_protocol(write(tree | change, tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": {"kind": "fixed"}}, "either a count or a share"),
        ({"test": {"kind": "cohort"}}, "cohort to test on"),
        ({"folds": 1}, "folds must be 0"),
        ({"sources": []}, "without sources"),
        ({"sizes": [2, 2]}, "named twice"),
        ({"seeds": [1, 1]}, "a seed is named twice"),
        ({"fold_models": "averaged"}, "needs folds"),
        ({"plain": False}, "leaves nothing"),
    ],
)
def test_an_experiment_that_makes_no_sense(
    change: dict[str, Any], words: str, tree: dict[str, Any], tmp_path: Path
) -> None:
    tree["experiments"][0] |= change
    with pytest.raises(InputError, match=words):
        load_protocol(write(tree, tmp_path))


def test_overrides_and_what_is_wrong_with_them(tree: dict[str, Any], tmp_path: Path) -> None:
    file = write(tree, tmp_path)
    changed = load_protocol(file, ["seeds=[3, 4]", "compute.threads=2"])
    assert (changed.seeds, changed.compute.threads) == ((3, 4), 2)
    for text, words in (("seeds", "key=value"), ("title.x=1", "holds no keys"), ("seeds=[", "not valid YAML")):
        with pytest.raises(InputError, match=words):
            load_protocol(file, [text])


def test_an_unknown_name_suggests_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'p1-small'"):
        load_protocol("p1-smal")
    with pytest.raises(InputError, match="must be a mapping"):
        load_protocol(write([1], tmp_path))
