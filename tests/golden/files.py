"""Golden files: what the wire types look like in bytes, kept for good.

``<type>.v<number>.json`` holds a value as JSON and the bytes it has on the wire, in hex. A file that exists is never changed: there
are records out there that hold those bytes. ``python -m tests.golden`` writes the next number for each type whose sample changed.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bailiwick import codec
from tests.meta.source import modules

FOLDER = Path(__file__).parent
WORDS = "vocabulary"
"""The file of the enumerations: each name and its values."""


class Golden(NamedTuple):
    """One file."""

    path: Path
    kind: type[msgspec.Struct]
    data: bytes
    value: dict[str, Any]


def _of_records(base: type) -> list[type[Any]]:
    """Subclasses of ``base`` defined in modules named ``records``, and beside them: there is no other place for wire types."""
    found: list[type[Any]] = []
    for module in modules("src"):
        if module.path.name == "records.py":
            loaded = vars(import_module(module.name)).values()
            found += [value for value in loaded if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.name]
    return found


def wire_types() -> list[type[msgspec.Struct]]:
    """Every struct in a ``records.py``."""
    return _of_records(msgspec.Struct)


def vocabulary() -> dict[str, list[str]]:
    """Every enumeration in a ``records.py`` and its values."""
    return {kind.__name__: [member.value for member in kind] for kind in _of_records(enum.Enum)}


def versions(name: str) -> list[Path]:
    """The files of one type, oldest first."""
    numbered = {int(found[1]): path for path in FOLDER.glob(f"{name}.v*.json") if (found := re.search(r"\.v(\d+)\.json$", path.name))}
    return [numbered[number] for number in sorted(numbered)]


def goldens() -> Iterator[Golden]:
    """All files of wire types that still exist."""
    for kind in wire_types():
        for path in versions(kind.__name__.lower()):
            held = json.loads(path.read_text(encoding="utf-8"))
            yield Golden(path, kind, bytes.fromhex(held["bytes"]), held["value"])


def newest(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The value in the newest file of ``kind``; empty without one."""
    paths = versions(kind.__name__.lower())
    return json.loads(paths[-1].read_text(encoding="utf-8"))["value"] if paths else {}


def content(value: msgspec.Struct) -> dict[str, Any]:
    """What a golden file of ``value`` holds."""
    return {"type": type(value).__name__, "bytes": codec.encode(value).hex(), "value": json.loads(codec.to_json(value))}


def write(name: str, held: Any) -> Path | None:
    """Write the next version of ``name`` unless the newest holds just that; return what was written."""
    paths = versions(name)
    if paths and json.loads(paths[-1].read_text(encoding="utf-8")) == held:
        return None
    path = FOLDER / f"{name}.v{len(paths) + 1}.json"
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(held, indent=2, ensure_ascii=False) + "\n")
    return path
