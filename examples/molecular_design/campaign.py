"""The campaign: propose, measure, learn, until the budget is spent; then verify, and report."""

from __future__ import annotations

import asyncio

from bailiwick import Bailiwick, Budget, Charter, Rule, tool
from bailiwick.effects import EffectClass
from molecular_design.agents import Assay, Planner, Verifier
from molecular_design.records import Campaign, Measurement, RecordView, Summary
from molecular_design.reporter import Reporter, view_of
from molecular_design.tools import TOOLS, ionisation_energy

NAME = "molecular-design"
"""What the record calls its runs."""

CHARTER = Charter(
    allow=(
        *(Rule(tool=tool.name, effect=tool.effect) for tool in TOOLS),
        Rule(tool="chat", effect=EffectClass.READ),
        Rule(tool="look_at_the_record", effect=EffectClass.READ),
    )
)
"""What the agents of a campaign may do: compute, ask a model, read the record, write the report. Nothing else."""

CPU_S_EACH = 3.0
"""What one molecule may take: fifty times what it does."""


def budget_of(campaign: Campaign) -> Budget:
    """What they may spend: one computation for each molecule of the budget, and CPU time; the verifier's sample has calls of its own."""
    return Budget(calls={ionisation_energy.name: campaign.budget}, cpu_s=CPU_S_EACH * campaign.budget + 60.0)


async def main(bw: Bailiwick, campaign: Campaign) -> Summary:
    """Run one campaign to its end. Everything random is seeded, everything parallel is paired by id: run again, it asks the same."""
    planner = await bw.launch(Planner, name="planner", campaign=campaign)
    assays = [await bw.launch(Assay, name=f"assay-{number}") for number in range(1, campaign.workers + 1)]
    verifier = await bw.launch(Verifier, name="verifier", campaign=campaign)
    reporter = await bw.launch(Reporter, name="reporter", campaign=campaign)

    candidates = await planner.prepare()
    measured: list[Measurement] = []
    rounds = 0
    while len(measured) < min(campaign.budget, len(candidates)):
        batch = await planner.propose(min(campaign.batch, campaign.budget - len(measured)), rounds)
        # Which Assay measures what is decided here, not by who is free: the next run must ask the same.
        results = await asyncio.gather(*(assays[place % len(assays)].measure(molecule) for place, molecule in enumerate(batch)))
        await planner.observe(results)
        measured += results
        rounds += 1
    checks = await verifier.verify(measured)
    proposals = await planner.proposed()

    @tool(effect="read")
    async def look_at_the_record() -> RecordView:
        """How the record stands now; read once, and from then on it is what it was."""
        await bw.record.barrier()
        return view_of(bw.record.entries(), reporter.agent_id)

    return await reporter.report(candidates, measured, checks, proposals, await bw.use(look_at_the_record))
