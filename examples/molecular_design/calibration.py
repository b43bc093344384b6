"""Whether the instrument may be trusted: the oracle's method against 34 measured vertical ionisation energies.

Measured values and geometries come with ASE (`ase.data.cccbdb_ip`: NIST CCCBDB; `ase.collections.g2`), an optional extra. Without
ASE there is no calibration, and the result says so: it is never made up and never silently left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import msgspec

from molecular_design.oracle import BOHR_PER_ANGSTROM, EV_PER_HARTREE, METHOD, SHIFT_EV, NotConverged, single_point

INSTALL = "install the calibration extra: pip install 'bailiwick[calibration]'"


@dataclass(frozen=True)
class Pair:
    """One system: measured and computed vertical ionisation energy, the latter less the oracle's shift."""

    name: str
    measured_ev: float
    computed_ev: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True, tag="calibration"):
    """How computed and measured values compare over ``pairs``."""

    method: str
    pairs: tuple[Pair, ...]
    not_computed: tuple[str, ...]
    """Systems without a computed value, each with the reason."""
    offset_ev: float
    """Mean of computed - measured before the shift: what the shift ought to be."""
    shift_ev: float
    """The shift in use."""
    mean_error_ev: float
    """Mean absolute error after the shift."""
    correlation: float
    """Pearson's r."""
    source: str


class NotCalibrated(msgspec.Struct, frozen=True, tag="not_calibrated"):
    """There is no calibration, and why."""

    reason: str


def calibrate() -> Calibration | NotCalibrated:
    """Compute all 34 systems: 0.1 s of CPU time, and 0.5 s to load ASE. Raises `ChemistryUnavailable`."""
    try:
        import ase
        from ase.build import molecule
        from ase.data.cccbdb_ip import IP
    except ImportError as error:
        return NotCalibrated(f"ASE cannot be imported: {error}; {INSTALL}")
    pairs: list[Pair] = []
    not_computed: list[str] = []
    for name, (_, measured) in sorted(IP.items()):
        if measured is None:
            continue
        try:
            pairs.append(Pair(name, float(measured), _vertical_ev(molecule(name), name) - SHIFT_EV))
        except NotConverged as error:
            not_computed.append(str(error))
    return compare(tuple(pairs), tuple(not_computed), source=f"NIST CCCBDB, in ase {ase.__version__}")


def compare(pairs: tuple[Pair, ...], not_computed: tuple[str, ...] = (), *, source: str) -> Calibration | NotCalibrated:
    """The figures of merit of ``pairs`` (at least three, else there is nothing to say)."""
    if len(pairs) < 3:
        return NotCalibrated(f"only {len(pairs)} of {len(pairs) + len(not_computed)} systems could be computed: {'; '.join(not_computed)}")
    errors = [pair.computed_ev - pair.measured_ev for pair in pairs]
    return Calibration(
        method=METHOD,
        pairs=pairs,
        not_computed=not_computed,
        offset_ev=sum(errors) / len(errors) + SHIFT_EV,
        shift_ev=SHIFT_EV,
        mean_error_ev=sum(map(abs, errors)) / len(errors),
        correlation=_pearson([pair.measured_ev for pair in pairs], [pair.computed_ev for pair in pairs]),
        source=source,
    )


def _vertical_ev(atoms: Any, name: str) -> float:
    """E(cation) - E(neutral) at the geometry of ``atoms``. The electron leaves an open shell if there is one."""
    numbers = [int(number) for number in atoms.numbers]
    positions = (atoms.positions * BOHR_PER_ANGSTROM).tolist()
    unpaired = round(float(atoms.get_initial_magnetic_moments().sum()))
    neutral = single_point(numbers, positions, charge=0, unpaired=unpaired, what=name)
    cation = single_point(numbers, positions, charge=1, unpaired=abs(unpaired - 1), what=name)
    return (cation - neutral) * EV_PER_HARTREE


def _pearson(xs: list[float], ys: list[float]) -> float:
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    spread = sqrt(sum((x - x_mean) ** 2 for x in xs) * sum((y - y_mean) ** 2 for y in ys))
    return covariance / spread if spread else 0.0
