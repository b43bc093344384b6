"""Finding the tools that a record names: their code has to be imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from bailiwick.cli.run import import_file
from bailiwick.effects import Effect, Intent, Kind, Tool
from bailiwick.errors import BailiwickError, NotFound
from bailiwick.ids import root_key

SCRIPT = "run:"
"""How the names of runs begin that `bailiwick run FILE` began; the file follows."""


import_option = click.option(
    "--import", "imports", metavar="FILE", multiple=True, help="File or module that defines the tools, where the record's is not here."
)


class Finder:
    """Imports modules only when a tool of theirs is looked for. ``imports`` are modules or files that somebody named.

    Raises `NotFound` if one of those cannot be imported.
    """

    def __init__(self, effects: Mapping[str, Effect], imports: Iterable[str]) -> None:
        roots = (effect.intent for effect in effects.values() if effect.intent.kind is Kind.RUN)
        self._scripts = {root_key(root.id): Path(root.tool.removeprefix(SCRIPT)) for root in roots if root.tool.startswith(SCRIPT)}
        self._named = [_imported(name) for name in imports]

    def undoable(self, intent: Intent) -> Tool:
        """The tool that acted on ``intent``, with its undo. Raises `NotFound`, saying what to import."""
        return self.tool(intent, lambda tool: tool.undo is not None)

    def tool(self, intent: Intent, is_meant: Callable[[Tool], bool] = lambda _: True) -> Tool:
        """The tool that acted on ``intent``. Raises `NotFound`, saying what to import."""
        module, _, name = intent.path.partition(":")
        script = self._scripts.get(root_key(intent.id))
        why = ""
        candidates: list[ModuleType] = []
        try:
            if script is not None:
                import_file(script)  # It may have made the others importable.
            if module != "__main__":
                candidates = [import_module(module)]
        except Exception as error:  # Whatever a module does when it is imported.
            why = f": {error.message if isinstance(error, BailiwickError) else f'{type(error).__name__}: {error}'}"
        for candidate in (*candidates, *self._named):
            found = _at(candidate, name)
            if isinstance(found, Tool) and found.name == intent.tool and is_meant(found):
                return found
        raise NotFound(
            f"`{intent.tool}` ({intent.path}) was not found{why}; name the file or module that defines it: --import FILE", path=intent.path
        )


def _imported(name: str) -> ModuleType:
    file = Path(name)
    try:
        return import_file(file) if file.suffix == ".py" or file.is_file() else import_module(name)
    except ImportError as error:
        raise NotFound(f"--import {name}: {error}") from error


def _at(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
