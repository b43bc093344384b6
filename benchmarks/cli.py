"""How long people wait for the command line to start: CPU time, because this is what does not depend on who else is busy."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.figure import Figure, Measure, of_rounds

ROUNDS = 15


def import_bailiwick() -> Figure:
    """Milliseconds of CPU time of a process that imports bailiwick , less those of one that does nothing."""
    bare = min(_cpu_ms([sys.executable, "-c", "pass"]) for _ in range(ROUNDS))
    rounds = [_cpu_ms([sys.executable, "-c", "import bailiwick"]) - bare for _ in range(ROUNDS)]
    return of_rounds(rounds, "ms", better="lower")


def show_help() -> Figure:
    """Milliseconds of CPU time of ``bailiwick --help``, the interpreter's own start included."""
    command = [sys.executable, "-c", "from bailiwick.cli import main; main()", "--help"]
    return of_rounds([_cpu_ms(command) for _ in range(ROUNDS)], "ms", better="lower")


FIGURES: dict[str, Measure] = {"import": import_bailiwick, "help": show_help}


def _cpu_ms(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1_000
