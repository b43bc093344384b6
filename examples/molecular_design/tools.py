"""The acts of the campaign: plain functions of the other modules, declared as tools."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bailiwick import Cost, tool
from molecular_design import calibration, oracle, pool, surrogate
from molecular_design.calibration import Calibration, NotCalibrated
from molecular_design.features import Features
from molecular_design.oracle import IonisationEnergy
from molecular_design.pool import Molecule, Pool
from molecular_design.surrogate import Choice, Judgement


@tool(effect="read", where="process")
def load_pool(path: str) -> Pool:
    """The candidates: those inside RDKit, or those in the file at ``path``."""
    return pool.load(Path(path) if path else None)


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
    """What to compute next; see `surrogate.choose_batch`."""
    return surrogate.choose_batch(_features(tuple(candidates)), observed, failed, size, seed, exploration)


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


@cache
def _features(candidates: tuple[Molecule, ...]) -> Features:
    return Features.of(candidates)
