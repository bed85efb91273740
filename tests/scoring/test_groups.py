import pytest

from neurograft.errors import InputError
from neurograft.scoring.groups import label_groups
from neurograft.scoring.workers import share_of_cores


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["Left-Putamen", "Right-Putamen"], {"both Putamen": (1, 2)}),
        (["rh-hippo", "lh-hippo", "x"], {"both hippo": (2, 1), "all labels": (1, 2, 3)}),
        (["Putamen_L", "Putamen_R"], {"both Putamen": (1, 2)}),
        (["hippocampus left", "hippocampus right"], {"both hippocampus": (1, 2)}),
        (["Anterior", "Posterior"], {"all labels": (1, 2)}),
        (["LC"], {}),
    ],
)
def test_sides_and_all(names: list[str], groups: dict) -> None:
    assert label_groups(names, {}) == groups


def test_a_group_of_the_users_own() -> None:
    assert label_groups(["a", "b", "c"], {"outer": ["c", "a"]})["outer"] == (3, 1)
    for members, name, problem in (([], "x", "holds nothing"), (["d"], "x", "holds d"), (["a"], "all labels", "name")):
        with pytest.raises(InputError, match=problem):
            label_groups(["a", "b", "c"], {name: members})


def test_cores_are_shared_between_processes_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert share_of_cores(0, 3) == (1, 8)
    assert share_of_cores(0, 64) == (4, 2)
    assert share_of_cores(0, 1000) == (8, 1)
    assert share_of_cores(3, 2) == (2, 4)
