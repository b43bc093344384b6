"""What a campaign found, as its report needs it: plain values, each with the id of the effect it came from."""

from __future__ import annotations

from dataclasses import dataclass

from molecular_design.calibration import Calibration, NotCalibrated


@dataclass(frozen=True)
class Evaluation:
    """One computed molecule."""

    effect: str
    molecule: str
    smiles: str
    energy_ev: float
    fidelity: str = "exact"
    name: str = ""
    """What chemists call it; the page knows some names itself."""


@dataclass(frozen=True)
class FailedMolecule:
    """One molecule that could not be computed, and why."""

    effect: str
    molecule: str
    smiles: str
    reason: str


@dataclass(frozen=True)
class Check:
    """One recomputation: the effect that is checked, the effect that checks it, and what each found (NaN: nothing)."""

    molecule: str
    smiles: str
    effect: str
    recorded_ev: float
    again: str
    recomputed_ev: float

    @property
    def agrees(self) -> bool:
        """To the last bit: the oracle is repeatable, so anything else is a finding."""
        return self.recorded_ev == self.recomputed_ev


@dataclass(frozen=True)
class Span:
    """One effect in time."""

    effect: str
    agent: str
    tool: str
    started_ns: int
    ended_ns: int
    status: str
    """done, failed, refused; or in doubt."""


@dataclass(frozen=True)
class Spending:
    """What one effect took from a budget when it ended."""

    at_ns: int
    effect: str
    amount: float


@dataclass(frozen=True)
class Budget:
    """A limit, and what was spent of it in order of time."""

    resource: str
    unit: str
    """"" where the resource is counted."""
    limit: float
    spendings: tuple[Spending, ...]


@dataclass(frozen=True)
class Chance:
    """What a random search would have found with 1, 2, … evaluations."""

    expected_ev: tuple[float, ...]
    low_ev: tuple[float, ...]
    """One random search in twenty stays at or below this."""
    high_ev: tuple[float, ...]
    """Nineteen in twenty stay at or below this."""
    basis: str
    """Which values of the molecules this was worked out from, for the reader."""


@dataclass(frozen=True)
class Report:
    """Everything on the page. The page shows nothing else, and the same `Report` gives the same page."""

    title: str
    seed: int
    planner: str
    """Who chose the molecules, in words: the surrogate alone, or a model and the surrogate."""
    pool_size: int
    settings: tuple[tuple[str, str], ...]
    evaluations: tuple[Evaluation, ...]
    """In the order in which they were asked for."""
    chance: Chance | None
    calibration: Calibration | NotCalibrated
    calibration_effect: str
    checks: tuple[Check, ...]
    failures: tuple[FailedMolecule, ...]
    spans: tuple[Span, ...]
    budgets: tuple[Budget, ...]
    effects: int
    """How many effects are on record, shown in the timeline or not."""
    head: str
    """Hash of the newest entry of the record this was read from."""
