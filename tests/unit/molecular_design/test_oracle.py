"""The oracle: known values, repeatable to the last bit, and no number where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from molecular_design import oracle
from molecular_design.oracle import (
    EV_PER_HARTREE,
    BadMolecule,
    EmbeddingFailed,
    NotConverged,
    ionisation_energy,
    single_point,
)
from molecular_design.pool import ChemistryUnavailable

pytest.importorskip("rdkit", reason="geometries are made with RDKit")
pytest.importorskip("tblite", reason="energies are computed with tblite")

SAMPLE = ["N#CCC#N", "c1ccc2[nH]ccc2c1", "CC(=O)NCC", "OCC(F)(F)F"]


@pytest.mark.parametrize(("smiles", "energy_ev"), [("N#CCC#N", 12.20), ("N#CCCC#N", 11.38), ("c1ccccc1", 9.29)])
def test_known_molecules_have_their_known_energies(smiles: str, energy_ev: float) -> None:
    assert round(ionisation_energy(smiles, 0).energy_ev, 2) == energy_ev


def test_a_result_says_how_it_was_obtained() -> None:
    found = ionisation_energy("N#CCC#N", 7)
    assert (found.smiles, found.seed, found.method, found.conformer) == ("N#CCC#N", 7, "IPEA1-xTB", "ETKDGv3 + MMFF94")
    assert found.energy_ev == (found.cation_hartree - found.neutral_hartree) * EV_PER_HARTREE - found.shift_ev
    assert found.engine.startswith("tblite ")
    assert "rdkit" in found.engine
    assert len(found.geometry_sha256) == 64


def test_another_process_finds_the_same_bits_whatever_its_threads() -> None:
    code = (
        "import json, sys, dataclasses; from molecular_design.oracle import ionisation_energy\n"
        "print(json.dumps([dataclasses.asdict(ionisation_energy(s, 3)) for s in sys.argv[1:]]))"
    )
    root = Path(oracle.__file__).parents[1]
    runs = [
        subprocess.run(
            ["env", f"OMP_NUM_THREADS={threads}", sys.executable, "-c", code, *SAMPLE],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=root,
        )
        for threads in (1, 2)
    ]
    assert runs[0].stderr == ""
    assert json.loads(runs[0].stdout) == json.loads(runs[1].stdout)
    assert json.loads(runs[0].stdout) == [ionisation_energy(smiles, 3).__dict__ for smiles in SAMPLE]


def test_threads_of_one_process_find_the_same_bits() -> None:
    alone = [ionisation_energy(smiles, 0) for smiles in SAMPLE]
    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(ionisation_energy, SAMPLE)) == alone


def test_another_seed_is_another_geometry() -> None:
    assert len({ionisation_energy("CCCCO", seed).geometry_sha256 for seed in range(4)}) == 4


@pytest.mark.parametrize("smiles", ["", "C1CC", "not a molecule", "<script>", "[Na+]", "C.C", "[CH3]", "C" * 3 + "(("])
def test_what_is_not_a_molecule_is_refused_by_name(smiles: str) -> None:
    with pytest.raises(BadMolecule) as raised:
        ionisation_energy(smiles, 0)
    assert smiles in str(raised.value)


def test_a_molecule_without_force_field_parameters_gets_no_other_geometry() -> None:
    with pytest.raises(EmbeddingFailed, match="MMFF94 has no parameters"):
        ionisation_energy("C[Se]C", 0)


def test_a_molecule_that_cannot_be_embedded_gets_no_other_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    monkeypatch.setattr(rdForceFieldHelpers, "MMFFOptimizeMolecule", lambda *_, **__: 1)
    with pytest.raises(EmbeddingFailed, match="did not come to rest"):
        ionisation_energy("CCCC", 0)
    monkeypatch.setattr(rdDistGeom, "EmbedMolecule", lambda *_: -1)
    with pytest.raises(EmbeddingFailed, match="no geometry with seed 5"):
        ionisation_energy("CCCC", 5)


def test_a_field_that_does_not_converge_is_no_number(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotConverged, match=r"stretched with charge \+1: .*not converged"):
        single_point([7] * 6, [[0.0, 0.0, 30.0 * place] for place in range(6)], charge=1, unpaired=1, what="stretched")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", [-1, 2**31 - 1])
def test_a_seed_that_would_not_repeat_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="use 0 to"):
        ionisation_energy("CCCC", seed)


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle._programs.cache_clear()
    monkeypatch.setitem(sys.modules, "tblite.interface", None)
    with pytest.raises(ChemistryUnavailable, match=r"bailiwick\[chemistry\]"):
        ionisation_energy("CCCC", 0)


def test_failures_keep_their_message_when_they_are_rebuilt_from_their_arguments() -> None:
    for kind in (BadMolecule, EmbeddingFailed, NotConverged):
        assert str(kind(*kind("why").args)) == "why"
