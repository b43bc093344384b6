"""The campaign: propose, measure, learn, until the budget is spent; then verify, and report."""

from __future__ import annotations

import asyncio

from bailiwick import Bailiwick, Budget, Charter, Rule
from bailiwick.effects import EffectClass
from molecular_design.agents import Assay, Planner, Verifier
from molecular_design.records import Campaign, Measurement, Summary
from molecular_design.reporter import Reporter
from molecular_design.tools import calibrate, choose, ionisation_energy, judge, load_pool, recompute

NAME = "molecular-design"
"""What the record calls its runs."""

CHARTER = Charter(
    allow=(
        *(Rule(tool=tool.name) for tool in (calibrate, choose, ionisation_energy, judge, load_pool, recompute)),
        Rule(tool="chat", effect=EffectClass.READ),
        Rule(tool="write_file", effect=EffectClass.IDEMPOTENT),
    )
)
"""What the agents of a campaign may do: compute, ask a model, write the report. Nothing else."""


def budget_of(campaign: Campaign) -> Budget:
    """What they may spend: one computation for each molecule of the budget; the verifier's sample is on top."""
    return Budget(calls={ionisation_energy.name: campaign.budget})


async def main(bw: Bailiwick, campaign: Campaign) -> Summary:
    """Run one campaign to its end. Everything random is seeded, everything parallel is paired by id: run again, it asks the same."""
    planner = await bw.launch(Planner, name="planner", campaign=campaign)
    assays = [await bw.launch(Assay, name=f"assay-{number}", seed=campaign.seed) for number in range(1, campaign.workers + 1)]
    verifier = await bw.launch(Verifier, name="verifier", campaign=campaign)
    reporter = await bw.launch(Reporter, name="reporter", campaign=campaign)

    candidates = await planner.prepare()
    measured: list[Measurement] = []
    rounds = 0
    while len(measured) < min(campaign.budget, candidates):
        batch = await planner.propose(min(campaign.batch, campaign.budget - len(measured)), rounds)
        # Which Assay measures what is decided here, not by who is free: the next run must ask the same.
        results = await asyncio.gather(*(assays[place % len(assays)].measure(molecule) for place, molecule in enumerate(batch)))
        await planner.observe(results)
        measured += results
        rounds += 1
    checks = await verifier.verify(measured)
    return await reporter.report(candidates, measured, checks, await planner.proposed())
