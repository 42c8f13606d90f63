from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from facefuse.errors import UsageError
from facefuse.learning.engine.settings import from_json, read_settings, to_json


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.5, 1.0)
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    rate: float = 0.1
    name: str | None = None
    deep: bool = False


def test_settings_survive_the_way_through_json(tmp_path: Path) -> None:
    settings = Outer(Inner((3, 4, 5), (2.0, 3.5), "b"), rate=2.0, name="x", deep=True)
    assert from_json(Outer, to_json(settings)) == settings
    path = tmp_path / "s.json"
    path.write_text(to_json(settings))
    assert read_settings(Outer, path) == settings


def test_what_is_left_out_keeps_its_default() -> None:
    assert from_json(Outer, '{"rate": 3, "inner": {"kind": "b"}}') == Outer(Inner(kind="b"), rate=3.0)


@pytest.mark.parametrize(
    ("plain", "named"),
    [
        ({"rat": 1.0}, "Outer.rat"),
        ({"rate": "fast"}, "Outer.rate"),
        ({"rate": True}, "Outer.rate"),
        ({"deep": 1}, "Outer.deep"),
        ({"inner": {"kind": "c"}}, "Outer.inner.kind"),
        ({"inner": {"sizes": [1, 2.5]}}, "Outer.inner.sizes"),
        ({"inner": {"pair": [1.0]}}, "Outer.inner.pair"),
        ({"inner": 3}, "Outer.inner"),
        ({"name": 3}, "Outer.name"),
    ],
)
def test_wrong_settings_are_named(plain: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        from_json(Outer, json.dumps(plain))


def test_no_json_and_no_file_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not JSON"):
        from_json(Outer, "{")
    with pytest.raises(UsageError, match="cannot read"):
        read_settings(Outer, tmp_path / "none.json")
