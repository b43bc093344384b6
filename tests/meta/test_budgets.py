"""A budget is for a figure that exists."""

from __future__ import annotations

from benchmarks.__main__ import figures, folders
from benchmarks.figure import read_budgets
from tests.meta.source import ROOT, SRC


def test_every_budget_is_for_a_figure_that_exists() -> None:
    there = {name for folder in folders() for name in figures(folder, full=True)}
    assert read_budgets().keys() <= there


def test_every_budget_says_something() -> None:
    assert [name for name, budget in read_budgets().items() if not budget.bounds] == []


def test_figures_are_sorted_by_the_folders_of_the_source() -> None:
    """A folder's own figures are in a module of its name, such as ``ledger``; more of them in one like ``ledger_postgres``."""
    ours = {path.stem for path in [*(SRC / "bailiwick").iterdir(), *(ROOT / "examples").iterdir()]} | {"bailiwick"}
    strays = [name for name in folders() if not any(name == folder or name.startswith(f"{folder}_") for folder in ours)]
    assert strays == []
