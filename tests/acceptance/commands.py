"""Running the command as a person does: another process, its output, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from bailiwick.cli import main; main()"]
PATIENCE_S = 100


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment with a home of the test's own, and no settings of the machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BAILIWICK_", "XDG_"))}
    paths = [path for path in sys.path if path]
    return {**kept, "HOME": str(home), "BAILIWICK_HOME": str(home / "state"), "PYTHONPATH": os.pathsep.join(paths), **more}


def bailiwick(*arguments: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment(home, **more), cwd=home, timeout=PATIENCE_S, check=False
    )


def start(*arguments: str, home: Path, **more: str) -> subprocess.Popen[bytes]:
    """One command, as the leader of a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(home, **more),
        cwd=home,
        start_new_session=True,
    )


def complaint(done: subprocess.CompletedProcess[str], exit_code: int) -> str:
    """The one line in which a command said what is wrong."""
    assert done.returncode == exit_code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("bailiwick: ")
    return lines[0]
