"""What one measurement found, and whether that is within its budget."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

BUDGETS = Path(__file__).with_name("budgets.toml")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number with a unit; ``low`` and ``high`` are the smallest and the largest of the rounds it is the median of.

    ``peer`` names what it is compared with or says why that is not there; then ``peer_value`` is None. ``better`` says which
    way is good; without it there is nothing to compare.
    """

    value: float
    unit: str
    better: Literal["lower", "higher"] | None = None
    low: float | None = None
    high: float | None = None
    peer: str | None = None
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer: above 1 is better, whichever way is good. None where nothing can be compared."""
        if self.peer_value is None or self.better is None:
            return None
        above, below = (self.value, self.peer_value) if self.better == "higher" else (self.peer_value, self.value)
        return above / below if below else None


Measure = Callable[[], Figure]


def of_rounds(
    rounds: Sequence[float],
    unit: str,
    *,
    better: Literal["lower", "higher"] | None = None,
    peer: str | None = None,
    peer_value: float | None = None,
) -> Figure:
    """The figure that several rounds of one measurement make: their median, smallest and largest."""
    return Figure(
        value=statistics.median(rounds),
        unit=unit,
        better=better,
        low=min(rounds),
        high=max(rounds),
        peer=peer,
        peer_value=peer_value,
    )


@dataclass(frozen=True)
class Bound:
    """One line of a budget: what is bounded, on which side, by how much."""

    what: Literal["value", "ratio"]
    side: Literal["at_most", "at_least"]
    limit: float

    def __str__(self) -> str:
        return f"{self.what} {'≤' if self.side == 'at_most' else '≥'} {self.limit:g}"

    def holds(self, figure: Figure) -> bool | None:
        """Whether ``figure`` keeps it; None where there is no ratio to judge."""
        found = figure.value if self.what == "value" else figure.ratio
        if found is None:
            return None
        return found <= self.limit if self.side == "at_most" else found >= self.limit


@dataclass(frozen=True)
class Budget:
    """Everything a figure must keep; an empty one promises nothing."""

    bounds: tuple[Bound, ...] = ()
    unit: str | None = None

    def __str__(self) -> str:
        return " and ".join(str(bound) for bound in self.bounds)

    def holds(self, figure: Figure) -> bool | None:
        """False if any bound is broken; else None if any cannot be judged, or there is none; else True."""
        if self.unit is not None and self.unit != figure.unit:
            raise ValueError(f"the budget is in {self.unit}, the figure in {figure.unit}")
        found = [bound.holds(figure) for bound in self.bounds]
        if False in found:
            return False
        return None if None in found or not found else True


def read_budgets(path: Path = BUDGETS) -> dict[str, Budget]:
    """Budgets by ``folder.figure``. Raises `ValueError` that names the key which is not known."""
    tables: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{folder}.{name}": _read_budget(f"{path.name}: [{folder}.{name}]", table)
        for folder, figures in tables.items()
        for name, table in figures.items()
    }


def _read_budget(where: str, table: dict[str, Any]) -> Budget:
    bounds: list[Bound] = []
    for key, entry in table.items():
        match key, entry:
            case "why" | "unit", str():
                pass
            case ("value" | "ratio") as what, dict():
                for side, limit in entry.items():
                    if side not in ("at_most", "at_least"):
                        raise ValueError(f"{where}: unknown key `{side}` in `{what}`; use `at_most` or `at_least`")
                    bounds.append(Bound(what, side, float(limit)))
            case _:
                raise ValueError(f"{where}: cannot use `{key}`; use `value`, `ratio`, `unit` or `why`")
    return Budget(tuple(bounds), table.get("unit"))
