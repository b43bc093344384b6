"""The acts of the campaign: plain functions of the other modules, declared as tools."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bailiwick import Cost, tool
from bailiwick.tools import Written, write_file
from molecular_design import calibration, oracle, pool, report, statistics, surrogate
from molecular_design.calibration import Calibration, NotCalibrated
from molecular_design.features import Features
from molecular_design.findings import Chance, Report
from molecular_design.oracle import IonisationEnergy
from molecular_design.pool import Molecule, Pool
from molecular_design.surrogate import Choice, Judgement


@tool(effect="read", where="process")
def load_pool(path: str) -> Pool:
    """The candidates: those inside RDKit, or those in the file at ``path``."""
    return pool.take(Path(path)) if path else pool.load()


@tool(effect="pure", where="process", estimate=Cost(cpu_s=0.1))
def ionisation_energy(smiles: str, seed: int) -> IonisationEnergy:
    """The vertical ionisation energy of one molecule; see `oracle.ionisation_energy`."""
    return oracle.ionisation_energy(smiles, seed)


@tool(effect="pure", where="process", estimate=Cost(cpu_s=0.1))
def recompute(smiles: str, seed: int) -> IonisationEnergy:
    """The same once more, for the verifier: under a name and a budget of its own."""
    return oracle.ionisation_energy(smiles, seed)


@tool(effect="pure", where="thread")
def choose(
    candidates: list[Molecule], observed: dict[str, float], failed: list[str], size: int, seed: int, exploration: float
) -> list[Choice]:
    """What to compute next; see `surrogate.choose_batch`. What RDKit cannot read has no features, and comes last."""
    chosen = surrogate.choose_batch(_features(tuple(candidates)), observed, failed, size, seed, exploration)
    if len(chosen) < size:
        chosen += [Choice(m.id, m.smiles) for m in candidates if m.id not in failed and pool.parse(m.smiles) is None]
    return chosen[:size]


@tool(effect="pure", where="thread")
def judge(
    candidates: list[Molecule], observed: dict[str, float], failed: list[str], proposals: list[str], exploration: float
) -> list[Judgement]:
    """What the surrogate makes of molecules that somebody else proposed, its favourites first; see `surrogate.judge`."""
    return surrogate.judge(_features(tuple(candidates)), observed, failed, proposals, exploration)


@tool(effect="pure", where="process")
def calibrate() -> Calibration | NotCalibrated:
    """The oracle against experiment; see `calibration.calibrate`."""
    return calibration.calibrate()


@tool(effect="pure", where="thread")
def expect_of_chance(candidates: list[Molecule], observed: dict[str, float], draws: int) -> Chance:
    """What a random search would have found, worked out from what was computed and what the surrogate makes of the rest."""
    values = list(surrogate.predict(_features(tuple(candidates)), observed).values())
    draws = min(draws, len(values))
    curve = tuple(statistics.expected_curve(values, draws))
    low, high = (tuple(statistics.quantile_curve(values, draws, quantile)) for quantile in (0.05, 0.95))
    return Chance(curve, low, high, "the values computed, and the surrogate's predictions for the rest of the pool")


@tool(effect="idempotent", where="thread")
def write_report(path: str, findings: Report) -> Written:
    """Write the page at ``path``, whole or not at all; see `report.render`."""
    return write_file(path, report.render(findings))


TOOLS = (calibrate, choose, expect_of_chance, ionisation_energy, judge, load_pool, recompute, write_report)


@cache
def _features(candidates: tuple[Molecule, ...]) -> Features:
    return Features.of(molecule for molecule in candidates if pool.parse(molecule.smiles) is not None)
