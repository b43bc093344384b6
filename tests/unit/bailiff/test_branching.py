"""One decision changed: what follows is another story, on a branch, and the record it left stays what it was."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Bailiwick, tool
from bailiwick.bailiff import Branched, branch_named, branches, fork, go_live, read_assumption, read_change, remove, simulate
from bailiwick.charter import Charter, Rule
from bailiwick.clock import SystemClock
from bailiwick.codec import decode, encode, to_json
from bailiwick.effects import Fidelity, IdempotencyKey, Kind, Outcome, Settler, fold
from bailiwick.errors import BadInput, NotFound, Refused
from bailiwick.ledger import verify
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing import run
from tests.unit.bailiff.forks import acts, campaign, recorded, recording, settings
from tests.worlds import KeptLedger, bare_world

keys: list[str] = []


@tool(effect="idempotent")
async def order(text: str, key: IdempotencyKey) -> str:
    keys.append(key)
    await asyncio.sleep(0)
    return f"ordered {text}"


@tool(effect="read")
async def judge(text: str) -> str:
    acts["judge"] += 1
    return "yes"


@tool
async def pay(amount: int) -> int:
    """Irreversible."""
    acts["pay"] += 1
    await asyncio.sleep(1)
    return amount


PAYING = Charter(allow=(Rule(),))


async def shop(bw: Bailiwick) -> list[str]:
    said = [await bw.use(judge, "a"), await bw.use(order, "a")]
    if await bw.use(judge, "b") == "yes":
        said.append(await bw.use(order, "b"))
    else:
        said.append(await bw.use(order, "c"))
    said.append(await bw.use(order, "d"))
    return said


def decisions(ledger: KeptLedger, tool: str = "decide") -> list[Any]:
    return [effect for effect in recording(ledger).effects.values() if effect.intent.tool == tool]


def simulated(ledger: KeptLedger, main: Any, *changes: str, seals_until: int | None = None, assume: tuple[str, ...] = ()) -> Branched:
    found = recording(ledger)
    read = [read_change(found, change) for change in changes]
    branch = fork(found, read, seals_until=seals_until, live=False, who="ada", at_ns=1)
    return simulate(settings(), found, main, branch, dict(map(read_assumption, assume)), anew=seals_until is None)


def test_a_change_to_what_it_was_changes_nothing() -> None:
    """Whichever decision: the whole rest of the run, simulated, is what it was. So whatever differs comes from the change."""
    ledger, _ = recorded(campaign, 3)
    for effect in (effect for effect in recording(ledger).effects.values() if effect.intent.kind is Kind.TOOL):
        if effect.outcome is None or not effect.outcome.value:
            continue
        before = dict(acts)
        same = to_json(decode(effect.outcome.value))
        branched = simulated(ledger, campaign, f"{effect.intent.run}:{effect.intent.position}={same}")
        assert [part.what for part in branched.parts] == ["changed"], (effect.intent.tool, branched.parts, branched.why)
        assert branched.outcome is not None
        assert branched.then is not None
        assert branched.outcome.value == branched.then.value
        assert acts == before


def test_a_changed_decision_leads_elsewhere_and_no_tool_that_acts_acts() -> None:
    ledger, value = recorded(campaign, 3)
    head = ledger.head()
    second = decisions(ledger)[1].intent
    before = dict(acts)
    way = "up" if decode(decisions(ledger)[1].outcome.value) == "down" else "down"
    branched = simulated(ledger, campaign, f'{second.run}:4="{way}"', assume=("publish=1",))
    assert branched.outcome is not None
    now = decode(branched.outcome.value)
    assert now["best"][0] == value["best"][0]
    assert now["best"][1] != value["best"][1]
    assert branched.parts[0].what == "changed"
    assert any(part.what == "other question" and "publish" in part.now for part in branched.parts)
    assert branched.parts[-1].position == ""
    assert acts == before
    assert ledger.head() == head


def test_what_nobody_can_know_ends_the_simulation_and_says_so() -> None:
    ledger, _ = recorded(campaign, 2)
    first = decisions(ledger)[0].intent
    way = "up" if decode(decisions(ledger)[0].outcome.value) == "down" else "down"
    branched = simulated(ledger, campaign, f'{first.run}:4="{way}"')
    assert branched.outcome is None
    assert "publish" in branched.why
    assert "--assume publish=VALUE" in branched.why
    assert "--live" in branched.why


def test_the_same_question_elsewhere_gets_the_same_answer_and_reading_is_real() -> None:
    acts.clear()

    async def main(bw: Bailiwick) -> list[str]:
        first = await bw.use(judge, "a")
        if first == "no":
            return [await bw.use(judge, "new"), await bw.use(order, "x")]
        return [await bw.use(order, "x")]

    ledger, _ = recorded(main)
    branched = simulated(ledger, main, '1="no"')
    assert branched.outcome is not None
    assert decode(branched.outcome.value) == ["yes", "ordered x"]
    assert acts["judge"] == 2  # The question that is new was really asked.


@pytest.mark.parametrize("anew", [True, False])
def test_simulated_outcomes_say_that_they_are_and_changed_ones_by_whom(anew: bool) -> None:
    ledger, _ = recorded(shop)
    found = recording(ledger)
    branch = fork(found, [read_change(found, '3="no"')], seals_until=None, live=False, who="ada", at_ns=1)
    seen: dict[str, Outcome] = {}

    async def main(bw: Bailiwick) -> list[str]:
        said = await shop(bw)
        for key, effect in found.effects.items():
            past = bw._ledger.find(key)  # type: ignore[attr-defined]
            if past is not None and past.outcome is not None:
                seen[effect.intent.position] = past.outcome
        return said

    simulate(settings(), found, main, branch, {"order": encode("assumed")}, anew=anew)
    assert seen["3"].settlement is not None
    assert (seen["3"].settlement.by, seen["3"].settlement.who) == (Settler.PERSON, "ada")
    assert [seen[position].fidelity for position in "234"] == [Fidelity.EXACT, Fidelity.SIMULATED, Fidelity.SIMULATED]


def test_what_is_open_where_the_branch_leaves_is_looked_up_never_in_doubt() -> None:
    """Two payments and a decision are under way at once; the decision is changed while both payments have no outcome yet."""

    async def main(bw: Bailiwick) -> list[Any]:
        return list(await asyncio.gather(bw.use(pay, 1), bw.use(judge, "a"), bw.use(pay, 2)))

    ledger = KeptLedger()

    async def whole() -> None:
        async with bare_world(ledger, charter=PAYING) as bw:
            await bw.run(main, name="campaign")

    run(whole())
    found = recording(ledger)
    judged = next(effect for effect in found.effects.values() if effect.intent.tool == "judge")
    assert all(effect.outcome_seq > judged.outcome_seq for effect in found.effects.values() if effect.intent.tool == "pay")
    branch = fork(found, [read_change(found, f'{judged.intent.position}="no"')], seals_until=None, live=False, who="", at_ns=1)
    before = acts["pay"]
    branched = simulate(settings(charter=PAYING), found, main, branch)
    assert branched.outcome is not None, branched.why
    assert decode(branched.outcome.value) == [1, "no", 2]
    assert acts["pay"] == before


def test_bad_changes_are_refused_in_words(tmp_path: Path) -> None:
    ledger, _ = recorded(campaign, 1)
    found = recording(ledger)
    think = next(effect.intent for effect in found.effects.values() if effect.intent.tool == "Thinker.think")
    first = decisions(ledger)[0].intent
    for text, error, words in (
        ("3", BadInput, "POSITION=VALUE"),
        ("=3", BadInput, "POSITION=VALUE"),
        ("77=3", NotFound, "no effect at position 77; it has 1, 2"),
        (f"{think.position}=3", Refused, "an ask"),
        ("1=3", Refused, "a launch"),
        (f"{first.run}:4=7", BadInput, "`decide` could not return 7"),
        (f"{first.run}:4=down", BadInput, "quotation marks"),
    ):
        with pytest.raises(error, match=words):
            read_change(found, text)
    with pytest.raises(BadInput, match="TOOL=VALUE"):
        read_assumption("publish")
    with pytest.raises(NotFound, match="never sealed"):
        found.seal_at("agt_1")
    with pytest.raises(BadInput, match="`start`"):
        found.seal_at("somewhere")
    with pytest.raises(NotFound, match="branches"):
        branch_named(settings(home=str(tmp_path)), "brn_" + "0" * 32)
    with pytest.raises(BadInput, match="brn_"):
        branch_named(settings(home=str(tmp_path)), "../ledger")


def test_agents_go_on_from_older_seals_if_told_to() -> None:
    ledger, _ = recorded(campaign, 3)
    found = recording(ledger)
    last = decisions(ledger)[2].intent
    same = f'{last.run}:4="{decode(decisions(ledger)[2].outcome.value)}"'
    for seal in (0, found.seals[0][0], found.seals[-1][0], found.seal_at(found.seals[0][1].agent)):
        branched = simulated(ledger, campaign, same, seals_until=seal)
        assert [part.what for part in branched.parts] == ["changed"]


def live(home: Path, ledger: KeptLedger, main: Any, *changes: str) -> Branched:
    found = recording(ledger)
    branch = fork(found, [read_change(found, change) for change in changes], seals_until=None, live=True, who="ada", at_ns=1_000_000)
    return asyncio.run(go_live(settings(home=str(home)), found, main, branch, SystemClock()))


def test_a_live_branch_really_acts_under_keys_of_its_own_and_is_kept(tmp_path: Path) -> None:
    keys.clear()
    ledger, _ = recorded(shop)
    head, old = ledger.head(), list(keys)
    branched = live(tmp_path, ledger, shop, '3="no"')
    assert branched.outcome is not None
    assert decode(branched.outcome.value) == ["yes", "ordered a", "ordered c", "ordered d"]
    assert len(keys) == len(old) + 2  # c and d; a is of the past they share.
    assert len(set(keys)) == len(keys)
    assert ledger.head() == head
    ((kept, state),) = branches(settings(home=str(tmp_path)))
    assert (kept, state) == (branched.branch, "done")
    assert kept.base_hash == list(ledger.entries())[kept.base_seq - 1].hash
    with pytest.raises(NotFound):
        asyncio.run(remove(settings(home=str(tmp_path)), "brn_" + "0" * 32))
    asyncio.run(remove(settings(home=str(tmp_path)), kept.id))
    assert branches(settings(home=str(tmp_path))) == []


def test_the_record_of_a_branch_is_chained_and_names_the_head_it_left(tmp_path: Path) -> None:
    ledger, _ = recorded(shop)
    branched = live(tmp_path, ledger, shop, '3="no"')
    own = SqliteLedger.open(tmp_path / "branches" / branched.branch.id / "ledger.sqlite", read_only=True)
    assert verify(own.entries()) == own.head()
    assert verify(entry for entry in ledger.entries() if entry.seq <= branched.branch.base_seq).hash == branched.branch.base_hash
    effects = fold((entry.seq, entry.record) for entry in own.entries())
    tools = [effect for effect in effects.values() if effect.intent.kind is Kind.TOOL and effect.intent.tool == "order"]
    assert [effect.intent.idempotency_key in keys for effect in tools] == [True, True]
    assert all(effect.intent.key not in ("", effect.intent.id) for effect in tools)


def test_a_live_branch_that_was_cut_off_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    ledger, _ = recorded(shop)
    found = recording(ledger)
    keys.clear()
    stopped = True

    async def main(bw: Bailiwick) -> list[str]:
        said = [await bw.use(judge, "a"), await bw.use(order, "a")]
        said.append(await bw.use(order, "b" if await bw.use(judge, "b") == "yes" else "c"))
        if stopped:
            raise asyncio.CancelledError
        said.append(await bw.use(order, "d"))
        return said

    branch = fork(found, [read_change(found, '3="no"')], seals_until=None, live=True, who="ada", at_ns=1_000_000)
    place = settings(home=str(tmp_path))
    with suppress(asyncio.CancelledError):
        asyncio.run(go_live(place, found, main, branch, SystemClock()))
    assert branches(place)[0][1] == "open"
    stopped = False
    again = asyncio.run(go_live(place, found, main, branch_named(place, branch.id), SystemClock()))
    assert again.outcome is not None
    assert decode(again.outcome.value) == ["yes", "ordered a", "ordered c", "ordered d"]
    assert len(keys) == len(set(keys)) == 2


def test_a_live_branch_obeys_the_charter(tmp_path: Path) -> None:
    async def main(bw: Bailiwick) -> str:
        if await bw.use(judge, "a") == "yes":
            return "nothing"
        return (await bw.perform(pay, 5)).status.value

    ledger, _ = recorded(main)
    before = acts["pay"]
    branched = live(tmp_path, ledger, main, '1="no"')
    assert branched.outcome is not None
    assert decode(branched.outcome.value) == "refused"
    assert acts["pay"] == before
