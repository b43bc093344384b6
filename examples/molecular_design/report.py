"""The report of a campaign: one HTML page that needs no network, no script and no second file.

The page is a function of the `Report`: no clock, no chance, no order of dictionaries. Every value comes with the effect it was read
from, as a link to that effect's line in the record at the end. All that is shown is escaped, wherever it came from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from math import isnan
from string import Template
from urllib.parse import quote

from molecular_design.calibration import Calibration, NotCalibrated
from molecular_design.depiction import draw
from molecular_design.findings import Budget, Check, Evaluation, Report
from molecular_design.plots import WIDTH, Band, Bar, Dot, Line, Text, line_chart, scatter, timeline
from molecular_design.pool import NAMES
from molecular_design.statistics import best_so_far

FAR_OFF_EV = 1.0
"""A calibration system this far from its measured value is named in the plot."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def render(report: Report) -> str:
    """The page. Raises `ChemistryUnavailable` where RDKit, which lays out the ten drawings, is missing."""
    known = frozenset(span.effect for span in report.spans)
    best = sorted(report.evaluations, key=lambda each: (-each.energy_ev, each.molecule))[:10]
    template = Template(files("molecular_design").joinpath("report.html.tmpl").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(report.title),
        seed=escape(str(report.seed)),
        lede=_lede(report, best, known),
        figures=_figures(report, best),
        best=_best(best, known),
        chance=_chance(report),
        calibration=_calibration(report.calibration, report.calibration_effect, known),
        checks=_checks(report.checks, known),
        failures=_failures(report, known),
        timeline=_timeline(report),
        budgets=_budgets(report),
        settings=_pairs(report.settings),
        record=_record(report),
        foot=f"{report.effects:,} effects on record when this page was made, the last with hash "
        f"<code>{escape(report.head)}</code>. <code>bailiwick effects verify</code> tells whether anything was changed since.",
    )


def _lede(report: Report, best: Sequence[Evaluation], known: frozenset[str]) -> str:
    asked = len(report.evaluations) + len(report.failures)
    text = f"Which of {report.pool_size:,} molecules holds its electrons most tightly? {asked:,} of them were tried. "
    if not best:
        return f'<p class="lede">{text}None could be computed.</p>'
    first = best[0]
    return (
        f'<p class="lede">{text}The highest vertical ionisation energy found is <b>{_ev(first.energy_ev)}</b>, that of '
        f"{escape(_name(first)) or f'<code>{escape(first.smiles)}</code>'} ({_effect(first.effect, known)}). "
        f"{escape(report.planner)}</p>"
    )


def _figures(report: Report, best: Sequence[Evaluation]) -> str:
    figures: list[tuple[str, str, str]] = []
    if best:
        figures.append((f"{best[0].energy_ev:.2f}", "eV", "highest found"))
    if best and report.chance and report.chance.expected_ev:
        gain = best[0].energy_ev - report.chance.expected_ev[-1]
        figures.append((f"{gain:+.2f}".replace("-", "\N{MINUS SIGN}"), "eV", "against chance"))
    agreeing = sum(check.agrees for check in report.checks)
    figures.append((f"{len(report.evaluations):,}", f"of {report.pool_size:,}", "computed"))
    figures.append((f"{agreeing}", f"of {len(report.checks)}", "equal when recomputed"))
    figures.append((f"{len(report.failures)}", "", "failed"))
    figures.append((f"{report.effects:,}", "", "effects"))
    cells = (f"<div><b>{value}{f' <small>{unit}</small>' if unit else ''}</b><span>{label}</span></div>" for value, unit, label in figures)
    return f'<div class="figures">{"".join(cells)}</div>'


def _best(best: Sequence[Evaluation], known: frozenset[str]) -> str:
    if not best:
        return "<p>No molecule was computed.</p>"
    rows = (
        f'<tr><td class="rank number">{rank}</td><td class="drawing">{draw(each.smiles)}</td>'
        f'<td><div class="name">{escape(_name(each))}</div>'
        f'<div class="ids"><code>{escape(each.smiles)}</code> · <span>{escape(each.molecule)}</span></div></td>'
        f'<td class="number value">{each.energy_ev:.2f}</td><td class="fidelity">{escape(each.fidelity)}</td>'
        f'<td class="number">{_effect(each.effect, known)}</td></tr>'
        for rank, each in enumerate(best, 1)
    )
    head = ("", "", "Molecule", "#Energy, eV", "Fidelity", "#Effect")
    return _table("best", head, rows)


