"""The pool: which molecules a campaign may choose from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from molecular_design import pool
from molecular_design.pool import ChemistryUnavailable, Molecule

pytest.importorskip("rdkit", reason="the pool is read with RDKit")


def test_the_pool_is_the_584_molecules_of_the_study() -> None:
    found = pool.load()
    assert len(found.molecules) == 584
    assert len({molecule.id for molecule in found.molecules}) == 584
    assert len({molecule.smiles for molecule in found.molecules}) == 584
    assert found.molecules[0] == Molecule("NSC-1", "CC1=CC(=O)C=CC1=O")
    assert Molecule("NSC-3769", "N#CCC#N") in found.molecules


def test_every_line_of_the_file_is_in_the_pool_or_left_out_for_a_reason() -> None:
    found = pool.load()
    assert len(found.molecules) + sum(found.left_out.values()) == 4_999


def test_every_molecule_of_the_pool_is_written_canonically_and_passes_the_filter() -> None:
    for molecule in pool.load().molecules:
        parsed = pool.parse(molecule.smiles)
        assert (pool.canonical(parsed), pool.object_to(parsed)) == (molecule.smiles, "")


def test_every_name_belongs_to_a_molecule_of_the_pool() -> None:
    assert pool.NAMES.keys() <= {molecule.smiles for molecule in pool.load().molecules}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("CCC\t1", "not 4 to 9 heavy atoms"),
        ("CCCCCCCCCC\t1", "not 4 to 9 heavy atoms"),
        ("CC.CC\t1", "several fragments"),
        ("CCCBr\t1", "other elements"),
        ("CC(=O)[O-]\t1", "charged atoms"),
        ("C[N+](=O)[O-]\t1", "charged atoms"),
        ("CC[CH]C\t1", "unpaired electrons"),
        ("C1CCC\t1", "unreadable"),
        ("CCCC", "unreadable"),
        ("", "unreadable"),
    ],
)
def test_what_is_left_out_is_counted_by_its_reason(line: str, reason: str) -> None:
    found = pool.select([line])
    assert found.molecules == ()
    assert found.left_out == {reason: 1}


def test_of_two_lines_for_one_molecule_the_first_stays() -> None:
    found = pool.select(["OCCC\t7", "CCCO\t8"])
    assert found.molecules == (Molecule("NSC-7", "CCCO"),)
    assert found.left_out == {"seen before": 1}


def test_counting_atoms_in_the_text_agrees_with_the_parser() -> None:
    for smiles in ["[2H]OCC", "[nH]1cccc1", "ClCCl", "[Na+].[Cl-]", "C[C@H](N)C(=O)O", "[H][H]", "BrC=C", "c1ccsc1"]:
        counted = sum(1 for _ in pool._HEAVY_ATOM.finditer(smiles))
        assert counted == pool.parse(smiles).GetNumHeavyAtoms(), smiles


def test_a_missing_file_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ChemistryUnavailable, match=r"bailiwick\[chemistry\]"):
        pool.load(tmp_path / "absent.smi")


def test_a_file_without_a_suitable_molecule_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.smi").write_text("C\t1\n")
    with pytest.raises(ChemistryUnavailable, match="not one of 1 lines"):
        pool.load(tmp_path / "odd.smi")


def test_a_missing_rdkit_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ChemistryUnavailable, match=r"bailiwick\[chemistry\]"):
        pool.parse("CCCC")
    with pytest.raises(ChemistryUnavailable, match=r"bailiwick\[chemistry\]"):
        pool._file_in_rdkit()


def test_naming_the_modules_loads_no_chemistry() -> None:
    """Agents import these; only workers need what is heavy."""
    code = (
        "import sys, molecular_design.pool, molecular_design.oracle, molecular_design.calibration, molecular_design.findings\n"
        "print(sorted({'rdkit', 'tblite', 'numpy', 'ase'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=Path(pool.__file__).parents[1]
    )
    assert done.stdout.strip() == "[]"
