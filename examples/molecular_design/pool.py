"""The molecules a campaign may choose from: real ones, from the NCI set that comes inside the RDKit wheel.

Of its 4,999 lines those are kept that can be read, are one fragment, have 4–9 heavy atoms, are made of C, N, O, S, F, Cl and H
alone, and carry no formal charge on any atom; of two lines for one molecule the first. What was left out is counted, not hidden.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ELEMENTS = frozenset({"C", "N", "O", "S", "F", "Cl"})
FEWEST_ATOMS, MOST_ATOMS = 4, 9
"""Heavy atoms: hydrogen does not count."""

_OUT_OF_SIZE = f"not {FEWEST_ATOMS} to {MOST_ATOMS} heavy atoms"
_HEAVY_ATOM = re.compile(r"\[(?!\d*H[+-]?\d*\])[^]]+\]|Cl|Br|[BCNOPSFIbcnops]")
"""One heavy atom as SMILES writes it: in brackets (unless it is a lone hydrogen), or bare."""

INSTALL = "install the chemistry extra: pip install 'bailiwick[chemistry]'"

NAMES = {
    "N#CCC#N": "malononitrile",
    "N#CCCC#N": "succinonitrile",
    "N#CCCCC#N": "glutaronitrile",
    "N#CCO": "glycolonitrile",
    "CC(C)(C)C#N": "pivalonitrile",
    "COC(=O)CC#N": "methyl cyanoacetate",
    "O=C(O)C(F)F": "difluoroacetic acid",
    "O=C(O)C#CC(=O)O": "acetylenedicarboxylic acid",
    "OCC(F)(F)F": "2,2,2-trifluoroethanol",
    "CC(O)C(F)(F)F": "1,1,1-trifluoropropan-2-ol",
    "NS(=O)(=O)O": "sulfamic acid",
    "CS(=O)(=O)O": "methanesulfonic acid",
    "O=C1C=C(Cl)C(=O)O1": "chloromaleic anhydride",
}
"""What chemists call those that are likely to be found; the file has no names."""


class ChemistryUnavailable(Exception):
    """RDKit, the molecules inside it, or tblite is not there. The message says what to install."""


@dataclass(frozen=True)
class Molecule:
    """One candidate. ``id`` is ``NSC-`` and the number the NCI gave it: the same in every release of the file."""

    id: str
    smiles: str
    """Canonical: two molecules are the same exactly when these are."""


@dataclass(frozen=True)
class Pool:
    """The molecules in the order of the file, and why the others are not among them."""

    molecules: tuple[Molecule, ...]
    left_out: dict[str, int]
    """How many lines of the file each reason left out."""


@cache
def load(path: Path | None = None) -> Pool:
    """The pool in the file at ``path`` (absent: the one inside RDKit): lines of SMILES and number. Takes 0.3 s once.

    Raises `ChemistryUnavailable`.
    """
    path = path or _file_in_rdkit()
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ChemistryUnavailable(f"{path} cannot be read: {error}; it comes with RDKit: {INSTALL}") from error
    pool = select(lines)
    if not pool.molecules:
        raise ChemistryUnavailable(f"{path}: not one of {len(lines)} lines is a molecule for this campaign; it comes with RDKit: {INSTALL}")
    return pool


def take(path: Path) -> Pool:
    """Everything in a file of the user's own, as it stands: a SMILES and a name to a line, nothing judged and nothing left out.

    Raises `ValueError` for a line that is not that, or a name that stands twice.
    """
    found: dict[str, Molecule] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.strip():
            smiles, _, name = line.strip().partition("\t" if "\t" in line else " ")
            if not name or name in found:
                raise ValueError(f"{path}:{number}: write a SMILES and a name that no other line has, as in `CCO ethanol`")
            molecule = parse(smiles)
            found[name] = Molecule(name, smiles if molecule is None else canonical(molecule))
    return Pool(tuple(found.values()), {})


def select(lines: Iterable[str]) -> Pool:
    """The pool in ``lines`` of SMILES and number. A line that is not that counts as unreadable."""
    found: dict[str, Molecule] = {}
    left_out: Counter[str] = Counter()
    for line in lines:
        text, _, number = line.strip().partition("\t")
        smiles, objection = _screened(text) if number else ("", "unreadable")
        if not objection and smiles in found:
            objection = "seen before"
        if objection:
            left_out[objection] += 1
        else:
            found[smiles] = Molecule(f"NSC-{number}", smiles)
    return Pool(tuple(found.values()), dict(sorted(left_out.items())))


def _screened(text: str) -> tuple[str, str]:
    """The canonical SMILES of what ``text`` says, and what speaks against it. Nine lines in ten name too many atoms to need a
    parser, which saves 0.4 s."""
    if sum(1 for _ in _HEAVY_ATOM.finditer(text)) > MOST_ATOMS:
        return "", _OUT_OF_SIZE
    molecule = parse(text)
    if molecule is None:
        return "", "unreadable"
    objection = object_to(molecule)
    return "" if objection else canonical(molecule), objection


def parse(smiles: str) -> Any:
    """RDKit's molecule for ``smiles``, or None where RDKit cannot read it or it has no atoms. Prints nothing."""
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise ChemistryUnavailable(f"RDKit cannot be imported: {error}; {INSTALL}") from error
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def canonical(molecule: Any) -> str:
    """RDKit's canonical SMILES of ``molecule``."""
    from rdkit import Chem

    return str(Chem.MolToSmiles(molecule))


def object_to(molecule: Any) -> str:
    """What speaks against ``molecule`` as a member of a pool; "" if nothing does. The first of several reasons is given."""
    from rdkit import Chem

    if not FEWEST_ATOMS <= molecule.GetNumHeavyAtoms() <= MOST_ATOMS:
        return _OUT_OF_SIZE
    if len(Chem.GetMolFrags(molecule)) > 1:
        return "several fragments"
    if any(atom.GetSymbol() not in ELEMENTS for atom in molecule.GetAtoms()):
        return "other elements"
    if any(atom.GetFormalCharge() for atom in molecule.GetAtoms()):
        return "charged atoms"
    if any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
        return "unpaired electrons"
    return ""


def _file_in_rdkit() -> Path:
    try:
        from rdkit import RDConfig
    except ImportError as error:
        raise ChemistryUnavailable(f"RDKit cannot be imported: {error}; {INSTALL}") from error
    return Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