def _chance(report: Report) -> str:
    values = best_so_far(each.energy_ev for each in report.evaluations)
    if not values:
        return "<p>No molecule was computed.</p>"
    lines = [Line("this campaign", list(enumerate(values, 1)), steps=True)]
    band = None
    about = "Best ionisation energy so far after each evaluation"
    caption = "Each dot is one computed molecule, in the order in which they were asked for."
    if report.chance:
        chance = report.chance
        lines.append(Line("chance, on average", list(enumerate(chance.expected_ev, 1)), "second"))
        band = Band(range(1, len(chance.low_ev) + 1), chance.low_ev, chance.high_ev)
        about += f", rising to {values[-1]:.2f} eV; a random search of the same length reaches {chance.expected_ev[-1]:.2f} eV on average."
        caption += f" Nine of ten random searches stay in the shaded band. Chance is worked out from {escape(chance.basis)}."
    dots = [
        Dot(place, each.energy_ev, f"{_name(each) or each.smiles}: {_ev(each.energy_ev)} ({each.effect})", _anchor(each.effect))
        for place, each in enumerate(report.evaluations, 1)
    ]
    text = Text("Best so far against chance", about, "Molecules computed", "Vertical ionisation energy, eV")
    return _figure(line_chart(text, lines, band, dots, height=380), caption)


def _calibration(found: Calibration | NotCalibrated, effect: str, known: frozenset[str]) -> str:
    if isinstance(found, NotCalibrated):
        return f"<p>Not tested in this campaign. {escape(found.reason)}</p>"
    dots = [
        Dot(
            pair.measured_ev,
            pair.computed_ev,
            f"{pair.name}: measured {_ev(pair.measured_ev)}, computed {_ev(pair.computed_ev)}",
            label=pair.name.translate(_SUBSCRIPTS) if abs(pair.computed_ev - pair.measured_ev) >= FAR_OFF_EV else "",
            style="plain",
        )
        for pair in found.pairs
    ]
    said = (
        f"<p>{escape(found.method)} was held against {len(found.pairs)} measured vertical ionisation energies "
        f"({escape(found.source)}; {_effect(effect, known)}). With one constant shift of "
        f"{found.shift_ev:.2f} eV it is off by <b>{found.mean_error_ev:.2f} eV</b> on average, with a correlation of "
        f"<b>{found.correlation:.2f}</b>. Which of two molecules is higher is an open question where they lie closer than that. The "
        f" shift that fits these systems best is {found.offset_ev:.3f} eV.</p>"
    )
    missing = f"<p>Not computed: {escape('; '.join(found.not_computed))}</p>" if found.not_computed else ""
    text = Text(
        "Computed against measured ionisation energies",
        f"{len(found.pairs)} systems scattered about the line of equality, correlation {found.correlation:.2f}.",
        "Measured, eV",
        "Computed, eV",
    )
    return said + missing + _figure(scatter(text, dots), f"Systems off by {FAR_OFF_EV:g} eV or more are named.")


def _checks(checks: Sequence[Check], known: frozenset[str]) -> str:
    if not checks:
        return "<p>No result was recomputed.</p>"
    wrong = [check for check in checks if not check.agrees]
    said = f"<p>{len(checks)} of the results, drawn at random, were computed a second time in another process. "
    verb = "disagrees" if len(wrong) == 1 else "disagree"
    said += f'<span class="alarm">{len(wrong)} {verb}.</span>' if wrong else "All agree to the last bit."
    rows = (
        f"<tr><td><code>{escape(check.smiles)}</code></td>"
        f'<td class="number">{_exact(check.recorded_ev)}<br>{_effect(check.effect, known)}</td>'
        f'<td class="number">{_exact(check.recomputed_ev)}<br>{_effect(check.again, known)}</td>'
        f'<td class="status">{_verdict(check)}</td></tr>'
        for check in sorted(checks, key=lambda check: (check.agrees, check.molecule, check.again))
    )
    return said + "</p>" + _table("checks", ("Molecule", "#On record, eV", "#Computed again, eV", "Verdict"), rows)


def _verdict(check: Check) -> str:
    if check.agrees:
        return "equal"
    if isnan(check.recomputed_ev):
        return '<span class="alarm">could not be computed again</span>'
    return f'<span class="alarm">differs by {check.recomputed_ev - check.recorded_ev:+.3g} eV</span>'


def _failures(report: Report, known: frozenset[str]) -> str:
    if not report.failures:
        return f"<p>Nothing: each of the {len(report.evaluations):,} molecules asked for was computed.</p>"
    rows = (
        f"<tr><td>{escape(each.molecule)}</td><td><code>{escape(each.smiles)}</code></td><td>{escape(each.reason)}</td>"
        f'<td class="number">{_effect(each.effect, known)}</td></tr>'
        for each in sorted(report.failures, key=lambda each: (each.molecule, each.effect))
    )
    return _table("failures", ("Number", "SMILES", "Why", "#Effect"), rows)


