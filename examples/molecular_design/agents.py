"""The agents of the campaign. They know each other only by handles, and the world only by tools."""

from __future__ import annotations

import math
import random
from collections import Counter

from bailiwick import Agent, action
from bailiwick.effects import Status
from molecular_design.findings import Check
from molecular_design.pool import Molecule
from molecular_design.proposing import SCHEMA, SHOWN, model_at, proposals_in, question
from molecular_design.records import Campaign, Measurement, Proposals
from molecular_design.surrogate import Judgement
from molecular_design.tools import choose, ionisation_energy, judge, load_pool, recompute

CONFORMER_SEED = 0
"""The same in every campaign: what a molecule is worth must not depend on who asks."""


class Planner(Agent):
    """Decides what to compute next: by the surrogate's upper confidence bound, or from what a model proposes and the surrogate judges."""

    campaign: Campaign
    candidates: list[Molecule] = []
    observed: dict[str, float] = {}
    failed: dict[str, str] = {}
    proposals: Proposals = Proposals()

    @action(exclusive=True)
    async def prepare(self) -> list[Molecule]:
        """Load the candidates."""
        pool = await self.use(load_pool, self.campaign.pool)
        self.candidates = list(pool.molecules)
        return self.candidates

    @action(exclusive=True)
    async def propose(self, size: int, round_number: int) -> list[Molecule]:
        """The next ``size`` molecules, fewer if no more are left."""
        seed = self.campaign.seed * 1_000 + round_number
        named = await self._from_model(size, seed) if self.campaign.model_url and self.observed else []
        if len(named) < size:
            named += await self._choose(size - len(named), seed, without=named)
        by_id = {molecule.id: molecule for molecule in self.candidates}
        return [by_id[name] for name in named]

    @action(exclusive=True)
    async def observe(self, measurements: list[Measurement]) -> None:
        """Learn from what was measured, well or badly."""
        for measurement in measurements:
            if measurement.energy_ev is None:
                self.failed[measurement.id] = measurement.failure
            else:
                self.observed[measurement.id] = measurement.energy_ev

    @action
    async def proposed(self) -> Proposals:
        """What a model proposed so far, and what became of it."""
        return self.proposals

    async def _choose(self, size: int, seed: int, *, without: list[str]) -> list[str]:
        taken = [*self.failed, *without]
        choices = await self.use(choose, self.candidates, self.observed, taken, size, seed, self.campaign.exploration)
        return [choice.id for choice in choices]

    async def _from_model(self, size: int, seed: int) -> list[str]:
        """What the model proposes, as far as it can be computed, the surrogate's favourites first."""
        shown = await self._choose(SHOWN // 2, seed, without=[])
        left = sorted({m.id for m in self.candidates} - {*shown, *self.observed, *self.failed})
        shown += random.Random(seed).sample(left, min(SHOWN // 2, len(left)))
        messages = question(self.candidates, self.observed, shown, 2 * size)
        answer = await self.perform(model_at(self.campaign.model_url, self.campaign.model_name), messages, seed=seed, schema=SCHEMA)
        proposals = proposals_in(answer.value.text) if answer.status is Status.DONE else None
        judged: list[Judgement] = []
        if proposals:
            failed = list(self.failed)
            judged = await self.use(judge, self.candidates, self.observed, failed, proposals, self.campaign.exploration)
        taken = [judgement.id for judgement in judged if judgement.verdict == "eligible"][:size]
        self.proposals = Proposals(
            asked=self.proposals.asked + 1,
            unanswered=self.proposals.unanswered + (proposals is None),
            verdicts=dict(Counter(self.proposals.verdicts) + Counter(judgement.verdict for judgement in judged)),
            taken=self.proposals.taken + len(taken),
        )
        return taken


class Assay(Agent):
    """Computes ionisation energies, one at a time, each Assay in a worker process of its own."""

    @action(exclusive=True)
    async def measure(self, molecule: Molecule) -> Measurement:
        """Compute one molecule. One that cannot be computed is a measurement too: the record has the failure, this its reason."""
        receipt = await self.perform(ionisation_energy, molecule.smiles, CONFORMER_SEED)
        return Measurement(
            id=molecule.id,
            smiles=molecule.smiles,
            energy_ev=receipt.value.energy_ev if receipt.status is Status.DONE else None,
            failure=receipt.failure.message if receipt.failure else "",
            effect=receipt.effect,
            agent=self.name,
            fidelity=receipt.fidelity,
            cpu_s=receipt.cost.cpu_s,
            started_ns=receipt.started_ns,
            ended_ns=receipt.ended_ns,
        )


class Verifier(Agent):
    """Computes a sample a second time, and says where it finds something else."""

    campaign: Campaign

    @action
    async def verify(self, measurements: list[Measurement]) -> list[Check]:
        """Check a seeded sample of what was measured. A disagreement is a finding: it is returned, never resolved."""
        measured = sorted((m for m in measurements if m.energy_ev is not None), key=lambda m: m.id)
        size = math.ceil(len(measured) * self.campaign.verify_share)
        sample = random.Random(self.campaign.seed).sample(measured, size)
        return [await self._check(measurement) for measurement in sample]

    async def _check(self, measurement: Measurement) -> Check:
        receipt = await self.perform(recompute, measurement.smiles, CONFORMER_SEED)
        again_ev = receipt.value.energy_ev if receipt.status is Status.DONE else math.nan  # Not a number agrees with nothing.
        assert measurement.energy_ev is not None
        return Check(measurement.id, measurement.smiles, measurement.effect, measurement.energy_ev, receipt.effect, again_ev)
