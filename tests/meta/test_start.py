"""Starting is cheap: what a command does not need is not imported.

By the names of modules rather than by the clock, which would depend on the machine; ``benchmarks`` measures the time.
"""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = frozenset({"httpx", "numpy", "rdkit", "rich", "tblite"})


def _loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after ``code``; what the interpreter itself loads at start does not count."""
    script = f"""
import json, sys
before = set(sys.modules)
{code}
sys.stderr.write(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_importing_bailiwick_loads_nothing_that_only_some_need() -> None:
    loaded = _loaded_by("import bailiwick")
    assert "bailiwick" in loaded
    assert not loaded & (HEAVY | {"click", "sqlite3"})


def test_importing_the_programming_model_loads_nothing_that_only_some_need() -> None:
    loaded = _loaded_by("from bailiwick import Agent, action, tool")
    assert "msgspec" in loaded
    assert not loaded & (HEAVY | {"click"})


def test_help_loads_only_what_prints_it() -> None:
    loaded = _loaded_by("from bailiwick.cli.app import run; assert run(['--help']) == 0")
    assert "click" in loaded
    assert not loaded & (HEAVY | {"asyncio", "sqlite3"})
