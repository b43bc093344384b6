"""A port says what it guarantees, ships the suite that checks it, and every backend runs that suite."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module

import bailiwick.testing
from tests.meta.source import Module, modules

ABSTRACT_METHODS = 8


def _ports() -> dict[str, type]:
    """The abstract classes in the modules named ``port``, by the package they belong to."""
    return {
        module.package: value
        for module in modules("src")
        if module.path.name == "port.py"
        for value in vars(import_module(module.name)).values()
        if inspect.isclass(value) and inspect.isabstract(value) and value.__module__ == module.name
    }


def _suite_of(port: type) -> str:
    """The suite that the docstring of ``port`` names."""
    named = re.search(r"`bailiwick\.testing\.(\w+Suite)`", port.__doc__ or "")
    assert named, f"the docstring of {port.__name__} does not name its suite"
    return named[1]


def _backends() -> list[Module]:
    """What stands in a folder ``backends``: modules, and packages by their face."""
    return [module for module in modules("src") if module.name.split(".")[2:3] == ["backends"] and module.name.count(".") == 3]


def test_there_are_ports_and_backends() -> None:
    assert {"ledger", "mailboxes"} <= _ports().keys()
    assert {module.package for module in _backends()} <= _ports().keys()


def test_every_port_is_small() -> None:
    for port in _ports().values():
        assert 0 < len(getattr(port, "__abstractmethods__", ())) <= ABSTRACT_METHODS, port.__name__


def test_every_port_numbers_its_guarantees() -> None:
    for port in _ports().values():
        numbers = [int(number) for number in re.findall(r"^\s*(\d+)\. \*", port.__doc__ or "", re.MULTILINE)]
        assert numbers, port.__name__
        assert numbers == list(range(1, len(numbers) + 1)), port.__name__


def test_every_port_has_a_suite_that_ships() -> None:
    for port in _ports().values():
        assert _suite_of(port) in bailiwick.testing.__all__


def test_every_suite_has_a_test_for_each_guarantee() -> None:
    """As many tests as guarantees at least; which test is for which, their docstrings say."""
    for port in _ports().values():
        suite = getattr(bailiwick.testing, _suite_of(port))
        tests = [name for name in dir(suite) if name.startswith("test_")]
        guarantees = re.findall(r"^\s*\d+\. \*", port.__doc__ or "", re.MULTILINE)
        assert len(tests) >= len(guarantees), suite.__name__


def test_every_backend_runs_the_whole_suite_of_its_port() -> None:
    """A class in tests/conformance subclasses the suite in a file that imports the backend."""
    run = {
        (source, base)
        for module in modules("tests/conformance")
        for source in _imported(module)
        for node in module.definitions()
        if isinstance(node, ast.ClassDef)
        for base in map(ast.unparse, node.bases)
    }
    for backend in _backends():
        suite = _suite_of(_ports()[backend.package])
        assert any(source == backend.name and base.rpartition(".")[2] == suite for source, base in run), f"no {suite} for {backend}"


def _imported(module: Module) -> set[str]:
    return {node.module or "" for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom)}