def _timeline(report: Report) -> str:
    start = _start(report)
    bars = [
        Bar(
            span.agent,
            (span.started_ns - start) / 1e9,
            (span.ended_ns - start) / 1e9,
            {"in doubt": "doubt"}.get(span.status, span.status),
            f"{span.tool}, {span.status}, {(span.ended_ns - span.started_ns) / 1e6:,.1f} ms ({span.effect})",
            _anchor(span.effect),
        )
        for span in report.spans
    ]
    if not bars:
        return "<p>No effect is on record.</p>"
    lanes = sorted({span.agent for span in report.spans}, key=_natural)
    length_s = (max(span.ended_ns for span in report.spans) - start) / 1e9
    text = Text("Effects in time", f"{len(bars)} effects of {len(lanes)} agents over {length_s:.1f} seconds.", "Seconds since the start")
    others = Counter(span.status for span in report.spans if span.status != "done")
    caption = f"Each bar is one effect: {len(bars):,} in {length_s:.1f} s. " + (
        f"In another colour: {escape(', '.join(f'{count:,} {status}' for status, count in sorted(others.items())))}."
        if others
        else "All of them are done."
    )
    return _figure(timeline(text, lanes, bars), caption)


def _natural(name: str) -> list[tuple[int, str]]:
    """For sorting: Assay 2 before Assay 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _budgets(report: Report) -> str:
    if not report.budgets:
        return "<p>No budget was set.</p>"
    width = WIDTH if len(report.budgets) == 1 else 400
    return f'<div class="pair">{"".join(_budget(budget, _start(report), width) for budget in report.budgets)}</div>'


def _budget(budget: Budget, start: int, width: int) -> str:
    left = budget.limit
    points = [(0.0, left)]
    dots: list[Dot] = []
    for spending in sorted(budget.spendings, key=lambda each: (each.at_ns, each.effect)):
        left -= spending.amount
        points.append(((spending.at_ns - start) / 1e9, left))
        hint = f"{_amount(spending.amount, budget)} spent, {_amount(left, budget)} left ({spending.effect})"
        dots.append(Dot(*points[-1], hint, _anchor(spending.effect), style="unseen"))
    text = Text(
        f"{budget.resource} left",
        f"{_amount(left, budget)} of {_amount(budget.limit, budget)} left at the end.",
        "Seconds since the start",
        f"{budget.resource} left{f', {budget.unit}' if budget.unit else ''}",
    )
    ys = (min(0.0, left), budget.limit * 1.05)
    chart = line_chart(text, [Line(f"{left:.4g}", points, steps=True)], dots=dots, ys=ys, width=width, height=230)
    spent = escape(f"{budget.resource}: {_amount(budget.limit - left, budget)} of {_amount(budget.limit, budget)} spent.")
    return _figure(chart, f"{spent[:1].upper()}{spent[1:]}")


def _amount(value: float, budget: Budget) -> str:
    return f"{value:.4g}\N{NO-BREAK SPACE}{budget.unit}" if budget.unit else f"{value:.4g}"


def _record(report: Report) -> str:
    values = {each.effect: _exact(each.energy_ev) + " eV" for each in report.evaluations}
    values |= {check.again: _exact(check.recomputed_ev) + " eV" for check in report.checks}
    start = _start(report)
    rows = (
        f'<tr id="{escape(span.effect)}"><td><code>{escape(span.effect)}</code></td><td>{escape(span.agent)}</td>'
        f'<td>{escape(span.tool)}</td><td class="number">{(span.started_ns - start) / 1e9:.3f}</td>'
        f'<td class="number">{(span.ended_ns - span.started_ns) / 1e6:,.1f}</td><td>{escape(span.status)}</td>'
        f'<td class="number">{values.get(span.effect, "")}</td></tr>'
        for span in sorted(report.spans, key=lambda span: (span.started_ns, span.effect))
    )
    head = ("Effect", "Agent", "Tool", "#Start, s", "#Took, ms", "Status", "#Value")
    shown = f"{len(report.spans):,} of {report.effects:,} effects"
    return f"<details open><summary>{shown}, in order of their start</summary>{_table('record', head, rows)}</details>"


def _start(report: Report) -> int:
    return min((span.started_ns for span in report.spans), default=0)


def _effect(effect: str, known: frozenset[str]) -> str:
    """The id, short, as a link to its line in the record where it has one."""
    short = escape(effect if len(effect) <= 12 else f"{effect[:4]}…{effect[-6:]}")
    if effect in known:
        return f'<a class="effect" href="{escape(_anchor(effect))}" title="{escape(effect)}">{short}</a>'
    return f'<span class="effect" title="{escape(effect)}">{short}</span>'


def _anchor(effect: str) -> str:
    return f"#{quote(effect, safe='')}"


def _table(style: str, head: Iterable[str], rows: Iterable[str]) -> str:
    """A table; a heading that starts with # stands over numbers."""
    cells = "".join(
        f'<th scope="col" class="number">{text[1:]}</th>' if text.startswith("#") else f'<th scope="col">{text}</th>' for text in head
    )
    body = "\n".join(rows)
    return f'<div class="scroll"><table class="{style}"><thead><tr>{cells}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def _figure(chart: str, caption: str) -> str:
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"


def _name(each: Evaluation) -> str:
    return each.name or NAMES.get(each.smiles, "")


def _ev(value: float) -> str:
    return f"{value:.2f}\N{NO-BREAK SPACE}eV"


def _exact(value: float) -> str:
    return "none" if isnan(value) else f"{value:.12f}"
