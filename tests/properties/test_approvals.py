"""Whatever anybody says: an effect is let through only if the record shows that those who had to agreed to just this, in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from msgspec.structs import replace

from bailiwick.charter import Approval
from bailiwick.effects import Intent, Outcome, Request, Ruling, RulingVerdict, Status
from bailiwick.errors import BailiwickError
from bailiwick.gateway import Asked, action_of
from bailiwick.ids import EffectId
from bailiwick.testing import VirtualClockLoop
from tests.unit.gateway.approving import AGENT, MINUTE, Desk, approval, changed, intent
from tests.worlds import KeptLedger, records

RULES: tuple[tuple[Approval, ...], ...] = (
    (approval(),),
    (approval("ann"),),
    (approval("ann", "bob", "cid", need=2),),
    (approval("ann", "bob", need=2, hold=True, escalate_to=["cfo"]),),
    (approval("ann", within=4 * MINUTE, escalate_to=["cfo"]), approval("bob", "cid")),
    (approval(AGENT, "ann"),),
)
PEOPLE = st.sampled_from(["ada", "ann", "bob", "cid", "cfo", AGENT, "eve", ""])
EFFECTS = st.integers(1, 60)


class Waiting(RuleBasedStateMachine):
    """Approvals over a record, with people who say anything, a charter that changes, time that passes and a process that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualClockLoop()
        self.ledger = KeptLedger()
        self.charter = "c0"
        self.rules: dict[EffectId, tuple[Approval, ...]] = {}
        self.asked: dict[EffectId, Intent] = {}
        self.tasks: dict[EffectId, asyncio.Task[Intent]] = {}
        self.through: set[EffectId] = set()
        self.said: list[Ruling] = []
        self.desk = self._desk()

    def _desk(self) -> Desk:
        return Desk(self.ledger, decide=lambda asked: Asked(self.rules[asked.id], self.charter))

    def _do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def _turn(self) -> None:
        self._do(self.desk.turn())
        for effect, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[effect]
                if not task.cancelled() and task.exception() is None:
                    self._let_through(effect, task.result())
                elif not task.cancelled():
                    self._check_no(effect, task.exception())
                    self.desk.append(self.asked[effect], Outcome(id=effect, status=Status.REFUSED))
                    self.through.add(effect)

    @rule(number=EFFECTS, which=st.sampled_from(RULES), amount=st.integers(1, 2))
    def ask(self, number: int, which: tuple[Approval, ...], amount: int) -> None:
        asked = intent(number, amount=amount)
        if asked.id in self.through or asked.id in self.tasks:
            return
        self.rules.setdefault(asked.id, which)
        self.asked[asked.id] = asked
        self.tasks[asked.id] = self.loop.create_task(self.desk.approvals.cleared(asked, self.rules[asked.id], self.charter))
        self._turn()

    @precondition(lambda self: self.tasks)
    @rule(
        data=st.data(),
        meant=st.booleans(),
        verdict=st.sampled_from([*[RulingVerdict.APPROVE] * 9, *RulingVerdict]),
        lie=st.sampled_from(["", "", "", "", "action", "charter", "number", "id"]),
    )
    def say(self, data: st.DataObject, meant: bool, verdict: RulingVerdict, lie: str) -> None:
        self._say_of(data, meant, verdict, lie)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def agree(self, data: st.DataObject) -> None:
        for _ in range(2):
            if self.tasks:
                self._say_of(data, True, RulingVerdict.APPROVE, "")

    def _say_of(self, data: st.DataObject, meant: bool, verdict: RulingVerdict, lie: str) -> None:
        effect = data.draw(st.sampled_from(sorted(self.tasks)))
        if effect not in self.desk.docket.cases:
            return
        asked_for = [who for one in self.desk.docket.cases[effect].requests for who in (*one.asked, *one.escalate_to)]
        who = data.draw(st.sampled_from(asked_for) if meant else PEOPLE)
        arguments = changed(data.draw(st.integers(1, 3))) if verdict is RulingVerdict.MODIFY else b""
        said = self.desk.said(self.asked[effect], who, verdict.value, arguments=arguments)
        others = sorted(set(self.asked) - {effect})
        match lie:
            case "action":
                said = replace(said, action=action_of(replace(self.asked[effect], arguments=changed(9)), "ada"))
            case "charter":
                said = replace(said, charter="another")
            case "number":
                said = replace(said, number=said.number + data.draw(st.sampled_from([-1, 1])))
            case "id" if others:
                said = replace(said, id=data.draw(st.sampled_from(others)))
            case _:
                pass
        self._say(said)

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def say_the_same_again(self, data: st.DataObject) -> None:
        self._say(data.draw(st.sampled_from(self.said)))

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def put_it_on_record_by_hand(self, data: st.DataObject) -> None:
        """As somebody might who can write the record: what would not count must not, wherever it stands."""
        self.desk.append(replace(data.draw(st.sampled_from(self.said)), at_ns=self._now_ns()))
        self._turn()

    @precondition(lambda self: self.tasks)
    @rule(minutes=st.sampled_from([1, 1, 2, 3, 6, 12]))
    def time_passes(self, minutes: int) -> None:
        self._do(self.desk.clock.sleep(timedelta(minutes=minutes)))
        self._turn()

    @precondition(lambda self: self.tasks)
    @rule()
    def the_charter_changes(self) -> None:
        self.charter = f"c{int(self.charter[1:]) + 1}"
        self.desk.approvals.reconsider()
        self._turn()

    @precondition(lambda self: self.tasks)
    @rule(minutes=st.sampled_from([0, 0, 3, 12]), again=st.sampled_from([True, True, True, False]))
    def the_process_dies(self, minutes: int, again: bool) -> None:
        waited = list(self.tasks)
        self._stop()
        self._do(self.desk.clock.sleep(timedelta(minutes=minutes)))
        self.desk = self._desk()
        for effect in waited if again else ():
            self.tasks[effect] = self.loop.create_task(self.desk.approvals.cleared(self.asked[effect], self.rules[effect], self.charter))
        self._turn()

    def teardown(self) -> None:
        self._stop()
        self.loop.close()

    def _stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self._do(self.desk.approvals.close())
        self._do(self._ended())
        self.tasks.clear()

    async def _ended(self) -> None:
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def _say(self, said: Ruling) -> None:
        try:
            self.desk.approvals.rule(said)
        except BailiwickError:
            assert said not in records(self.ledger)[-1:]
        self.said.append(said)
        self._turn()

    def _now_ns(self) -> int:
        async def read() -> int:
            return self.desk.clock.now_ns()

        return self._do(read())

    def _let_through(self, effect: EffectId, through: Intent) -> None:
        assert effect not in self.through
        self._check(effect, through)
        self.through.add(effect)
        self.desk.act(through)

    def _check_no(self, effect: EffectId, error: BaseException | None) -> None:
        """Nobody says no but who was asked."""
        assert isinstance(error, BailiwickError), error
        who = error.facts.get("who")
        asked = {name for one in self.desk.requests() if one.id == effect for name in (*one.asked, *one.escalate_to)} - {AGENT}
        assert not isinstance(who, str) or who in asked

    def _check(self, effect: EffectId, through: Intent) -> None:
        """By the record alone, and more simply than the program does it."""
        history = records(self.ledger)
        ours = [record for record in history if isinstance(record, Request) and record.id == effect]
        number = max(one.number for one in ours)
        newest = [one for one in ours if one.number == number]
        now_ns = self._now_ns()
        said = [
            record
            for record in history[history.index(newest[0]) :]
            if isinstance(record, Ruling)
            and (record.id, record.number, record.action, record.charter) == (effect, number, newest[0].action, newest[0].charter)
        ]
        assert {one.charter for one in newest} == {self.charter}
        assert all(one.holds or not one.expires_ns or now_ns < one.expires_ns for one in newest)
        yes = {one.who for one in said if one.verdict is RulingVerdict.APPROVE}
        modified = [one for one in said if one.verdict is RulingVerdict.MODIFY and one.arguments == through.arguments]
        for one in newest:
            able = {*one.asked, *one.escalate_to} - {AGENT, ""}
            assert set(one.agreed) <= {record.who for record in history if isinstance(record, Ruling) and record.id == effect}
            by = {ruling.who for ruling in modified} | yes | set(one.agreed)
            assert len(able & by) >= one.need
        exactly = {action_of(one.intent, "ada") for one in newest}
        assert exactly == {newest[0].action}
        assert modified or action_of(through, "ada") in exactly
        so_far: set[str] = {who for one in newest for who in one.agreed}
        for ruling in said:
            if all(len({*one.asked, *one.escalate_to} & so_far) >= one.need for one in newest):
                break  # It was decided: who says no now is told that it is too late.
            no = ruling.verdict in (RulingVerdict.REJECT, RulingVerdict.TERMINATE)
            assert not (no and any(ruling.who in one.asked for one in newest) and ruling.who not in (AGENT, "")) or modified
            so_far |= {ruling.who} if ruling.verdict is RulingVerdict.APPROVE else set()


Waiting.TestCase.settings = settings(max_examples=120, stateful_step_count=50)
TestWaiting = Waiting.TestCase
