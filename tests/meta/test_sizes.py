"""Everything fits on a few screens."""

from __future__ import annotations

import ast

from tests.meta.source import length, modules

FILE_LINES = 400
FUNCTION_LINES = 50
PUBLIC_METHODS = 12


def test_no_file_is_longer_than_400_lines() -> None:
    lines = {str(module): len(module.path.read_text(encoding="utf-8").splitlines()) for module in modules()}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    found = {
        f"{module}:{node.lineno} {node.name}": length(node)
        for module in modules()
        for node in module.definitions()
        if not isinstance(node, ast.ClassDef)
    }
    assert {name: count for name, count in found.items() if count > FUNCTION_LINES} == {}


def test_no_class_has_more_than_12_public_methods() -> None:
    """Of those that somebody learns to use; a class made up for one test may try every kind of method."""
    found = {
        f"{module}:{node.lineno} {node.name}": len(_public_methods(node))
        for module in modules("src", "examples", "benchmarks")
        for node in module.definitions()
        if isinstance(node, ast.ClassDef)
    }
    assert {name: count for name, count in found.items() if count > PUBLIC_METHODS} == {}


def _public_methods(node: ast.ClassDef) -> set[str]:
    """What a caller may call: not what pytest finds by its name, nor what a Hypothesis state machine chooses by itself."""
    return {
        item.name
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        and not item.name.startswith(("_", "test_"))
        and not any(_name_of(decorator) in ("rule", "invariant", "initialize") for decorator in item.decorator_list)
    }


def _name_of(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.id if isinstance(called, ast.Name) else ""
