"""The report: a function of what was found, traceable, and harmless whatever stands in it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from math import nan

import pytest

pytest.importorskip("rdkit", reason="molecules are laid out with RDKit")

from molecular_design.calibration import NotCalibrated, Pair, compare
from molecular_design.depiction import draw
from molecular_design.findings import Budget, Chance, Check, Evaluation, FailedMolecule, Report, Span, Spending
from molecular_design.report import render

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
SMILES = ["N#CCC#N", "N#CCCC#N", "c1ccc2[nH]ccc2c1", "O=C1C=C(Cl)C(=O)O1", "NS(=O)(=O)O", "C#CC(C)(C)O"]


def effect(number: int) -> str:
    """An id like those of the record."""
    return f"eff_{number:032x}"


def a_report() -> Report:
    """A small campaign with one of everything."""
    evaluations = tuple(Evaluation(effect(n), f"NSC-{n}", smiles, 12.0 - n / 3) for n, smiles in enumerate(SMILES))
    spans = [Span(each.effect, f"Assay {n % 2 + 1}", "ionisation_energy", 10**9 * n, 10**9 * n + 10**8, "done") for n, each in
             enumerate(evaluations)]  # fmt: skip
    spans += [
        Span(effect(20), "Assay 10", "ionisation_energy", 10**9, 2 * 10**9, "failed"),
        Span(effect(21), "Verifier", "recompute", 7 * 10**9, 8 * 10**9, "done"),
        Span(effect(22), "Reporter", "calibrate", 8 * 10**9, 9 * 10**9, "in doubt"),
    ]
    calibration = compare(tuple(Pair(name, x, x + 0.1) for name, x in (("N2", 15.6), ("HCN", 13.6), ("F2", 15.7))), source="a table")
    return Report(
        title="A search",
        seed=3,
        planner="A Gaussian process chose them.",
        pool_size=584,
        settings=(("Workers", "2"),),
        evaluations=evaluations,
        chance=Chance((9.0, 9.5), (8.0, 8.5), (10.0, 10.5), "all values"),
        calibration=calibration,
        calibration_effect=effect(22),
        checks=(Check("NSC-1", "N#CCCC#N", effect(1), 12.0 - 1 / 3, effect(21), 12.0 - 1 / 3),),
        failures=(FailedMolecule(effect(20), "NSC-20", "CCCC", "the field did not converge"),),
        spans=tuple(spans),
        budgets=(Budget("evaluations", "", 8, tuple(Spending(span.ended_ns, span.effect, 1) for span in spans[:6])),),
        effects=40,
        head="ab" * 32,
    )


class Reader(HTMLParser):
    """What a browser would see: tags, attributes, ids, links within the page, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br", "line", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_well_formed_and_complete() -> None:
    seen = Reader(render(a_report()))
    assert seen.open == []
    assert "$" not in seen.words, "nothing of the template is left over"
    for expected in (
        "Malononitrile",
        "12.00",
        "the field did not converge",
        "All agree to the last bit",
        "8 spent",
        "40 effects on record",
    ):
        assert expected.lower() in seen.words.lower()


def test_the_same_findings_give_the_same_page() -> None:
    assert render(a_report()) == render(a_report())


def test_the_order_of_unordered_findings_does_not_matter() -> None:
    found = a_report()
    turned = replace(found, spans=found.spans[::-1], checks=found.checks[::-1], failures=found.failures[::-1])
    assert render(turned) == render(found)


def test_the_page_needs_nothing_but_itself() -> None:
    page = render(a_report())
    seen = Reader(page)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(seen.tags)
    outward = [
        value for name, value in seen.attributes if name in ("href", "src", "srcset", "action") and not (value or "").startswith("#")
    ]
    assert outward == []
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_every_number_links_to_its_effect_and_every_link_arrives() -> None:
    seen = Reader(render(a_report()))
    there = {value for name, value in seen.attributes if name == "id"}
    links = {(value or "")[1:] for name, value in seen.attributes if name == "href"}
    assert links <= there
    assert {each.effect for each in a_report().evaluations} | {effect(20), effect(21), effect(22)} <= links


