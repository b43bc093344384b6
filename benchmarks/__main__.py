"""``python -m benchmarks [FOLDER[.FIGURE]] [--json] [--full]``.

Prints a row for each figure; with ``--json`` one object a line, with the keys ``name value unit low high peer peer_value ratio
budget holds``, and ``error`` where the figure could not be measured. ``ratio`` is how many times better than the peer it is.
``holds`` is null where there is no budget, or none that can be judged because the peer is not there.

Exit status: 0 if every figure was measured and no budget is broken; 1 otherwise; 2 for a name that does not exist.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import importlib
import json
import pkgutil
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import benchmarks
from benchmarks.figure import Budget, Figure, Measure, read_budgets

MACHINERY = frozenset({"__main__", "figure", "peers"})


@dataclass(frozen=True)
class Row:
    """One figure as it is shown."""

    name: str
    budget: Budget
    figure: Figure | None = None
    error: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the budget is kept; None if that cannot be said."""
        return None if self.figure is None else self.budget.holds(self.figure)

    def as_json(self) -> str:
        """One line for programs."""
        keys = ("value", "unit", "low", "high", "peer", "peer_value", "ratio")
        found: dict[str, Any] = {"name": self.name, **{key: getattr(self.figure, key, None) for key in keys}}
        found |= {"budget": str(self.budget) or None, "holds": self.holds}
        return json.dumps(found if self.error is None else found | {"error": self.error}, ensure_ascii=False)

    def as_text(self) -> str:
        """One line for people."""
        if self.figure is None:
            return f"{self.name:<34}  could not be measured: {self.error}"
        figure = self.figure
        parts = [f"{self.name:<34}", f"{_digits(figure.value):>9} {figure.unit:<8}"]
        if figure.low is not None and figure.high is not None:
            parts.append(f"[{_digits(figure.low)} to {_digits(figure.high)}]")
        if figure.peer is not None:
            there = "" if figure.peer_value is None else f" {_digits(figure.peer_value)} {figure.unit}"
            parts.append(f"| {figure.peer}{there}" + (f", ratio {figure.ratio:.2f}" if figure.ratio is not None else ""))
        if self.budget.bounds:
            parts.append(f"| {self.budget}: " + {True: "holds", False: "BROKEN", None: "cannot be judged"}[self.holds])
        return "  ".join(parts)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def folders() -> list[str]:
    """The modules that hold figures."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if name not in MACHINERY and not name.startswith("peer_"))


def figures(folder: str, *, full: bool) -> dict[str, Measure]:
    """The figures of one folder by full name, in the order in which the module has them."""
    try:
        module = importlib.import_module(f"benchmarks.{folder}")
    except ImportError as error:
        return {folder: _cannot_be_imported(error)}
    found: dict[str, Measure] = dict(module.FIGURES)
    if full:
        found |= getattr(module, "FULL", {})
    return {f"{folder}.{name}": measure for name, measure in found.items()}


def _cannot_be_imported(error: ImportError) -> Measure:
    """A folder that lacks something costs its own figures only."""

    def measure() -> Figure:
        raise error

    return measure


def choose(wanted: str | None, *, full: bool) -> dict[str, Measure]:
    """The figures that were asked for; all without a name. Raises `LookupError` that names the nearest and lists all."""
    if wanted is None:
        return {name: measure for folder in folders() for name, measure in figures(folder, full=full).items()}
    folder, _, figure = wanted.partition(".")
    if folder in folders():
        # A figure that is asked for by name is run, however long it takes.
        found = figures(folder, full=full or bool(figure))
        if not figure:
            return found
        if wanted in found:
            return {wanted: found[wanted]}
        if folder in found:
            return found
        known = list(found)
    else:
        known = folders()
    nearest = difflib.get_close_matches(wanted, known, 1, cutoff=0.5)
    hint = f"; did you mean `{nearest[0]}`?" if nearest else ";"
    raise LookupError(f"no figures named `{wanted}`{hint} there are: {', '.join(known)}")


def measure_all(chosen: dict[str, Measure], budgets: dict[str, Budget]) -> Iterator[Row]:
    """Measure one after another; a figure that raises becomes a row that says so."""
    for name, measure in chosen.items():
        budget = budgets.get(name, Budget())
        gc.collect()  # What the figure before left behind is not charged to this one.
        try:
            figure = measure()
            budget.holds(figure)
        except Exception as error:
            traceback.print_exc()
            yield Row(name, budget, error=f"{type(error).__name__}: {error}")
        else:
            yield Row(name, budget, figure)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Bailiwick beside its peers.")
    parser.add_argument("name", nargs="?", metavar="FOLDER[.FIGURE]", help="what to measure; everything without it")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--full", action="store_true", help="also the figures that take long")
    options = parser.parse_args(argv)
    try:
        chosen = choose(options.name, full=options.full)
        budgets = read_budgets()
    except (LookupError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    start_ns = time.monotonic_ns()
    rows: list[Row] = []
    for row in measure_all(chosen, budgets):
        rows.append(row)
        print(row.as_json() if options.json else row.as_text(), flush=True)
    bad = [row for row in rows if row.figure is None or row.holds is False]
    if not options.json:
        print(f"{len(rows)} figures in {(time.monotonic_ns() - start_ns) / 1e9:.0f} s, {len(bad)} not as promised")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
