"""A package is imported by its face, and what can act is in few hands.

Layers and cycles are kept by import-linter (``make contracts``); these are the rules it has no words for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from tests.meta.source import SRC, Module, listed, modules

FACES = {module.name: module for module in modules("src") if module.is_face}


class Import(NamedTuple):
    """One name taken from one module of ours."""

    by: Module
    line: int
    source: str
    name: str | None

    def __str__(self) -> str:
        return f"{self.by}:{self.line} from {self.source} import {self.name}"

    @property
    def from_inside(self) -> bool:
        """Whether the importer is part of the package it imports from."""
        return self.by.path.is_relative_to(SRC) and self.by.package == self.package

    @property
    def package(self) -> str:
        """The folder of ``src/bailiwick`` it comes from."""
        return [*self.source.split("."), ""][1]


def imports(*folders: str) -> Iterator[Import]:
    """Everything ours that is imported below ``folders``."""
    for module in modules(*folders):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bailiwick":
                for alias in node.names:
                    yield Import(module, node.lineno, node.module or "", alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "bailiwick":
                        yield Import(module, node.lineno, alias.name, None)


def test_packages_are_imported_by_their_face() -> None:
    behind = [
        str(found)
        for found in imports("src", "examples", "benchmarks")
        if not found.from_inside and found.source.count(".") > 1 and found.source not in FACES and not _is_backend_in_allowed_hands(found)
    ]
    assert behind == []


def test_only_what_a_face_lists_is_taken_from_it() -> None:
    hidden = [
        str(found)
        for found in imports("src", "examples", "benchmarks")
        if found.source in FACES
        and found.source != "bailiwick"
        and not found.from_inside
        and found.name not in (listed(FACES[found.source]) or [])
    ]
    assert hidden == []


def test_what_can_write_the_record_is_held_by_the_gateway_and_those_who_put_it_together() -> None:
    """Invariant 1: others see entries, never the `Ledger` they could append to."""
    holders = {found.by.package for found in imports("src") if found.source == "bailiwick.ledger" and found.name == "Ledger"}
    assert holders <= {"ledger", "gateway", "bailiff", "testing"}


def _is_backend_in_allowed_hands(found: Import) -> bool:
    if ".backends." not in f"{found.source}.":
        return False
    if not found.by.path.is_relative_to(SRC):
        return True
    return found.by.name in ("bailiwick.bailiff.compose", "bailiwick.bailiff.opening") or found.by.package == "testing"
