"""What went into an effect, as far as the runtime sees it."""

from __future__ import annotations

from typing import Any

from bailiwick import Agent, action, tool
from bailiwick.agents.lineage import REMEMBERED, Lineage
from bailiwick.bailiff import Bailiwick
from bailiwick.ids import EffectId
from tests.worlds import KeptLedger, intents, within

A, B = EffectId("eff_a"), EffectId("eff_b")


def test_a_result_passed_on_is_a_cause_and_an_equal_value_is_not() -> None:
    lineage = Lineage()
    found = "".join(["ben", "zene"])
    lineage.obtained(A, found)
    assert lineage.causes([found], {}) == (A,)
    assert lineage.causes(["".join(["ben", "zene"])], {}) == ()


def test_a_part_of_a_result_and_a_whole_made_of_results_are_seen() -> None:
    lineage = Lineage()
    rows = [{"smiles": "".join(["C", "CO"])}, {"smiles": "".join(["C", "CC"])}]
    energy = float("7.25")
    lineage.obtained(A, rows)
    lineage.obtained(B, energy)
    assert lineage.causes([rows[1]["smiles"]], {}) == (A,)
    assert lineage.causes([{"of": rows[0], "is": energy}], {}) == (A, B)


def test_values_that_everybody_shares_are_nobodys() -> None:
    lineage = Lineage()
    for value in (None, True, 7, "", b"", ()):
        lineage.obtained(A, value)
        assert lineage.causes([value], {}) == ()


def test_only_the_newest_results_are_remembered() -> None:
    lineage = Lineage()
    values = [float(number) + 0.5 for number in range(REMEMBERED + 1)]
    for number, value in enumerate(values):
        lineage.obtained(EffectId(f"eff_{number}"), value)
    assert lineage.causes([values[0]], {}) == ()
    assert lineage.causes([values[1], values[-1]], {}) == ("eff_1", f"eff_{REMEMBERED}")


@tool(effect="pure")
async def propose() -> list[str]:
    return ["CCO", "CCC"]


@tool(effect="pure")
async def assay(smiles: str) -> float:
    return len(smiles) + 0.5


class Bench(Agent):
    @action
    async def weigh(self, value: float, samples: list[str]) -> float:
        return value


def test_causes_stand_on_the_record_of_tools_and_messages() -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> Any:
        bench = await bw.launch(Bench)
        proposed = await bw.use(propose)
        energy = await bw.use(assay, proposed[1])
        return await bench.weigh(energy, proposed)

    within(scenario, ledger)
    (first,), (second,), (third,) = intents(ledger, "propose"), intents(ledger, "assay"), intents(ledger, "Bench.weigh")
    assert first.caused_by == ()
    assert second.caused_by == (first.id,)
    assert third.caused_by == (second.id, first.id)
