"""The repository's own text, parsed once, for the tests of this folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
NOT_OURS = frozenset({".git", ".venv", ".peers", "build", "dist", "htmlcov", "__pycache__"})

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Module(NamedTuple):
    """One Python file."""

    path: Path
    tree: ast.Module

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def name(self) -> str:
        """How it is imported, for a file below ``src``."""
        parts = self.path.relative_to(SRC).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_face(self) -> bool:
        """Whether it is a package's ``__init__``."""
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The folder of ``src/bailiwick`` it is in, such as ``ledger``; its own name for a module beside those folders."""
        return [*self.name.split("."), ""][1]

    def definitions(self) -> Iterator[Definition]:
        """Every class and function in it, at any depth."""
        for node in ast.walk(self.tree):
            if isinstance(node, Definition):
                yield node


def files(*suffixes: str) -> Iterator[Path]:
    """The repository's files that end so, leaving out what tools made."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        ours = not any(part in NOT_OURS or part.endswith(("_cache", ".egg-info")) for part in inside)
        if ours and path.is_file() and path.name.endswith(suffixes):
            yield path


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """The Python files below ``folders`` (none: all), parsed."""
    roots = tuple(ROOT / folder for folder in folders) or (ROOT,)
    found = (path for path in files(".py") if any(path.is_relative_to(root) for root in roots))
    return tuple(Module(path, ast.parse(path.read_text(encoding="utf-8"))) for path in found)


def length(node: Definition) -> int:
    """Lines of a definition; its docstring does not count, so that nobody saves on words."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def listed(module: Module) -> list[str] | None:
    """What a module's ``__all__`` says; None without one."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return list(ast.literal_eval(node.value))
    return None
