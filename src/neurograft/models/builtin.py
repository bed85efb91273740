"""Models that come with the package, by name: ``builtin:subcortical`` is a folder inside it."""

from pathlib import Path

import neurograft
from neurograft.errors import InputError

PREFIX = "builtin:"

NAMES = ("brain", "subcortical")
"""What the package may hold; each has a recipe of the same name, ``builtin-<name>``, that trains it."""

FOLDER = Path(neurograft.__file__).parent / "builtin"
"""Where they lie, a folder each."""


def model_folder(model: str | Path) -> Path:
    """The folder of a model that is given by its path, or by a name such as ``builtin:subcortical``.

    Raises:
        InputError: a name that no built-in model has, or one that this installation lacks.

    Example:
        >>> model_folder("runs/mine").as_posix()
        'runs/mine'
    """
    text = str(model)
    if not text.startswith(PREFIX):
        return Path(model)
    name = text.removeprefix(PREFIX)
    if name not in NAMES:
        raise InputError(f"there is no built-in model {text}", f"The names are {', '.join(map(named, NAMES))}")
    folder = FOLDER / name
    if not (folder / "bundle.json").is_file():
        here = [named(other) for other in NAMES if (FOLDER / other / "bundle.json").is_file()]
        raise InputError(
            f"{text} did not come with this installation ({'here are ' + ', '.join(here) if here else 'none did'})",
            f"Train it from label maps, by the commands that the recipe builtin-{name} begins with, and pack it to "
            f"{folder}",
        )
    return folder


def named(name: str) -> str:
    """What a user calls a built-in model.

    Example:
        >>> named("brain")
        'builtin:brain'
    """
    return f"{PREFIX}{name}"
