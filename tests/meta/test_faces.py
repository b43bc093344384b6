"""``__init__`` is a package's face: it re-exports, sorted and complete, and does nothing else."""

from __future__ import annotations

import ast

import bailiwick
from tests.meta.source import Module, listed, modules

FACES = [module for module in modules("src") if module.is_face and module.name != "bailiwick"]


def _exported(face: Module) -> list[tuple[str, str]]:
    """(module, name) of everything a face imports."""
    return [
        (node.module or "", alias.asname or alias.name)
        for node in face.tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    ]


def test_faces_only_re_export() -> None:
    """Imports, ``__all__`` and a docstring: whoever imports a package runs none of its code."""
    other = [
        f"{face}:{node.lineno}"
        for face in FACES
        for node in face.tree.body[1:]
        if not isinstance(node, ast.ImportFrom) and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    assert other == []


def test_each_public_name_has_exactly_one_face() -> None:
    """A face shows what is defined behind it, never what another package shows already."""
    foreign = [f"{face}: {source}.{name}" for face in FACES for source, name in _exported(face) if not source.startswith(face.name + ".")]
    assert foreign == []


def test_faces_list_what_they_show() -> None:
    for face in FACES:
        assert sorted(listed(face) or []) == sorted(name for _, name in _exported(face)), str(face)


def test_lists_are_sorted() -> None:
    """CONSTANTS, then Classes, then functions, each by the alphabet."""
    for module in modules("src"):
        names = listed(module) or []
        assert names == sorted(names, key=_order), str(module)


def test_the_first_face_shows_only_names_that_another_face_shows() -> None:
    """`bailiwick` itself imports lazily; what it promises to the type checker is what it gives to the program."""
    shown = {name: getattr(bailiwick, name) for name in bailiwick.__all__}
    module = next(module for module in modules("src") if module.name == "bailiwick")
    promised = {
        alias.name: node.module
        for branch in module.tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert promised.keys() == shown.keys()
    faces = {face.name: listed(face) or [] for face in FACES}
    assert [name for name, face in promised.items() if name not in faces[face or ""]] == []


def _order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
