"""Names say what a thing is. Some words say nothing."""

from __future__ import annotations

import ast
import re

from tests.meta.source import ROOT, modules

EMPTY_WORDS = frozenset({"manager", "helper", "helpers", "service", "services", "impl", "util", "utils", "common", "core", "misc"})


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_no_folder_file_or_class_has_a_name_that_says_nothing() -> None:
    bad: list[str] = []
    for module in modules():
        inside = module.path.relative_to(ROOT).with_suffix("")
        bad += [str(module) for part in inside.parts if _words(part) & EMPTY_WORDS]
        bad += [
            f"{module}:{node.lineno} {node.name}"
            for node in module.definitions()
            if isinstance(node, ast.ClassDef) and _words(node.name) & EMPTY_WORDS
        ]
    assert bad == []


def test_test_names_are_sentences() -> None:
    short = [
        f"{module}:{node.lineno} {node.name}"
        for module in modules("tests")
        for node in module.definitions()
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name.split("_")) < 4
    ]
    assert short == []


def test_words_are_found_in_every_way_of_writing_names() -> None:
    assert _words("TaskManager") == {"task", "manager"}
    assert _words("string_utils") == {"string", "utils"}
    assert _words("HTTPService") == {"http", "service"}
