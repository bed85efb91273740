import copy
import pickle
from pathlib import Path

from neurograft.errors import InputError


def test_message_names_file_problem_and_mend() -> None:
    error = InputError("expected a number, got 'x'", "Correct column 3", "data/a.tsv")
    assert str(error) == "data/a.tsv: expected a number, got 'x'. Correct column 3."
    assert (error.problem, error.mend, error.file) == (
        "expected a number, got 'x'",
        "Correct column 3",
        Path("data/a.tsv"),
    )


def test_message_without_a_file() -> None:
    assert str(InputError("no cases", "Add one")) == "no cases. Add one."
    assert InputError("no cases", "Add one").file is None


def test_is_a_value_error_and_survives_a_process_boundary() -> None:
    error = InputError("a", "b", Path("c"))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(twin, ValueError)
        assert type(twin) is InputError
        assert (twin.problem, twin.mend, twin.file, str(twin)) == ("a", "b", Path("c"), str(error))
