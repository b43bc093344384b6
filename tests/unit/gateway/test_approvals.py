"""What waits for people is let through once they agreed: that very action, under that charter, in time, once (invariant 7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bailiwick import codec
from bailiwick.effects import EffectClass, Intent, Outcome, Ruling, Status
from bailiwick.errors import BadInput, DuplicateIntent, NotAllowed, NotFound, Refused, Rejected, Terminated
from bailiwick.gateway import Asked
from bailiwick.ids import RunId
from tests.unit.gateway.approving import AGENT, CHARTER, MINUTE, Desk, approval, at, at_a_desk, changed, intent, other_arguments
from tests.worlds import records

PAY = intent()


def test_what_needs_nobody_is_let_through_at_once_and_nothing_is_recorded() -> None:
    async def scenario(desk: Desk) -> None:
        assert await desk.ask(PAY) is PAY
        assert desk.requests() == []

    at_a_desk(scenario)


def test_the_principal_is_asked_where_the_charter_names_nobody() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        [request] = desk.requests()
        assert (request.asked, request.need, request.intent, request.principal) == (("ada",), 1, PAY, "ada")
        assert request.why == "big payments"
        ruled = desk.rule(PAY)
        assert (ruled.state, ruled.agreed, ruled.missing) == ("approved", ("ada",), 0)
        assert await task == PAY

    at_a_desk(scenario)


def test_a_no_reaches_who_asked_with_its_reason() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("bob"))
        desk.rule(PAY, "bob", "reject", why="ask me on Monday")
        with pytest.raises(Rejected, match=r"`pay` was not done: bob said no: ask me on Monday") as refusal:
            await task
        assert refusal.value.facts["who"] == "bob"
        assert refusal.value.facts["action"] == desk.requests()[0].action

    at_a_desk(scenario)


def test_two_of_three_must_agree_and_one_no_is_a_no() -> None:
    async def scenario(desk: Desk) -> None:
        two_of_three = approval("ann", "bob", "cid", need=2)
        task = await desk.parked(PAY, two_of_three)
        assert desk.rule(PAY, "ann").missing == 1
        with pytest.raises(Refused, match="ann has agreed already, and counts once"):
            desk.rule(PAY, "ann")
        desk.rule(PAY, "cid")
        assert await task == PAY
        second = intent(2)
        task = await desk.parked(second, two_of_three)
        desk.rule(second, "ann")
        desk.rule(second, "bob", "reject")
        with pytest.raises(Rejected):
            await task

    at_a_desk(scenario)


def test_every_rule_that_wants_an_approval_gets_one() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("ann", "bob"), approval("cfo"))
        assert desk.rule(PAY, "bob").state == "waiting"
        with pytest.raises(Refused, match="bob has agreed already"):
            desk.rule(PAY, "bob")
        assert desk.rule(PAY, "cfo").state == "approved"
        assert await task == PAY

    at_a_desk(scenario)


def test_nobody_in_time_is_a_no_to_the_nanosecond() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("bob", within=10 * MINUTE))
        began_ns = desk.request(PAY.id).at_ns
        with pytest.raises(Rejected, match=r"nobody decided in time \(0 of 1 agreed, asked were bob\)"):
            await task
        assert desk.clock.now_ns() - began_ns == 600_000_000_000
        with pytest.raises(Refused, match="its time is over"):
            desk.rule(PAY, "bob")

    at_a_desk(scenario)


def test_what_holds_is_asked_again_of_those_above_and_waits_on() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("ann", "bob", need=2, hold=True, escalate_to=["cfo"]))
        desk.rule(PAY, "ann")
        await desk.clock.sleep(11 * MINUTE)
        again = desk.request(PAY.id)
        assert (again.number, again.asked, again.agreed, again.expires_ns) == (2, ("ann", "bob", "cfo"), ("ann",), 0)
        await desk.clock.sleep(timedelta(days=400))
        desk.rule(PAY, "cfo")
        assert await task == PAY

    at_a_desk(scenario)


def test_those_above_may_decide_after_half_of_the_time_or_when_it_is_passed_on() -> None:
    async def scenario(desk: Desk) -> None:
        rule = approval("bob", within=10 * MINUTE, escalate_to=["cfo"])
        task = await desk.parked(PAY, rule)
        with pytest.raises(Refused, match="cfo may not decide on it yet"):
            desk.rule(PAY, "cfo")
        await desk.clock.sleep(5 * MINUTE)
        desk.rule(PAY, "cfo")
        assert await task == PAY
        second = intent(2)
        task = await desk.parked(second, rule)
        assert desk.rule(second, "bob", "escalate").state == "waiting"
        with pytest.raises(Refused, match="passed on already"):
            desk.rule(second, "bob", "escalate")
        desk.rule(second, "cfo")
        assert await task == second

    at_a_desk(scenario)


def test_nothing_is_passed_on_where_the_charter_names_nobody() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("bob"))
        with pytest.raises(Refused, match="names nobody to pass it on to"):
            desk.rule(PAY, "bob", "escalate")
        task.cancel()

    at_a_desk(scenario)


def test_a_run_that_was_ended_does_nothing_any_more() -> None:
    async def scenario(desk: Desk) -> None:
        task, beside = await desk.parked(PAY, approval()), await desk.parked(intent(2), approval())
        desk.rule(PAY, verdict="terminate", why="it has gone mad")
        for waiting in (task, beside, desk.ask(intent(3), approval()), desk.ask(intent(4))):
            with pytest.raises(Terminated, match="gone mad"):
                await waiting
        other = intent(5, run=RunId("run_0123456789ab" + "03" * 10))
        assert await desk.ask(other) == other

    at_a_desk(scenario)


def test_a_run_stays_ended_after_a_restart_until_its_end_is_on_record() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        desk.rule(PAY, verdict="terminate")
        with pytest.raises(Terminated):
            await task
        desk.append(PAY, Outcome(id=PAY.id, status=Status.REFUSED))
        async with at(desk.ledger) as later:
            with pytest.raises(Terminated):
                later.approvals.check_run(PAY.run)
            opened = replace(PAY, id=PAY.run.replace("run_", "eff_"))
            later.append(opened, Outcome(id=opened.id, status=Status.REFUSED))
            later.approvals.check_run(PAY.run)

    at_a_desk(scenario)


def test_a_person_may_want_other_arguments() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        assert desk.rule(PAY, verdict="modify", arguments=changed(3)).state == "modified"
        assert await task == other_arguments(PAY, 3)

    at_a_desk(scenario)


def test_other_arguments_are_agreed_to_by_the_others_too() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("ann", "bob", "cid", need=2))
        desk.rule(PAY, "ann")
        before = desk.said(PAY, "cid")
        desk.rule(PAY, "bob", "modify", arguments=changed(3))
        await desk.turn()
        newest = desk.request(PAY.id)
        assert (newest.number, newest.agreed, newest.intent) == (2, ("bob",), other_arguments(PAY, 3))
        assert newest.action != before.action
        with pytest.raises(Refused, match="asked anew since"):
            desk.approvals.rule(before)
        with pytest.raises(Refused, match="bob has agreed already"):
            desk.rule(PAY, "bob")
        desk.rule(PAY, "ann")
        assert await task == other_arguments(PAY, 3)

    at_a_desk(scenario)


def test_other_arguments_that_do_not_fit_or_are_denied_are_not_recorded() -> None:
    def fits(asked: Intent) -> None:
        if not isinstance(codec.decode(asked.arguments, dict[str, Any])["amount"], int):
            raise BadInput("pay: Expected `int`")

    def decide(asked: Intent) -> Asked:
        if codec.decode(asked.arguments, dict[str, Any])["amount"] > 1_000:
            raise NotAllowed("the charter denies it")
        return Asked((approval(),), CHARTER)

    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        with pytest.raises(BadInput):
            desk.rule(PAY, verdict="modify", arguments=codec.encode({"amount": "all"}))
        with pytest.raises(NotAllowed):
            desk.rule(PAY, verdict="modify", arguments=changed(1_000_000))
        with pytest.raises(Refused, match="no other arguments"):
            desk.rule(PAY, verdict="modify")
        with pytest.raises(Refused, match="takes no arguments"):
            desk.rule(PAY, arguments=changed(8))
        assert not [record for record in records(desk.ledger) if isinstance(record, Ruling)]
        task.cancel()

    at_a_desk(scenario, fits=fits, decide=decide)


def test_it_is_asked_anew_when_the_charter_changes_while_it_waits() -> None:
    now = [Asked((approval(),), CHARTER)]

    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        shown = desk.said(PAY)
        now[0] = Asked((approval("bob"),), "new")
        desk.approvals.reconsider()
        await desk.turn()
        newest = desk.request(PAY.id)
        assert (newest.number, newest.charter, newest.asked) == (2, "new", ("bob",))
        assert newest.why.endswith("the charter has changed")
        with pytest.raises(Refused, match="asked anew"):
            desk.approvals.rule(shown)
        desk.rule(PAY, "bob")
        assert await task == PAY

    at_a_desk(scenario, decide=lambda _: now[0])


def test_what_was_agreed_to_under_another_charter_is_asked_anew_and_what_it_denies_is_denied() -> None:
    now: list[Asked | NotAllowed] = [Asked((approval(),), CHARTER)]

    def decide(_: Intent) -> Asked:
        if isinstance(now[0], NotAllowed):
            raise now[0]
        return now[0]

    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        desk.rule(PAY)
        now[0] = Asked((approval(),), "new")  # After the yes, before the act.
        await desk.turn()
        assert not task.done()
        desk.rule(PAY)
        now[0] = NotAllowed("the charter denies it now")
        with pytest.raises(NotAllowed, match="denies it now"):
            await task
        second = intent(2)
        now[0] = Asked((approval(),), "new")
        task = await desk.parked(second, approval(), charter="new")
        now[0] = Asked((), "newer")
        desk.approvals.reconsider()
        assert await task == second

    at_a_desk(scenario, decide=decide)


def test_what_waits_is_found_after_a_restart_and_its_time_goes_on() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("ann", "bob", need=2))
        desk.rule(PAY, "ann")
        task.cancel()
        await desk.clock.sleep(9 * MINUTE)
        async with at(desk.ledger) as later:
            again = await later.parked(PAY, approval("ann", "bob", need=2))
            assert len(later.requests()) == 1
            later.rule(PAY, "bob")
            assert await again == PAY
        await desk.clock.sleep(2 * MINUTE)
        async with at(desk.ledger) as too_late:
            parked = await too_late.parked(PAY, approval("ann", "bob", need=2))
            assert too_late.request(PAY.id).why.endswith("not begun in time")
            parked.cancel()

    at_a_desk(scenario)


def test_what_nobody_agreed_to_while_nothing_ran_is_rejected_on_resume() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("bob"))
        task.cancel()
        await desk.clock.sleep(11 * MINUTE)
        async with at(desk.ledger) as later:
            with pytest.raises(Rejected, match="in time"):
                await later.ask(PAY, approval("bob"))

    at_a_desk(scenario)


def test_a_run_whose_code_asks_for_something_else_after_a_restart_asks_anew() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        task.cancel()
        desk.rule(PAY)
        async with at(desk.ledger) as later:
            parked = await later.parked(other_arguments(PAY, 8), approval())
            assert later.request(PAY.id).number == 2
            parked.cancel()

    at_a_desk(scenario)


def test_changed_arguments_are_acted_on_after_a_restart_too() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval("ann", "bob", need=2))
        desk.rule(PAY, "ann", "modify", arguments=changed(3))
        await desk.turn()
        task.cancel()
        async with at(desk.ledger) as later:
            again = await later.parked(PAY, approval("ann", "bob", need=2))
            later.rule(PAY, "bob")
            assert await again == other_arguments(PAY, 3)

    at_a_desk(scenario)


def test_an_effect_is_let_through_once() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        with pytest.raises(DuplicateIntent):
            await desk.ask(PAY, approval())
        said = desk.said(PAY)
        desk.approvals.rule(said)
        assert await task == PAY
        for _ in range(2):  # Before the intent is on record, and after.
            with pytest.raises((Refused, NotFound)):
                desk.approvals.rule(said)
            desk.act(PAY) if PAY.id in desk.docket.cases else None
        assert desk.docket.idle

    at_a_desk(scenario)


def test_several_are_decided_on_at_once_only_if_each_can_be_taken_back() -> None:
    async def scenario(desk: Desk) -> None:
        some = [intent(number, effect=EffectClass.COMPENSABLE) for number in range(2, 5)]
        tasks = [await desk.parked(each, approval()) for each in (PAY, *some)]
        with pytest.raises(Refused, match="cannot be taken back"):
            desk.approvals.rule_many([desk.said(each) for each in (*some, PAY)])
        assert not any(case.rulings for case in desk.docket.cases.values())
        with pytest.raises(Refused, match="named twice"):
            desk.approvals.rule_many([desk.said(some[0]), desk.said(some[0])])
        with pytest.raises(Refused, match="too many"):
            desk.approvals.rule_many([desk.said(some[0])] * 21)
        assert [ruled.state for ruled in desk.approvals.rule_many([desk.said(each) for each in some])] == ["approved"] * 3
        assert [await task for task in tasks[1:]] == some
        desk.approvals.rule_many([desk.said(PAY, verdict="reject")])
        with pytest.raises(Rejected):
            await tasks[0]

    at_a_desk(scenario)


def test_who_cannot_be_asked_is_not_waited_for() -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(Rejected, match="2 have to agree, and the charter names 1 who could"):
            await desk.ask(PAY, approval("bob", need=2))
        with pytest.raises(Rejected, match="names 0"):
            await desk.ask(PAY, approval(AGENT))
        assert desk.requests() == []

    at_a_desk(scenario)
