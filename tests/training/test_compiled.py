"""Trainings with compiled steps, beside the same trainings without."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from neurograft.cohorts import Cohort
from neurograft.models import open_bundle
from neurograft.recipes import Recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where PyTorch's compiler keeps what it makes."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("there is no C++ compiler here, so nothing was compiled")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path / "cache"))
    torch.compiler.reset()
    return tmp_path / "cache" / "compiled"


def test_compiled_steps_learn_the_same_and_leave_frozen_units_alone(
    balls: Cohort, make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path, compiler: Path
) -> None:
    train_model(TrainingRequest(balls, make_recipe("network.norm=batch", "budget=2steps"), tmp_path / "source"))
    source = open_bundle(tmp_path / "source")
    others = make_cohort(tmp_path / "others", 2, seed=9, first_subject=50)
    found: dict[str, dict[str, Tensor]] = {}
    for name, compiled in (("eager", "auto"), ("compiled", "true"), ("again", "true")):
        recipe = make_recipe("network.norm=batch", "budget=3steps", f"compute.compile={compiled}")
        train_model(TrainingRequest(others, recipe, tmp_path / name, "freeze(up1)", source))
        found[name] = load_file(tmp_path / name / "model" / "model.safetensors")
        assert json.loads((tmp_path / name / "plan.json").read_text())["compute"]["compiled"] == (compiled == "true")
    assert list(compiler.iterdir()), "in the user's cache, not in the folder for temporary files"
    assert compiler.stat().st_mode & 0o777 == 0o700
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(compiler)
    changed = {name for name, tensor in found["eager"].items() if not torch.equal(tensor, source.state[name])}
    assert changed
    for name, tensor in found["compiled"].items():
        assert torch.equal(tensor, found["again"][name]), "the seed decides"
        if name in changed:
            torch.testing.assert_close(tensor, found["eager"][name], rtol=1e-3, atol=1e-5)
        else:
            assert torch.equal(tensor, source.state[name])
