"""What the planner of the example finds, beside random search; and what its parts cost.

The truth is computed here, for the whole pool, with the campaign's own oracle: nothing is looked up. The peer is the exact
expectation of a random search with as many evaluations (`molecular_design.statistics`), not a simulation of it.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from statistics import mean

from benchmarks.figure import Figure, Measure, of_rounds
from molecular_design import pool, statistics
from molecular_design.features import Features
from molecular_design.oracle import ionisation_energy
from molecular_design.surrogate import choose_batch

SEEDS = range(5)
EVALUATIONS = 100
BATCH = 10
PROCESSES = 2
RANDOM = "random search, exact expectation"


@dataclass(frozen=True)
class _Truth:
    energies_ev: dict[str, float]
    took_s: float


@cache
def _truth() -> _Truth:
    """Every molecule of the pool, from the start of the processes to the last answer. 12 s on two idle cores."""
    molecules = pool.load().molecules
    start_ns = time.perf_counter_ns()
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as executor:
        found = executor.map(partial(ionisation_energy, seed=0), [molecule.smiles for molecule in molecules], chunksize=8)
        energies = {molecule.id: each.energy_ev for molecule, each in zip(molecules, found, strict=True)}
    return _Truth(energies, (time.perf_counter_ns() - start_ns) / 1e9)


@cache
def _features() -> Features:
    return Features.of(pool.load().molecules)


@cache
def _campaign(seed: int) -> tuple[dict[str, float], list[float]]:
    """What a campaign finds that asks the planner alone, and the milliseconds of each choice."""
    truth, features = _truth().energies_ev, _features()
    observed: dict[str, float] = {}
    took_ms: list[float] = []
    while len(observed) < EVALUATIONS:
        start_ns = time.perf_counter_ns()
        batch = choose_batch(features, observed, (), min(BATCH, EVALUATIONS - len(observed)), seed)
        if observed:  # The first batch is drawn, not chosen.
            took_ms.append((time.perf_counter_ns() - start_ns) / 1e6)
        observed |= {choice.id: truth[choice.id] for choice in batch}
    return observed, took_ms


def top_ten_found() -> Figure:
    """Of the ten highest in the pool, how many 100 evaluations find; mean, lowest and highest over seeds 0 to 4."""
    truth = _truth().energies_ev
    found = [statistics.hits(_campaign(seed)[0], truth) for seed in SEEDS]
    expected = statistics.expected_hits(EVALUATIONS, len(truth))
    return Figure(value=mean(found), unit="of 10", better="higher", low=min(found), high=max(found), peer=RANDOM, peer_value=expected)


def regret() -> Figure:
    """How far the best that 100 evaluations find stays below the best of the pool; mean, lowest and highest over seeds 0 to 4."""
    truth = list(_truth().energies_ev.values())
    found = [statistics.regret(_campaign(seed)[0].values(), truth) for seed in SEEDS]
    expected = statistics.expected_regret(truth, EVALUATIONS)
    return Figure(value=mean(found), unit="eV", better="lower", low=min(found), high=max(found), peer=RANDOM, peer_value=expected)


def choose_batch_ms() -> Figure:
    """One choice of ten molecules out of 584, over whole campaigns."""
    return of_rounds([took for seed in SEEDS for took in _campaign(seed)[1]], "ms", better="lower")


def pool_seconds() -> Figure:
    """The ionisation energies of the whole pool with two processes, their start included."""
    return Figure(value=_truth().took_s, unit="s", better="lower")


FIGURES: dict[str, Measure] = {
    "choose_batch_ms": choose_batch_ms,
    "pool_seconds": pool_seconds,
    "regret": regret,
    "top_ten_found": top_ten_found,
}
