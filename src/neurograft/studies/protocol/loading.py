"""Read a protocol from a shipped name or a YAML file, and say what is wrong with it."""

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from neurograft.errors import InputError
from neurograft.studies.protocol.schema import Protocol


def protocol_names() -> list[str]:
    """Names of the protocols that ship with the package, sorted."""
    folder = resources.files("neurograft").joinpath("protocols")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_protocol(source: str | Path, overrides: Sequence[str] = ()) -> Protocol:
    """Load a protocol and apply overrides.

    Args:
        source: a shipped protocol's name, or the path of a YAML file.
        overrides: strings ``key=value`` for its top-level sections, such as ``compute.threads=2``;
            the value is read as YAML.

    Raises:
        InputError: unknown protocol, bad YAML, an unknown key or a value of the wrong type.
    """
    text, origin = _read(source)
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"not valid YAML: {error}", "Correct the file", origin) from error
    if not isinstance(tree, dict):
        raise InputError("a protocol must be a mapping of keys to values", "See the protocol reference", origin)
    for override in overrides:
        _override(tree, override)
    try:
        return Protocol.model_validate(tree)
    except ValidationError as error:
        raise _as_input_error(error, origin) from error


def _read(source: str | Path) -> tuple[str, Path]:
    if str(source) in protocol_names():
        file = resources.files("neurograft").joinpath("protocols").joinpath(f"{source}.yaml")
        return file.read_text("utf-8"), Path(str(source))
    path = Path(source)
    if path.is_file():
        try:
            return path.read_text("utf-8"), path
        except UnicodeDecodeError as error:
            raise InputError("a protocol must be a text file in YAML", "Give a .yaml file", path) from error
    names = protocol_names()
    near = difflib.get_close_matches(str(source), names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"no protocol named {str(source)!r}, and no such file", f"{hint}Shipped protocols: {', '.join(names)}"
    )


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"override {text!r} is not of the form key=value", "Write for example seeds=[0,1]")
    *parents, last = key.strip().split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise InputError(f"override key {key!r} reaches into {parent!r}, which holds no keys", "Shorten the key")
    try:
        tree[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"override {text!r}: the value is not valid YAML", "Put it in quotes") from error


def _as_input_error(error: ValidationError, origin: Path) -> InputError:
    # A misspelt key is what a missing one comes from.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        valid = _keys_beside(first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        keys = f"Keys here: {', '.join(valid)}" if valid else "See the protocol reference"
        return InputError(f"unknown key {key!r}", f"{hint}{keys}", origin)
    message = first["msg"].removeprefix("Value error, ")
    value = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f" (given: {first['input']!r})"
    return InputError(
        f"{f'{key}: ' if key else ''}{message}{value}", "Correct the value; see the protocol reference", origin
    )


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Keys that stand beside a wrong one; empty where the place has no fixed keys."""
    model: type[BaseModel] = Protocol
    for part in location[:-1]:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # a place in a list, or a name of the user's own
        inner = _model_in(model.model_fields[part].annotation)
        if inner is None:
            return []
        model = inner
    return sorted(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
