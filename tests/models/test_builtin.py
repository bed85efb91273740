from pathlib import Path

import pytest

from neurograft.errors import InputError
from neurograft.models import builtin, open_bundle, save_bundle
from neurograft.models.builtin import model_folder
from neurograft.recipes.loading import recipe_names


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builtin, "FOLDER", tmp_path / "builtin")
    return tmp_path / "builtin"


def test_a_path_stays_a_path() -> None:
    assert model_folder(Path("runs/builtin")) == Path("runs/builtin")


def test_a_folder_in_the_package_is_all_it_takes(shipped: Path, network, make_info) -> None:
    save_bundle(shipped / "subcortical", make_info(name="builtin:subcortical"), network)
    assert open_bundle("builtin:subcortical").info.name == "builtin:subcortical"
    assert open_bundle(Path("builtin:subcortical")).path == shipped / "subcortical"


def test_an_absent_one_is_refused_with_the_way_to_make_it(shipped: Path, network, make_info) -> None:
    with pytest.raises(InputError, match=r"none did.*recipe builtin-brain .*pack it to"):
        open_bundle("builtin:brain")
    save_bundle(shipped / "subcortical", make_info(), network)
    with pytest.raises(InputError, match="here are builtin:subcortical"):
        open_bundle("builtin:brain")


def test_unknown_names_are_refused_with_those_that_exist() -> None:
    with pytest.raises(InputError, match="builtin:brain, builtin:subcortical"):
        open_bundle("builtin:spine")


def test_each_has_its_recipe() -> None:
    assert {f"builtin-{name}" for name in builtin.NAMES} <= set(recipe_names())
