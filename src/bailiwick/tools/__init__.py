"""Ordinary acts: Python functions in the event loop, in threads, in worker processes; files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bailiwick.tools.files import read_file, write_file
    from bailiwick.tools.records import Written
    from bailiwick.tools.toolbox import Toolbox
    from bailiwick.tools.workers import ONE_THREAD_EACH

_HOME_OF = {
    "ONE_THREAD_EACH": "bailiwick.tools.workers",
    "Toolbox": "bailiwick.tools.toolbox",
    "Written": "bailiwick.tools.records",
    "read_file": "bailiwick.tools.files",
    "write_file": "bailiwick.tools.files",
}

__all__ = ["ONE_THREAD_EACH", "Toolbox", "Written", "read_file", "write_file"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: a worker process imports this package too, and would pay for asyncio."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'bailiwick.tools' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
