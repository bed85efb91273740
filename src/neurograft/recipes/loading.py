"""Read a recipe from a shipped name or a YAML file, with ``key=value`` overrides."""

import difflib
from collections.abc import Sequence
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from neurograft.errors import InputError
from neurograft.recipes.schema import Recipe


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package, sorted."""
    folder = resources.files("neurograft.recipes")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe and apply overrides.

    Args:
        source: a shipped recipe's name, or the path of a YAML file.
        overrides: strings ``section.key=value``; the value is read as YAML.

    Raises:
        InputError: unknown recipe, bad YAML, unknown key (the nearest right one is suggested)
            or a value of the wrong type.

    Example:
        >>> load_recipe("default", ["sampling.batch_size=4"]).sampling.batch_size
        4
    """
    text, origin = _read(source)
    try:
        tree = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"not valid YAML: {error}", "Correct the file", origin) from error
    if not isinstance(tree, dict):
        raise InputError("a recipe must be a mapping of keys to values", "See the recipe reference", origin)
    return override_recipe(tree, overrides, origin)


def override_recipe(tree: dict[str, Any], overrides: Sequence[str], origin: str | Path | None = None) -> Recipe:
    """Apply ``key=value`` strings to a recipe given as plain data and validate the result.

    Raises:
        InputError: an override is malformed, or the result is no recipe.
    """
    tree = deepcopy(tree)
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"override {text!r} is not of the form key=value", "Write for example budget=500steps")
        try:
            _set(tree, key.strip(), yaml.safe_load(value))
        except (yaml.YAMLError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"override {text!r}: the value is not valid YAML", "Put it in quotes") from error
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise _as_input_error(error, origin) from error


def _read(source: str | Path) -> tuple[str, str | Path]:
    if str(source) in recipe_names():
        return resources.files("neurograft.recipes").joinpath(f"{source}.yaml").read_text("utf-8"), str(source)
    path = Path(source)
    if path.is_file():
        try:
            return path.read_text("utf-8"), path
        except UnicodeDecodeError as error:
            raise InputError("a recipe must be a text file in YAML", "Give a .yaml file", path) from error
    names = recipe_names()
    near = difflib.get_close_matches(str(source), names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(f"no recipe named {str(source)!r}, and no such file", f"{hint}Shipped recipes: {', '.join(names)}")


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise InputError(f"override key {key!r} reaches into {parent!r}, which holds no keys", "Shorten the key")
    tree[last] = value


def _as_input_error(error: ValidationError, origin: str | Path | None) -> InputError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    place = f"recipe {origin}: " if isinstance(origin, str) else ""
    file = origin if isinstance(origin, Path) else None
    if first["type"] == "extra_forbidden":
        valid = _keys_beside(first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        return InputError(f"{place}unknown key {key!r}", f"{hint}Keys here: {', '.join(valid)}", file)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        # The problem names its key already where key and thing have one name, as a budget has.
        prefix = "" if cause.problem.startswith(key) else f"{key}: "
        return InputError(f"{place}{prefix}{cause.problem}", cause.mend, file)
    # A rule about several keys carries the section that they are in, which is too much to print.
    value = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f" (given: {first['input']!r})"
    message = first["msg"].removeprefix("Value error, ")
    return InputError(
        f"{place}{f'{key}: ' if key else ''}{message}{value}", "Correct the value; see the recipe reference", file
    )


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return sorted(model.model_fields)
