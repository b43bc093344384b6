"""What we compare ourselves with, run where it is installed: `make bench-peers` gives each an environment under ``.peers``."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".peers"
PACKAGES = {"academy": "academy-py", "dbos": "dbos", "langgraph": "langgraph"}
PATIENCE_S = 240


@dataclass(frozen=True)
class Peer:
    """What a peer's script measured. ``label`` is for `Figure.peer`: the package and its version, or why there are no values."""

    label: str
    values: dict[str, float] = field(default_factory=dict[str, float])

    def get(self, name: str) -> float | None:
        """The value of that name; None if the peer could not be run. Raises `KeyError` if it ran and does not measure that."""
        return self.values[name] if self.values else None


def interpreter(name: str) -> Path | None:
    """The Python of the peer's own environment; None if it is not installed."""
    python = ENVIRONMENTS / name / "bin" / "python"
    return python if python.exists() else None


@cache
def run(name: str, *words: str) -> Peer:
    """Run ``peer_<name>.py`` with ``words`` once in this process's life. A peer that is missing or fails is reported in the label, never
    raised.

    Raises `KeyError` for a peer that nobody has written down in `PACKAGES`.
    """
    package = PACKAGES[name]
    python = interpreter(name)
    if python is None:
        return Peer(f"{package}: not installed; run make bench-peers")
    try:
        done = subprocess.run(
            [python, "-W", "ignore", HERE / f"peer_{name}.py", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Peer(f"{package}: did not finish within {PATIENCE_S} s")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Peer(f"{package}: failed: {said[-1]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Peer(f"{package} {found.pop('version')}", {key: float(value) for key, value in found.items()})
