"""``neurograft doctor`` and the engine options of ``predict``."""

import json

import pytest
from typer.testing import CliRunner

from neurograft.cli.main import app

runner = CliRunner()


def test_the_machine_without_measurements() -> None:
    result = runner.invoke(app, ["doctor", "--no-measure", "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["machine"]["cores"] >= 1
    assert told["recipes"] == []
    assert all(trap["problem"] and trap["mend"] for trap in told["traps"])


def test_a_recipe_is_measured_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurograft.training import expectations

    found = expectations.Expectation("hippocampus", 1234, "cpu, fp32", 0.5, 7, {"torch fp32": 3.25})
    monkeypatch.setattr(expectations, "expect", lambda name, recipe: found)
    result = runner.invoke(app, ["doctor", "--recipe", "hippocampus"])
    assert result.exit_code == 0
    assert all(text in result.stdout for text in ("This machine", "1,234", "torch fp32", "3.25", "160 x 192 x 160"))
    told = json.loads(runner.invoke(app, ["doctor", "--recipe", "hippocampus", "--json"]).stdout)
    assert told["recipes"] == [
        {
            "recipe": "hippocampus",
            "parameters": 1234,
            "compute": "cpu, fp32",
            "step_seconds": 0.5,
            "windows": 7,
            "scan_seconds": {"torch fp32": 3.25},
        }
    ]
