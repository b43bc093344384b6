"""What somebody tries who wants an effect let through that nobody agreed to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from bailiwick import codec
from bailiwick.effects import EffectClass, Intent, Request, Ruling
from bailiwick.errors import BadInput, NotFound, Refused, Rejected
from bailiwick.gateway import Docket, action_of, planned
from bailiwick.ids import AgentId, RunId
from bailiwick.ledger.payload import join
from bailiwick.testing import run
from tests.unit.gateway.approving import AGENT, CHARTER, MINUTE, Desk, approval, at, changed, intent, other_arguments
from tests.worlds import copy_of, records

PAY = intent(1)


def test_a_yes_to_one_is_no_yes_to_another_that_asks_for_the_same() -> None:
    """Two calls of one run with the same arguments have the same hash. Each is agreed to by itself."""

    async def whole() -> None:
        async with at() as desk:
            twice = intent(2)
            first, second = await desk.parked(PAY, approval()), await desk.parked(twice, approval())
            said = desk.said(PAY)
            assert said.action == desk.said(twice).action
            desk.approvals.rule(said)
            assert await first == PAY
            await desk.turn()
            assert not second.done()
            second.cancel()

    run(whole())


@pytest.mark.parametrize(
    "other",
    [
        other_arguments(PAY, 8),
        replace(PAY, tool="pay_all"),
        replace(PAY, effect=EffectClass.READ),
        replace(PAY, agent=AgentId("agt_0123456789ab" + "07" * 10)),
        replace(PAY, run=RunId("run_0123456789ab" + "07" * 10)),
        replace(PAY, target=AgentId("agt_0123456789ab" + "08" * 10)),
        replace(PAY, arguments=codec.encode({"amount": 7.0})),
        replace(PAY, arguments=codec.encode({"amount": "7"})),
        replace(PAY, arguments=codec.encode({"amount": 7, "amoυnt": 700})),
        replace(PAY, tool="раy"),
    ],
)
def test_whatever_differs_is_another_action_also_after_a_restart(other: Intent) -> None:
    assert action_of(other, "ada") != action_of(PAY, "ada")

    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            desk.rule(PAY)
            task.cancel()
            async with at(desk.ledger) as later:
                asked = replace(other, id=PAY.id)
                waits = await later.parked(asked, approval())
                assert later.request(PAY.id).number == 2
                waits.cancel()

    run(whole())


def test_somebody_else_s_principal_is_another_action() -> None:
    assert action_of(PAY, "ada") != action_of(PAY, "bob")


def test_arguments_that_change_after_they_were_shown_are_not_agreed_to() -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            shown = desk.said(PAY)
            task.cancel()
            await desk.turn()
            again = await desk.parked(other_arguments(PAY, 7_000), approval())  # The same place in the run, other arguments.
            with pytest.raises(Refused, match="look at it again"):
                desk.approvals.rule(shown)
            again.cancel()

    run(whole())


@pytest.mark.parametrize("who", [AGENT, PAY.run, "", "Ada", "ada ", "аda", "eve", "cfo"])
def test_nobody_decides_but_who_was_asked_and_never_who_asks(who: str) -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval("ada", AGENT, escalate_to=["cfo"]))
            for verdict in ("approve", "reject", "terminate", "escalate"):
                with pytest.raises(Refused, match="nothing was recorded"):
                    desk.rule(PAY, who, verdict)
            with pytest.raises(Refused):
                desk.rule(PAY, who, "modify", arguments=changed(0))
            await desk.turn()
            assert not task.done()
            task.cancel()

    run(whole())


def test_an_agent_that_is_asked_counts_for_nobody() -> None:
    async def whole() -> None:
        async with at() as desk:
            with pytest.raises(Rejected, match="names 1 who could"):
                await desk.ask(PAY, approval(AGENT, "bob", need=2))

    run(whole())


def test_a_ruling_counts_once_however_often_it_comes_and_wherever_it_stands() -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval("ann", "bob", need=2))
            said = desk.said(PAY, "ann")
            desk.approvals.rule(said)
            for _ in range(3):
                with pytest.raises(Refused, match="counts once"):
                    desk.approvals.rule(said)
                desk.append(replace(said, at_ns=desk.clock.now_ns()))  # On the record itself, as by another process.
            await desk.turn()
            assert not task.done()
            task.cancel()
            read_again = Docket()
            for entry in desk.ledger.entries():
                read_again.note(entry.seq, entry.record)
            assert read_again.cases[PAY.id].agreed(desk.request(PAY.id)) == ("ann",)

    run(whole())


def test_a_ruling_of_an_earlier_asking_does_not_count_for_a_later_one() -> None:
    """Also where action and charter are the same: the first yes was not used in time."""

    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval("ann"))
            said = desk.said(PAY, "ann")
            desk.approvals.rule(said)
            task.cancel()
            await desk.clock.sleep(11 * MINUTE)
            async with at(desk.ledger) as later:
                again = await later.parked(PAY, approval("ann"))
                assert (later.request(PAY.id).action, later.request(PAY.id).number) == (said.action, 2)
                with pytest.raises(Refused, match="asked anew"):
                    later.approvals.rule(said)
                later.append(replace(said, at_ns=later.clock.now_ns()))
                await later.turn()
                assert not again.done()
                again.cancel()

    run(whole())


def test_what_was_let_through_is_not_let_through_again() -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            said = desk.said(PAY)
            desk.approvals.rule(said)
            assert await task == PAY
            again = await desk.parked(PAY, approval())  # As a gateway would that lost its way: the yes is used up.
            assert desk.request(PAY.id).number == 2
            again.cancel()
            desk.act(PAY)
            with pytest.raises(NotFound):
                desk.approvals.rule(said)

    run(whole())


def test_a_crash_at_any_moment_lets_nothing_through_that_nobody_agreed_to() -> None:
    """The record is cut after every entry. With the second yes on it, and not before, the effect goes on."""

    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval("ann", "bob", need=2))
            desk.rule(PAY, "ann")
            desk.rule(PAY, "bob")
            desk.act(await task)
            whole_record = records(desk.ledger)
            for first in range(len(whole_record) + 1):
                left = copy_of(desk.ledger, first=first)
                if first > 3:
                    assert left.find(PAY.id) is not None  # On record: the gateway does not ask.
                    continue
                async with at(left) as later:
                    waits = later.ask(PAY, approval("ann", "bob", need=2))
                    await later.turn()
                    assert waits.done() == (first == 3)
                    waits.cancel()

    run(whole())


def test_what_was_erased_cannot_be_agreed_to() -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            [entry] = desk.ledger.entries()
            bare = join(entry.body, b"")
            assert isinstance(bare, Request)
            assert bare.intent.arguments == b""
            task.cancel()
            erased = Desk()
            erased.append(bare)
            with pytest.raises(Refused, match="cannot be read"):
                erased.rule(PAY)
            erased.rule(PAY, verdict="reject")

    run(whole())


def test_a_record_that_shows_one_thing_and_asks_for_another_cannot_be_agreed_to() -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            [request] = desk.requests()
            task.cancel()
            forged = Desk()
            forged.append(replace(request, intent=other_arguments(PAY, 1)))  # Harmless to look at; the hash is that of the other.
            with pytest.raises(Refused, match="cannot be read"):
                forged.rule(PAY)

    run(whole())


def test_who_agrees_in_the_last_nanosecond_agrees_and_nobody_after() -> None:
    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval(within=10 * MINUTE))
            await desk.clock.sleep(10 * MINUTE - timedelta(microseconds=1))
            desk.rule(PAY)
            assert await task == PAY
            second = intent(2)
            task = await desk.parked(second, approval(within=10 * MINUTE))
            said = desk.said(second)
            await desk.clock.sleep(10 * MINUTE)
            with pytest.raises(Rejected):
                await task
            desk.append(replace(said, at_ns=desk.clock.now_ns()))
            async with at(desk.ledger) as later:
                with pytest.raises(Rejected, match="in time"):
                    await later.ask(second, approval(within=10 * MINUTE))

    run(whole())


def test_a_time_that_is_no_time_does_not_let_anything_wait() -> None:
    async def whole() -> None:
        async with at() as desk:
            for number, seconds in enumerate((0.0, -1.0, float("nan")), 1):
                with pytest.raises(Rejected, match="in time"):
                    await desk.ask(intent(number), replace(approval(), within_s=seconds))
            task = await desk.parked(intent(9), replace(approval(), within_s=float("inf")))
            assert desk.request(intent(9).id).expires_ns == 2**63 - 1
            task.cancel()

    run(whole())


def test_a_plan_that_an_agent_wrote_badly_covers_nothing() -> None:
    plan = (
        replace(planned("pay"), given=b"\xc1"),
        replace(planned("pay"), given=codec.encode([1])),
        planned("pay", amount=[7]),  # Not exact: what cannot be taken back is asked for again.
        planned("pay", times=0, exactly=PAY.arguments),
        planned("pay", times=-1, exactly=PAY.arguments),
    )

    async def whole() -> None:
        async with at() as desk:
            opening = intent(5, tool="plan", effect=EffectClass.PURE)
            task = asyncio.ensure_future(desk.approvals.cleared(opening, [approval()], CHARTER, plan=plan))
            await desk.turn()
            desk.rule(opening)
            desk.act(await task)
            assert not desk.approvals.covered(PAY, [approval()], CHARTER)
            assert not desk.approvals.covered(replace(PAY, effect=EffectClass.COMPENSABLE, arguments=b""), [], CHARTER)

    run(whole())


def test_other_arguments_that_do_not_fit_are_found_out_after_a_restart_too() -> None:
    """A person changed them while nothing ran, and nobody could check."""

    def fits(asked: Intent) -> None:
        if asked.arguments == changed(3):
            raise BadInput("pay: too little")

    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            desk.rule(PAY, verdict="modify", arguments=changed(3))
            task.cancel()
            async with at(desk.ledger, fits=fits) as later:
                again = await later.parked(PAY, approval())
                newest = later.request(PAY.id)
                assert (newest.number, newest.intent) == (2, PAY)
                assert newest.why.endswith("ada wanted other arguments: pay: too little")
                again.cancel()

    run(whole())


def test_flooding_does_not_make_anybody_decide_in_bulk() -> None:
    async def whole() -> None:
        async with at() as desk:
            many = [intent(number, effect=EffectClass.IDEMPOTENT) for number in range(1, 200)]
            tasks = [desk.ask(each, approval()) for each in many]
            await desk.turn()
            rulings: list[Ruling] = [desk.said(each) for each in many]
            with pytest.raises(Refused, match="too many at once"):
                desk.approvals.rule_many(rulings)
            assert not any(task.done() for task in tasks)
            for task in tasks:
                task.cancel()

    run(whole())


@pytest.mark.parametrize("arguments", [b"\xc1", b"\x93\x01\x02\x03", codec.encode("7"), b"\x81\x07\x07", changed(7)[:-1]])
def test_bytes_that_are_no_arguments_are_not_taken_for_other_arguments(arguments: bytes) -> None:
    def takes_no_seven(asked: Intent) -> None:
        raise BadInput("pay: no")

    async def whole() -> None:
        async with at() as desk:
            task = await desk.parked(PAY, approval())
            with pytest.raises(BadInput):
                desk.rule(PAY, verdict="modify", arguments=arguments)
            second = intent(2)
            other = asyncio.ensure_future(desk.approvals.cleared(second, [approval()], CHARTER, fits=takes_no_seven))
            await desk.turn()
            with pytest.raises(BadInput, match="pay: no"):
                desk.rule(second, verdict="modify", arguments=changed(7))
            assert not [record for record in records(desk.ledger) if isinstance(record, Ruling)]
            task.cancel()
            other.cancel()

    run(whole())
