"""Typed settings: frozen dataclasses written as JSON and read back, every value checked against its annotation."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from facefuse.errors import UsageError

Settings = TypeVar("Settings")


def to_json(settings: Any) -> str:
    """Write a dataclass, possibly nested, as JSON text."""
    return json.dumps(dataclasses.asdict(settings), indent=1)


def from_json(kind: type[Settings], text: str) -> Settings:
    """Read a dataclass of the given class from JSON text; fields left out keep their defaults.

    Raises
    ------
    UsageError
        If the text is not JSON, names an unknown field, or a value does not suit its field.
    """
    try:
        plain = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the settings are not JSON: {error}") from error
    return typing.cast(Settings, _value(kind, plain, kind.__name__))


def read_settings(kind: type[Settings], path: Path) -> Settings:
    """Read settings from a JSON file.

    Raises
    ------
    UsageError
        If there is no such file, or as `from_json`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot read the settings ({error.strerror or error})") from error
    return from_json(kind, text)


def _value(kind: Any, plain: Any, where: str) -> Any:
    """Turn a plain JSON value into one of the annotated type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, plain, where)
    if origin in (Union, types.UnionType):
        for choice in arguments:
            try:
                return _value(choice, plain, where)
            except UsageError:
                continue
    elif origin is Literal:
        if plain in arguments:
            return plain
    elif origin is tuple and isinstance(plain, list):
        kinds = arguments[:1] * len(plain) if arguments[-1:] == (Ellipsis,) else arguments
        if len(kinds) == len(plain):
            return tuple(_value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, plain, strict=True)))
    elif kind is type(None) and plain is None:
        return None
    elif kind is float and isinstance(plain, (int, float)) and not isinstance(plain, bool):
        return float(plain)
    elif kind in (int, bool, str) and type(plain) is kind:
        return plain
    raise UsageError(f"setting {where}: {plain!r} is not of the expected type {kind}")


def _dataclass(kind: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict):
        raise UsageError(f"setting {where}: {plain!r} where a group of settings is expected")
    hints = get_type_hints(kind)
    unknown = sorted(set(plain) - set(hints))
    if unknown:
        raise UsageError(f"setting {where}.{unknown[0]}: no such setting; there are {', '.join(hints)}")
    return kind(**{name: _value(hints[name], value, f"{where}.{name}") for name, value in plain.items()})
