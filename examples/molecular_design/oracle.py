"""The instrument: the vertical ionisation energy of one molecule, computed.

The geometry is one ETKDGv3 conformer relaxed with MMFF94; the energy is E(cation) - E(neutral) at that geometry with IPEA1-xTB
(Ásgeirsson, Bauer, Grimme, Chem. Sci. 2017, 8, 4879), less a constant shift. Semi-empirical ionisation energies carry a large
constant offset; `SHIFT_EV` is the mean of that offset over the 34 experimental values in `molecular_design.calibration`, which
finds it again wherever ASE is installed.

The same SMILES and seed give the same bits in every process on one machine. There is no second-best way: what cannot be computed
like this raises, and nothing else is put in its place.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from molecular_design.pool import INSTALL, ChemistryUnavailable, parse

METHOD = "IPEA1-xTB"
CONFORMER = "ETKDGv3 + MMFF94"
SHIFT_EV = 5.05
"""What is taken off the computed difference of energies, rounded to the digits that the spread of ±0.5 eV deserves."""

EV_PER_HARTREE = 27.211386245988
"""CODATA 2018."""
BOHR_PER_ANGSTROM = 1 / 0.529177210903
_RELAXATION_STEPS = 2000
_SEEDS = 2**31 - 1


class CannotCompute(Exception):
    """There is no ionisation energy for this molecule; the message says why. Trying again gives the same."""


class BadMolecule(CannotCompute):
    """The SMILES cannot be read, or is not one neutral closed-shell molecule."""


class EmbeddingFailed(CannotCompute):
    """No three-dimensional geometry was found, or MMFF94 knows no parameters for it, or did not come to rest."""


class NotConverged(CannotCompute):
    """The self-consistent field did not converge."""


@dataclass(frozen=True)
class IonisationEnergy:
    """What one computation found, with all that is needed to do it again."""

    smiles: str
    energy_ev: float
    """The vertical ionisation energy: (cation_hartree - neutral_hartree) in eV, less shift_ev."""
    neutral_hartree: float
    cation_hartree: float
    shift_ev: float
    method: str
    conformer: str
    seed: int
    engine: str
    """Names and versions of the programs."""
    geometry_sha256: str
    """Of the elements and coordinates that the energies belong to: equal digests, equal input to the last bit."""


def ionisation_energy(smiles: str, seed: int = 0) -> IonisationEnergy:
    """Compute it: 0.02–0.09 s of CPU time in one thread, whatever OMP_NUM_THREADS says. ``seed`` (0 or more) picks the conformer.

    Raises `BadMolecule`, `EmbeddingFailed`, `NotConverged`; `ChemistryUnavailable` where a program is missing.
    """
    numbers, positions = _conformer(smiles, seed)
    neutral = single_point(numbers, positions, charge=0, unpaired=0, what=smiles)
    cation = single_point(numbers, positions, charge=1, unpaired=1, what=smiles)
    return IonisationEnergy(
        smiles=smiles,
        energy_ev=(cation - neutral) * EV_PER_HARTREE - SHIFT_EV,
        neutral_hartree=neutral,
        cation_hartree=cation,
        shift_ev=SHIFT_EV,
        method=METHOD,
        conformer=CONFORMER,
        seed=seed,
        engine=_programs().versions,
        geometry_sha256=sha256(repr((numbers, positions)).encode()).hexdigest(),
    )


def single_point(numbers: Sequence[int], positions: Sequence[Sequence[float]], *, charge: int, unpaired: int, what: str) -> float:
    """The IPEA1-xTB energy in hartree of atoms with these atomic numbers at these ``positions`` (in bohr).

    Raises `NotConverged`, naming ``what``; `ChemistryUnavailable`.
    """
    programs = _programs()
    # One thread: the order in which threads add up decides the last bits. The setting belongs to the calling thread, so each call
    # makes it; an environment variable would only count if it were there before anybody had loaded OpenMP.
    programs.use_threads(1)
    try:
        calculator = programs.calculator(METHOD, programs.array(numbers), programs.array(positions), float(charge), unpaired)
        calculator.set("verbosity", 0)
        return float(calculator.singlepoint().get("energy"))
    except (programs.error, ValueError) as error:
        raise NotConverged(f"{what} with charge {charge:+d}: {error}") from error


def _conformer(smiles: str, seed: int) -> tuple[list[int], list[list[float]]]:
    """Atomic numbers, and coordinates in bohr."""
    if not 0 <= seed < _SEEDS:
        raise ValueError(f"seed={seed}: use 0 to {_SEEDS - 1}; with a negative seed RDKit draws another geometry each time")
    molecule = _readable(smiles)
    from rdkit import rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed = seed + 1  # RDKit's generator takes 0 for 1.
    with rdBase.BlockLogs():  # What RDKit would print is said by the exceptions.
        if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
            raise EmbeddingFailed(f"{smiles}: MMFF94 has no parameters for it")
        if rdDistGeom.EmbedMolecule(molecule, settings) != 0:
            raise EmbeddingFailed(f"{smiles}: ETKDGv3 found no geometry with seed {seed}")
        if rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=_RELAXATION_STEPS) != 0:
            raise EmbeddingFailed(f"{smiles}: MMFF94 did not come to rest in {_RELAXATION_STEPS} steps")
    positions = molecule.GetConformer().GetPositions() * BOHR_PER_ANGSTROM
    return [atom.GetAtomicNum() for atom in molecule.GetAtoms()], positions.tolist()


def _readable(smiles: str) -> Any:
    """RDKit's molecule with its hydrogens."""
    molecule = parse(smiles)
    if molecule is None:
        raise BadMolecule(f"{smiles!r} is not a SMILES that RDKit can read")
    from rdkit import Chem

    if Chem.GetFormalCharge(molecule) or any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
        raise BadMolecule(f"{smiles}: not a neutral molecule with all electrons paired")
    if len(Chem.GetMolFrags(molecule)) > 1:
        raise BadMolecule(f"{smiles}: several molecules, not one")
    return Chem.AddHs(molecule)


@dataclass(frozen=True)
class _Programs:
    calculator: Any
    array: Any
    error: type[Exception]
    use_threads: Any
    versions: str


@cache
def _programs() -> _Programs:
    """tblite, loaded once: 0.1 s."""
    try:
        import numpy as np
        import rdkit
        import tblite._libtblite as library
        from tblite.exceptions import TBLiteRuntimeError
        from tblite.interface import Calculator
        from tblite.library import get_version
    except ImportError as error:
        system = "; on Debian and Ubuntu: apt install libgomp1" if "libgomp" in str(error) else ""
        raise ChemistryUnavailable(f"the oracle cannot be loaded: {error}{system or f'; {INSTALL}'}") from error
    version = ".".join(str(part) for part in get_version())
    # Looked up through the extension, so that it is the OpenMP which tblite itself uses, on every platform.
    use_threads = ctypes.CDLL(library.__file__).omp_set_num_threads
    return _Programs(Calculator, np.asarray, TBLiteRuntimeError, use_threads, f"tblite {version}, rdkit {rdkit.__version__}")
