"""The Reporter: puts together what the others found, and writes it on one page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bailiwick import Agent, action, codec
from bailiwick.effects import Kind, fold
from bailiwick.ids import agent_of, root_key
from bailiwick.ledger import Entry
from molecular_design.findings import Budget, Check, Evaluation, FailedMolecule, Report, Span, Spending
from molecular_design.pool import Molecule
from molecular_design.records import Campaign, Measurement, Proposals, Ranked, RecordView, Summary
from molecular_design.tools import calibrate, expect_of_chance, write_report

BEST = 10


class Reporter(Agent):
    """Writes the report and sums up. It computes no number of its own: each one comes from an effect on the record."""

    campaign: Campaign

    @action
    async def report(
        self, candidates: list[Molecule], measured: list[Measurement], checks: list[Check], proposals: Proposals, record: RecordView
    ) -> Summary:
        """Write the page and return what is on it."""
        observed = {m.id: m.energy_ev for m in measured if m.energy_ev is not None}
        calibration = await self.perform(calibrate)
        chance = await self.use(expect_of_chance, candidates, observed, len(observed)) if observed else None
        path = Path(self.campaign.reports) / f"{self.campaign.seed}-{root_key(self.id)}.html"
        findings = Report(
            title="The highest ionisation energies",
            seed=self.campaign.seed,
            planner=_planner(self.campaign, proposals),
            pool_size=len(candidates),
            settings=_settings(self.campaign, proposals),
            evaluations=_evaluations(measured),
            chance=chance,
            calibration=calibration.value,
            calibration_effect=calibration.effect,
            checks=tuple(checks),
            failures=tuple(FailedMolecule(m.effect, m.id, m.smiles, m.failure) for m in measured if m.energy_ev is None),
            spans=tuple(record.spans),
            budgets=_budgets(self.campaign, measured),
            effects=record.effects,
            head=record.head,
        )
        written = await self.use(write_report, str(path), findings)
        return _summary(candidates, measured, checks, proposals, written.path)


def view_of(entries: Iterable[Entry], somebody: str) -> RecordView:
    """The record of the campaign that ``somebody`` belongs to."""
    listed = [entry for entry in entries if root_key(getattr(entry.record, "id", somebody)) == root_key(somebody)]
    effects = list(fold((entry.seq, entry.record) for entry in listed).values())
    names: dict[str, str] = {
        agent_of(effect.intent.id): codec.decode(effect.intent.arguments, dict[str, Any])["name"]
        for effect in effects
        if effect.intent.kind is Kind.SPAWN
    }
    spans = [
        Span(e.intent.id, names.get(e.intent.agent, "campaign"), e.intent.tool, e.outcome.started_ns, e.outcome.ended_ns, e.state)
        for e in effects
        if e.outcome is not None and e.intent.kind is Kind.TOOL
    ]
    return RecordView(effects=len(effects), head=listed[-1].hash.hex(), spans=spans)


def _evaluations(measured: Sequence[Measurement]) -> tuple[Evaluation, ...]:
    return tuple(Evaluation(m.effect, m.id, m.smiles, m.energy_ev, m.fidelity) for m in measured if m.energy_ev is not None)


def _planner(campaign: Campaign, proposals: Proposals) -> str:
    if not campaign.model_url:
        return "A Gaussian process chose them, by its upper confidence bound."
    return f"A language model proposed, a Gaussian process judged: {proposals.taken} proposals were taken, the rest it chose itself."


def _settings(campaign: Campaign, proposals: Proposals) -> tuple[tuple[str, str], ...]:
    shown = [
        ("seed", campaign.seed),
        ("budget", f"{campaign.budget} molecules"),
        ("batch", campaign.batch),
        ("assays", campaign.workers),
        ("exploration", campaign.exploration),
        ("verified share", f"{campaign.verify_share:.0%}"),
        ("pool", campaign.pool or "NCI, first 5,000, inside RDKit"),
    ]
    if campaign.model_url:
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(proposals.verdicts.items()))
        shown += [("model", f"{campaign.model_name or 'the first'} at {campaign.model_url}")]
        shown += [("proposals", f"asked {proposals.asked} times, {proposals.unanswered} times without an answer; {verdicts or 'none'}")]
    return tuple((name, str(value)) for name, value in shown)


def _budgets(campaign: Campaign, measured: Sequence[Measurement]) -> tuple[Budget, ...]:
    ordered = sorted(measured, key=lambda m: (m.ended_ns, m.id))
    calls = Budget("molecules", "", campaign.budget, tuple(Spending(m.ended_ns, m.effect, 1.0) for m in ordered))
    return (calls,)


def _summary(
    candidates: Sequence[Molecule], measured: Sequence[Measurement], checks: Sequence[Check], proposals: Proposals, report: str
) -> Summary:
    done = sorted((m for m in measured if m.energy_ev is not None), key=lambda m: (-(m.energy_ev or 0.0), m.id))[:BEST]
    return Summary(
        candidates=len(candidates),
        evaluated=len(measured),
        best=[
            Ranked(rank=rank, id=m.id, smiles=m.smiles, energy_ev=m.energy_ev or 0.0, fidelity=m.fidelity, effect=m.effect)
            for rank, m in enumerate(done, 1)
        ],
        failed={m.id: m.failure for m in measured if m.energy_ev is None},
        checked=len(checks),
        disagreements=[check.molecule for check in checks if not check.agrees],
        proposals=proposals,
        report=report,
    )
