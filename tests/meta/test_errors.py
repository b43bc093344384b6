"""The error tree: five families by one question, and every error in exactly one of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module

from bailiwick import errors
from bailiwick.errors import BailiwickError, Defect, Failed, Refused, Unavailable, Unsettled
from tests.meta.source import modules

FAMILIES = (Refused, Unavailable, Failed, Unsettled, Defect)


def _exceptions() -> Iterator[type[Exception]]:
    """Every exception class of ours. One that is no `Exception` is not an error: it passes through code that handles errors."""
    for module in modules("src"):
        loaded = import_module(module.name)
        for value in vars(loaded).values():
            if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == module.name:
                yield value


def _drawn() -> dict[str, str | None]:
    """The tree in the docstring: parent by name."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^([ │├└─]*)([A-Z]\w+)(?:  +\S|$)", line):
            depth = len(found[1]) // 4 - 1  # The whole drawing is indented once.
            above[depth:] = [found[2]]
            parents[found[2]] = above[depth - 1] if depth else None
    return parents


def test_every_error_stands_in_the_module_of_errors() -> None:
    assert [found for found in _exceptions() if found.__module__ != "bailiwick.errors"] == []


def test_every_error_stands_under_exactly_one_of_the_five() -> None:
    """By its first base. Another may be an exception of Python's own, for code that knows only that one."""
    others = [found for found in _exceptions() if found not in (BailiwickError, *FAMILIES)]
    assert others
    assert [found for found in others if sum(issubclass(found.__bases__[0], family) for family in FAMILIES) != 1] == []
    assert [found for found in others if any(base.__module__ != "builtins" for base in found.__bases__[1:])] == []
    assert all(family.__bases__ == (BailiwickError,) for family in FAMILIES)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [found.__dict__.get("code") for found in _exceptions()]
    assert all(codes)
    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    real = {found.__name__: found.__bases__[0].__name__ for found in _exceptions() if found is not BailiwickError}
    drawn = _drawn()
    assert {name: drawn.get(name) for name in real} == real
    assert drawn.keys() - real.keys() == {"BailiwickError"}


def test_exit_codes_tell_the_five_families_apart() -> None:
    codes = [family.exit_code for family in FAMILIES]
    assert len(set(codes)) == len(FAMILIES)
    assert not {0, 1, 2} & set(codes)  # Done, a crash of Python, and wrong usage.
    strays = [found for found in _exceptions() if found not in FAMILIES and "exit_code" in found.__dict__ and found is not BailiwickError]
    assert strays == []
