"""The calibration: what the instrument is worth, and what is said where that is not known."""

from __future__ import annotations

import sys

import pytest

from molecular_design import calibration
from molecular_design.calibration import Calibration, NotCalibrated, Pair, calibrate, compare
from molecular_design.oracle import SHIFT_EV, NotConverged


def test_the_method_is_as_good_as_it_is_said_to_be() -> None:
    pytest.importorskip("tblite", reason="energies are computed with tblite")
    pytest.importorskip("ase", reason="measured values come with ASE")
    found = calibrate()
    assert isinstance(found, Calibration)
    assert len(found.pairs) == 34
    assert found.not_computed == ()
    assert found.correlation == pytest.approx(0.950, abs=0.001)
    assert found.mean_error_ev == pytest.approx(0.537, abs=0.002)
    assert "CCCBDB" in found.source
    assert round(found.offset_ev, 2) == SHIFT_EV, "the oracle's shift is the mean offset found here"


def test_without_ase_there_is_no_calibration_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ase", None)
    found = calibrate()
    assert isinstance(found, NotCalibrated)
    assert "bailiwick[calibration]" in found.reason


def test_a_system_that_cannot_be_computed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ase", reason="measured values come with ASE")

    def fail(atoms: object, name: str) -> float:
        if name == "HCN":
            raise NotConverged("HCN: no")
        return 10.0

    monkeypatch.setattr(calibration, "_vertical_ev", fail)
    found = calibrate()
    assert isinstance(found, Calibration)
    assert found.not_computed == ("HCN: no",)
    assert len(found.pairs) == 33


def test_figures_of_merit_of_a_known_set() -> None:
    pairs = tuple(Pair(str(x), x, 2 * x) for x in (1.0, 2.0, 3.0))
    found = compare(pairs, source="made up")
    assert isinstance(found, Calibration)
    assert found.offset_ev == pytest.approx(2.0 + SHIFT_EV)
    assert found.mean_error_ev == pytest.approx(2.0)
    assert found.correlation == pytest.approx(1.0)


def test_two_systems_are_no_calibration() -> None:
    found = compare((Pair("a", 1.0, 1.0), Pair("b", 2.0, 2.0)), ("c: no",), source="made up")
    assert isinstance(found, NotCalibrated)
    assert "2 of 3" in found.reason
    assert "c: no" in found.reason


def test_values_without_spread_have_no_correlation() -> None:
    found = compare((Pair("a", 1.0, 1.0),) * 3, source="made up")
    assert isinstance(found, Calibration)
    assert found.correlation == 0.0