def test_an_effect_that_is_not_in_the_record_is_named_without_a_link() -> None:
    page = render(replace(a_report(), spans=(), budgets=()))
    assert 'class="effect" href' not in page
    assert effect(0) in page


def test_hostile_text_stays_text() -> None:
    found = a_report()
    page = render(
        replace(
            found,
            title=HOSTILE,
            planner=HOSTILE,
            settings=((HOSTILE, HOSTILE),),
            head=HOSTILE,
            calibration=compare((Pair(HOSTILE, 1.0, 9.0),) * 3, (HOSTILE,), source=HOSTILE),
            calibration_effect=HOSTILE,
            evaluations=(Evaluation(HOSTILE, HOSTILE, HOSTILE, 9.0, HOSTILE, HOSTILE),),
            chance=Chance((1.0,), (1.0,), (1.0,), HOSTILE),
            checks=(Check(HOSTILE, HOSTILE, HOSTILE, 1.0, HOSTILE, 2.0),),
            failures=(FailedMolecule(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
            spans=(Span(HOSTILE, HOSTILE, HOSTILE, 0, 1, HOSTILE),),
            budgets=(Budget(HOSTILE, HOSTILE, 1.0, (Spending(1, HOSTILE, 1.0),)),),
        )
    )
    seen = Reader(page)
    assert seen.open == []
    assert not {"script", "img"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert HOSTILE in seen.words


def test_the_reason_for_a_missing_calibration_is_on_the_page() -> None:
    assert "ASE is not there" in render(replace(a_report(), calibration=NotCalibrated("ASE is not there")))


def test_a_disagreement_is_shown_with_both_values_and_comes_first() -> None:
    found = a_report()
    differing = Check("NSC-2", SMILES[2], effect(2), 11.25, effect(23), 11.25 + 1e-9)
    page = render(replace(found, checks=(*found.checks, differing)))
    assert "1 disagrees" in page
    assert page.index("11.250000001000") < page.index(">equal</td>")
    assert "differs by +1e-09 eV" in page
    assert "All agree" not in page


def test_a_check_that_found_nothing_is_a_disagreement() -> None:
    page = render(replace(a_report(), checks=(Check("NSC-2", SMILES[2], effect(2), 11.25, effect(23), nan),)))
    assert "could not be computed again" in page
    assert "nan" not in Reader(page).words


def test_a_campaign_that_found_nothing_has_a_page_too() -> None:
    empty = replace(
        a_report(), evaluations=(), chance=None, checks=(), failures=(), spans=(), budgets=(), calibration=NotCalibrated("no"), effects=0
    )
    seen = Reader(render(empty))
    assert seen.open == []
    assert "None could be computed" in seen.words


def test_lanes_are_in_the_order_people_count() -> None:
    page = render(a_report())
    assert page.index(">Assay 2</text>") < page.index(">Assay 10</text>") < page.index(">Reporter</text>") < page.index(">Verifier</text>")


@pytest.mark.parametrize("smiles", SMILES)
def test_a_molecule_is_drawn_the_same_each_time(smiles: str) -> None:
    drawn = draw(smiles)
    assert drawn == draw(smiles)
    assert drawn.startswith("<svg ")
    assert f"<title>{smiles}</title>" in drawn


def test_hydrogens_stand_on_the_side_without_a_bond() -> None:
    drawn = draw("NCCO")
    assert ("H₂N" in drawn and ">OH<" in drawn) or (">NH₂<" in drawn and ">HO<" in drawn)


def test_bonds_are_drawn_with_their_order() -> None:
    assert draw("N#CCC#N").count("<line") == 3 + 1 + 1 + 3
    assert draw("c1ccccc1").count("<line") == 9
    assert draw("C=C").count("<line") == 2


def test_what_is_no_molecule_is_not_drawn() -> None:
    assert draw(HOSTILE) == draw("") == ""
