"""How alike two molecules are: the kernel that the surrogate thinks with.

Half of it is the Tanimoto similarity of counted circular fragments (Morgan, radius 2: what is bonded to what), half a Gaussian of
the distance in fourteen counted properties (how many nitrogens, triple bonds, hydrogens…: what it is made of). Both are 1 for a
molecule and itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molecular_design.pool import Molecule, parse

Array = NDArray[np.floating[Any]]
Fragments = frozenset[tuple[int, int]]
"""A fragment that occurs three times stands here as (fragment, 0), (fragment, 1), (fragment, 2): so the size of an intersection is
the sum of the smaller counts, and Tanimoto's formula for sets gives the similarity of counts."""

RADIUS = 2
LENGTH = 1.0
"""Of the Gaussian, in standard deviations of a property over the pool."""


class Features:
    """A pool, and the similarity of each two of its molecules. Made once: 0.3 s for 584 molecules."""

    def __init__(self, molecules: Iterable[Molecule]) -> None:
        ordered = sorted(molecules, key=lambda molecule: molecule.id)
        self.ids = tuple(molecule.id for molecule in ordered)
        """In sorted order, which is the order of every row and column here."""
        self.smiles = {molecule.id: molecule.smiles for molecule in ordered}
        self.index = {id: row for row, id in enumerate(self.ids)}
        parsed = [parse(molecule.smiles) for molecule in ordered]
        self._fragments = [fragments(molecule) for molecule in parsed]
        raw = np.array([properties(molecule) for molecule in parsed])
        self._mean, spread = raw.mean(axis=0), raw.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._properties: Array = (raw - self._mean) / self._spread
        self.similarity: Array = self._similarity(self._fragments, self._properties)

    @classmethod
    def of(cls, molecules: Iterable[Molecule]) -> Features:
        """The features of ``molecules``; the order in which they come does not matter."""
        return cls(molecules)

    def similarity_to(self, molecules: Sequence[Any]) -> Array:
        """A row for each of RDKit's ``molecules``, a column for each molecule of the pool."""
        raw = np.array([properties(molecule) for molecule in molecules])
        return self._similarity([fragments(molecule) for molecule in molecules], (raw - self._mean) / self._spread)

    def _similarity(self, sets: Sequence[Fragments], scaled: Array) -> Array:
        squared = _squared_distances(scaled, self._properties) / scaled.shape[1]
        return 0.5 * _tanimoto(sets, self._fragments) + 0.5 * np.exp(-squared / (2 * LENGTH**2))


def fragments(molecule: Any) -> Fragments:
    """The circular fragments of RDKit's ``molecule``, counted."""
    from rdkit.Chem import rdFingerprintGenerator

    counts: dict[int, int] = (
        rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS).GetSparseCountFingerprint(molecule).GetNonzeroElements()
    )
    return frozenset((fragment, copy) for fragment, count in counts.items() for copy in range(count))


def properties(molecule: Any) -> list[float]:
    """Fourteen numbers that say what RDKit's ``molecule`` is made of."""
    from rdkit.Chem import BondType, rdMolDescriptors

    # By index: iterating over RDKit's sequences asks for their length at every step.
    atoms = [molecule.GetAtomWithIdx(place) for place in range(molecule.GetNumAtoms())]
    symbols = [atom.GetSymbol() for atom in atoms]
    bonds = [molecule.GetBondWithIdx(place).GetBondType() for place in range(molecule.GetNumBonds())]
    return [
        float(len(atoms)),
        *(float(symbols.count(symbol)) for symbol in ("N", "O", "S", "F", "Cl")),
        float(sum(atom.GetTotalNumHs() for atom in atoms)),
        float(sum(atom.GetIsAromatic() for atom in atoms)),
        float(bonds.count(BondType.DOUBLE)),
        float(bonds.count(BondType.TRIPLE)),
        float(molecule.GetRingInfo().NumRings()),
        float(rdMolDescriptors.CalcNumHBD(molecule)),
        float(rdMolDescriptors.CalcFractionCSP3(molecule)),
        float(rdMolDescriptors.CalcTPSA(molecule)),
    ]


def _squared_distances(rows: Array, columns: Array) -> Array:
    """Between each two of them, by |a|² + |b|² - 2ab: no array of three dimensions is made."""
    lengths = np.add.outer((rows**2).sum(axis=1), (columns**2).sum(axis=1))
    return np.maximum(lengths - 2 * rows @ columns.T, 0.0)


def _tanimoto(rows: Sequence[Fragments], columns: Sequence[Fragments]) -> Array:
    known = {fragment: place for place, fragment in enumerate(sorted(frozenset().union(*columns)))}

    def matrix(sets: Sequence[Fragments]) -> Array:
        found = np.zeros((len(sets), len(known)), dtype=np.float32)  # Counts are exact up to 2^24, in half the time.
        for row, members in enumerate(sets):
            found[row, [known[member] for member in members if member in known]] = 1.0
        return found

    shared = (matrix(rows) @ matrix(columns).T).astype(np.float64)
    sizes = np.add.outer([len(members) for members in rows], [len(members) for members in columns])
    return shared / (sizes - shared)
