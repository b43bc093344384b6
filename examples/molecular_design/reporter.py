from __future__ import annotations
from bailiwick import Agent, action
from molecular_design.records import *
class Reporter(Agent):
    campaign: Campaign
    @action
    async def report(self, candidates: int, measured: list[Measurement], checks: list[Check], proposals: Proposals) -> Summary:
        done = sorted((m for m in measured if m.energy_ev is not None), key=lambda m: (-m.energy_ev, m.id))
        best = [Ranked(rank=i, id=m.id, smiles=m.smiles, energy_ev=m.energy_ev, fidelity=m.fidelity, effect=m.effect) for i, m in enumerate(done[:10], 1)]
        return Summary(candidates=candidates, evaluated=len(measured), best=best, failed={m.id: m.failure for m in measured if m.energy_ev is None}, checked=len(checks), disagreements=[c.id for c in checks if not c.agrees], proposals=proposals, report="x")
