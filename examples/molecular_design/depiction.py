"""A molecule as a chemist would draw it: an inline SVG of its skeleton, coloured by CSS classes.

Drawn here from RDKit's two-dimensional coordinates rather than with RDKit's own drawing code, because that needs X11 libraries,
which a server often lacks, and fixes its colours, which a page with a dark mode cannot use. Stereochemistry is not drawn.
"""

from __future__ import annotations

from html import escape
from math import hypot
from typing import Any

from molecular_design.pool import parse

_SCALE = 17.0
"""Pixels for one ångström of the drawing; a bond has 1.5."""
_PADDING = 5.0
_GAP = 3.2
"""Between the lines of a double bond, in pixels."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

Spot = tuple[float, float]


def draw(smiles: str) -> str:
    """The drawing, or "" for what RDKit cannot read. The same text for the same SMILES."""
    molecule = parse(smiles)
    if molecule is None:
        return ""
    from rdkit import Chem
    from rdkit.Chem import rdDepictor

    Chem.Kekulize(molecule, clearAromaticFlags=True)
    rdDepictor.Compute2DCoords(molecule)
    rdDepictor.StraightenDepiction(molecule)
    raw = [(x * _SCALE, -y * _SCALE) for x, y, _ in molecule.GetConformer().GetPositions().tolist()]
    labels = [_label(atom, raw) for atom in molecule.GetAtoms()]
    extents = [_extent(label, spot, atom, raw) for atom, label, spot in zip(molecule.GetAtoms(), labels, raw, strict=True)]
    left, top = min(low for low, _ in extents) - _PADDING, min(y for _, y in raw) - 2 * _PADDING
    spots = [(x - left, y - top) for x, y in raw]
    parts = [line for bond in molecule.GetBonds() for line in _bond(bond, spots, labels)]
    for atom, spot, label in zip(molecule.GetAtoms(), spots, labels, strict=True):
        if label:
            parts.append(_letters(label, spot, atom.GetSymbol(), _faces_left(atom, spots)))
    width, height = max(high for _, high in extents) - left + _PADDING, max(y for _, y in spots) + 2 * _PADDING
    return (
        f'<svg class="molecule" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(smiles)}</title>{"".join(parts)}</svg>'
    )


def _label(atom: Any, spots: list[Spot]) -> str:
    """The letters at an atom: none for carbon in a skeleton; hydrogens on the side where no bond is."""
    symbol = atom.GetSymbol()
    if symbol == "C" and atom.GetDegree():
        return ""
    count = atom.GetTotalNumHs()
    hydrogens = f"H{count if count > 1 else ''}".translate(_SUBSCRIPTS) if count else ""
    return hydrogens + symbol if _faces_left(atom, spots) else symbol + hydrogens


def _extent(label: str, spot: Spot, atom: Any, spots: list[Spot]) -> Spot:
    """From where to where an atom and its letters reach sideways."""
    half, rest = 4.6 * len(atom.GetSymbol()), 9.0 * max(0, len(label) - len(atom.GetSymbol()))
    left, right = (rest, 0.0) if _faces_left(atom, spots) else (0.0, rest)
    return spot[0] - half - left, spot[0] + half + right


def _faces_left(atom: Any, spots: list[Spot]) -> bool:
    """Whether the bonds of an atom leave to its right."""
    x = spots[atom.GetIdx()][0]
    return sum(spots[other.GetIdx()][0] - x for other in atom.GetNeighbors()) > 0.1 * _SCALE


def _letters(label: str, spot: Spot, symbol: str, faces_left: bool) -> str:
    """``label`` with its element letter over the atom, whatever stands beside it."""
    half = 4.6 * len(symbol)
    x = spot[0] + half if faces_left else spot[0] - half
    anchor = "end" if faces_left else "start"
    return f'<text class="atom {escape(symbol)}" x="{x:.1f}" y="{spot[1] + 4.6:.1f}" text-anchor="{anchor}">{escape(label)}</text>'


def _bond(bond: Any, spots: list[Spot], labels: list[str]) -> list[str]:
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    (x1, y1), (x2, y2) = spots[begin], spots[end]
    length = hypot(x2 - x1, y2 - y1) or 1.0
    along, across = ((x2 - x1) / length, (y2 - y1) / length), (-(y2 - y1) / length, (x2 - x1) / length)
    first, last = (8.0 if labels[begin] else 0.0), (8.0 if labels[end] else 0.0)

    def stroke(shift: float, shorter: float = 0.0) -> str:
        a, b = first or shorter, length - (last or shorter)
        x, y = x1 + across[0] * shift, y1 + across[1] * shift
        return f'<line x1="{x + along[0] * a:.1f}" y1="{y + along[1] * a:.1f}" x2="{x + along[0] * b:.1f}" y2="{y + along[1] * b:.1f}"/>'

    order = round(bond.GetBondTypeAsDouble())
    if order == 3:
        return [stroke(-_GAP), stroke(0), stroke(_GAP)]
    if order == 1:
        return [stroke(0)]
    if not bond.IsInRing():
        return [stroke(-_GAP / 2), stroke(_GAP / 2)]
    return [stroke(0), stroke(_GAP * _side_of_ring(bond, spots, across), 3.0)]


def _side_of_ring(bond: Any, spots: list[Spot], across: Spot) -> float:
    """On which side of a bond the middle of its smallest ring lies: 1 or -1."""
    rings = [ring for ring in bond.GetOwningMol().GetRingInfo().BondRings() if bond.GetIdx() in ring]
    ring = min(rings, key=len)
    owner = bond.GetOwningMol()
    corners = [spots[owner.GetBondWithIdx(each).GetBeginAtomIdx()] for each in ring]
    corners += [spots[owner.GetBondWithIdx(each).GetEndAtomIdx()] for each in ring]
    x = sum(x for x, _ in corners) / len(corners) - spots[bond.GetBeginAtomIdx()][0]
    y = sum(y for _, y in corners) / len(corners) - spots[bond.GetBeginAtomIdx()][1]
    return 1.0 if x * across[0] + y * across[1] > 0 else -1.0
