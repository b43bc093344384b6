"""Every public name says what it promises."""

from __future__ import annotations

import ast
from importlib import import_module
from typing import Any

from tests.meta.source import Definition, Module, modules


def _public(body: list[ast.stmt]) -> list[Definition]:
    """Public definitions; of an overloaded function only the one that is called."""
    return [
        node
        for node in body
        if isinstance(node, Definition)
        and not node.name.startswith(("_", "test_"))  # The name of a test in a suite is its sentence.
        and not any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
    ]


def _undocumented(module: Module) -> list[str]:
    found = [] if ast.get_docstring(module.tree) else [str(module)]
    for node in _public(module.tree.body):
        if not ast.get_docstring(node):
            found.append(f"{module}:{node.lineno} {node.name}")
        if isinstance(node, ast.ClassDef):
            owner: Any = getattr(import_module(module.name), node.name)
            found += [
                f"{module}:{method.lineno} {node.name}.{method.name}"
                for method in _public(node.body)
                if not ast.get_docstring(method) and not any(hasattr(base, method.name) for base in owner.__bases__)
            ]
    return found


def test_every_public_name_has_a_docstring() -> None:
    """A method that overrides another keeps that one's promise, and need not repeat it."""
    assert [found for module in modules("src") for found in _undocumented(module)] == []


def test_every_file_says_what_it_is_for() -> None:
    silent = [str(module) for module in modules("src", "examples", "benchmarks") if not ast.get_docstring(module.tree)]
    assert silent == []
