from __future__ import annotations

import math

import pytest

from bailiwick.charter import Monitors
from bailiwick.charter.envelopes import tallies
from bailiwick.charter.envelopes import watching as watching_module
from bailiwick.effects import Cost, EffectClass, Kind, Status
from bailiwick.errors import BadInput
from bailiwick.ids import EffectId, RunId
from tests.unit.charter.envelopes.calls import S, allows, call, do, outcome, watching

OTHER_RUN = RunId("run_00000000000b" + "1" * 20)
OTHER_AGENT = "agt_00000000000b" + "2" * 20


def test_two_in_flight_cannot_both_take_the_last_place() -> None:
    monitors = watching("at most 1 pay")
    first, second = call("pay"), call("pay")
    assert allows(monitors, first)
    assert allows(monitors, second)
    monitors.admitted(first, EffectId("eff_1"))
    assert not allows(monitors, second)


def test_what_turns_out_not_to_have_happened_makes_room_again() -> None:
    for text in ("at most 1 pay", "total usd of pay at most 5", "never pay after pay", "risk 0.5 of pay at most 0.5"):
        monitors = watching(text)
        asked = call("pay", usd=5)
        monitors.admitted(asked, EffectId("eff_1"))
        assert not allows(monitors, asked), text
        monitors.observe(asked, outcome("eff_1", status=Status.FAILED, code="bad_input"))
        assert allows(monitors, asked), text


def test_what_failed_and_may_have_happened_stays() -> None:
    monitors = watching("at most 1 pay")
    do(monitors, "eff_1", call("pay"), status=Status.FAILED, code="worker_died")
    assert not allows(monitors, call("pay"))


def test_what_is_in_flight_allows_nothing() -> None:
    monitors = watching("pay only after approve")
    monitors.admitted(call("approve"), EffectId("eff_1"))
    assert not allows(monitors, call("pay"))
    monitors.observe(call("approve"), outcome("eff_1"))
    assert allows(monitors, call("pay"))


def test_refusals_are_words_an_agent_can_use() -> None:
    monitors = watching("at most 1 pay per 1h", reason="The bank allows no more.")
    do(monitors, "eff_1", call("pay", 600))
    breach = monitors.would_break(call("pay", 1200))
    assert breach is not None
    assert breach.because == ("eff_1",)
    assert breach.until_s == 3000
    assert breach.reason == (
        "`pay` was not done: envelope `e1` keeps `at most 1 pay per 1h`, and there was 1 in the last 1 h, counting what is in flight; "
        "it can be asked for again in 50 m. The bank allows no more."
    )
    assert allows(monitors, call("pay", 600 + 3600))
    assert not allows(monitors, call("pay", 600 + 3599))


def test_what_would_be_allowed_is_said() -> None:
    monitors = watching("never send_* after web unless approve")
    do(monitors, "eff_1", call("web"))
    breach = monitors.would_break(call("send_mail"))
    assert breach is not None
    assert "eff_1 happened, or may have; it is allowed again after `approve`" in breach.reason
    do(monitors, "eff_2", call("approve"))
    assert allows(monitors, call("send_mail"))


def test_when_there_is_room_for_an_amount_is_said() -> None:
    monitors = watching("total usd of pay at most 10 per 1m")
    do(monitors, "eff_1", call("pay", 0, usd=6))
    do(monitors, "eff_2", call("pay", 20, usd=4))
    breach = monitors.would_break(call("pay", 30, usd=5))
    assert breach is not None
    assert breach.until_s == 30
    assert allows(monitors, call("pay", 60, usd=5))
    alone = monitors.would_break(call("pay", 30, usd=11))
    assert alone is not None
    assert alone.until_s is None


def test_scopes_are_watched_each_on_its_own() -> None:
    for scope, same_run, same_agent in (("run", False, True), ("agent", True, False), ("all", False, False)):
        monitors = watching("at most 1 pay", scope=scope)
        do(monitors, "eff_1", call("pay"))
        assert allows(monitors, call("pay", agent=OTHER_AGENT)) is same_run, scope
        assert allows(monitors, call("pay", run=OTHER_RUN)) is same_agent, scope


@pytest.mark.parametrize("usd", [math.nan, -1, "12", None, True, [3], 10**400, b"5"])
def test_amounts_that_cannot_be_told_break(usd: object) -> None:
    assert not allows(watching("total usd of pay at most 1000000"), call("pay", usd=usd))
    assert not allows(watching("risk usd of pay at most 1"), call("pay", usd=usd))


@pytest.mark.parametrize("usd", [math.nan, "12", None, True, [3], b"5"])
def test_conditions_that_cannot_be_evaluated_count_against_and_never_for(usd: object) -> None:
    assert not allows(watching("never pay where usd > 100"), call("pay", usd=usd))
    assert not allows(watching("never pay where not usd > 100"), call("pay", usd=usd))
    assert not allows(watching("at most 0 pay where usd > 100"), call("pay", usd=usd))
    monitors = watching("pay only after approve where usd > 1")
    do(monitors, "eff_1", call("approve", usd=usd))
    assert not allows(monitors, call("pay"))


def test_conditions_ask_what_arguments_hold() -> None:
    monitors = watching("never send where not (to like '*@example.org' and \"web\" in labels.body) and to in ['a', 'b'] and meta.size >= 2")
    assert not allows(monitors, call("send", to="a", meta={"size": 2}))
    assert allows(monitors, call("send", to="c", meta={"size": 2}))
    assert allows(monitors, call("send", to="a", meta={"size": 1}))
    labelled = watching('never send where "web" in labels')
    assert not allows(labelled, call("send", labels={"body": frozenset({"web"})}))
    assert allows(labelled, call("send", labels={"body": frozenset({"mail"})}))
    assert not allows(watching("never send where arguments.agent == 'x'"), call("send", agent="y", to="a"))


def test_a_measured_cost_that_passes_the_bound_is_told() -> None:
    monitors = watching("total cost.usd of ask_model at most 1")
    asked = call("ask_model", estimate=Cost(usd=0.5))
    assert allows(monitors, asked)
    monitors.admitted(asked, EffectId("eff_1"))
    [breach] = monitors.observe(asked, outcome("eff_1", usd=1.5))
    assert "does not hold any more" in breach.reason
    assert not allows(monitors, asked)


def test_regret_is_what_was_missed_beside_the_best_so_far() -> None:
    monitors = watching("regret of lowest value.energy of evaluate at most 3 expecting 1")
    for effect, energy in (("eff_1", -5.0), ("eff_2", -3.0)):
        assert allows(monitors, call("evaluate"))
        do(monitors, effect, call("evaluate"), value={"energy": energy})
    assert allows(monitors, call("evaluate"))
    do(monitors, "eff_3", call("evaluate"), value={"energy": -4.0})
    breach = monitors.would_break(call("evaluate"))
    assert breach is not None
    assert not breach.until_s


def test_an_answer_that_does_not_come_is_told_once_and_can_stop_the_rest() -> None:
    monitors = watching("every order followed by confirm within 10m or stop")
    assert monitors.mentions("anything")
    do(monitors, "eff_1", call("order", 0))
    assert monitors.overdue(600 * S) == []
    assert allows(monitors, call("look", 600))
    [late] = monitors.overdue(601 * S)
    assert late.because == ("eff_1",)
    assert monitors.overdue(602 * S) == []
    assert not allows(monitors, call("look", 603))
    assert allows(monitors, call("confirm", 603))
    do(monitors, "eff_2", call("confirm", 603))
    assert allows(monitors, call("look", 604))


def test_an_answer_that_comes_late_is_told_too() -> None:
    monitors = watching("every order followed by confirm within 10m")
    do(monitors, "eff_1", call("order", 0))
    do(monitors, "eff_2", call("confirm", 1_000))
    assert [breach.because for breach in monitors.overdue(1_001 * S)] == [("eff_1",)]
    assert not monitors.mentions("look")


def test_a_run_that_ends_is_forgotten_and_what_it_owes_is_told() -> None:
    monitors = watching("every order followed by confirm within 10m", "at most 1 pay")
    do(monitors, "eff_1", call("order"))
    do(monitors, "eff_2", call("pay"))
    [owed] = monitors.forget(call("pay").run)
    assert owed.because == ("eff_1",)
    assert allows(monitors, call("pay"))
    assert Monitors([]).state() is not None
    assert b"eff_" not in monitors.state()


def test_a_clock_that_goes_back_opens_no_window() -> None:
    monitors = watching("at most 1 pay per 1h")
    do(monitors, "eff_1", call("pay", 10_000))
    assert not allows(monitors, call("pay", 0))
    assert not allows(monitors, call("pay", 13_599))
    assert allows(monitors, call("pay", 13_600))


def test_names_that_look_the_same_count_against_and_not_for() -> None:
    assert not allows(watching("never pay"), call("ｐａｙ"))
    monitors = watching("pay only after approve")
    do(monitors, "eff_1", call("ａｐｐｒｏｖｅ"))
    assert not allows(monitors, call("pay"))
    assert not allows(watching("never zahlung_für_*"), call("zahlung_für_miete"))


def test_messages_and_launches_are_named_as_tools_are_and_undos_by_their_kind() -> None:
    monitors = watching("at most 0 ask Clerk.*", "never undo pay")
    assert not allows(monitors, call("Clerk.pay", kind=Kind.ASK))
    assert allows(monitors, call("Clerk.pay"))
    assert not allows(monitors, call("undo pay", kind=Kind.UNDO))
    assert allows(watching("never *"), call("undo pay", kind=Kind.UNDO))


def test_a_class_covers_every_tool_of_it() -> None:
    monitors = watching("at most 1 irreversible per 1h")
    do(monitors, "eff_1", call("pay"))
    assert not allows(monitors, call("send"))
    assert allows(monitors, call("look", effect=EffectClass.READ))


def test_what_no_envelope_speaks_of_costs_no_monitor() -> None:
    monitors = watching("at most 1 pay")
    assert not monitors.mentions("look")
    do(monitors, "eff_1", call("look"))
    assert b"watches" not in monitors.state()


def test_a_changed_envelope_is_not_restored_from_what_another_knew() -> None:
    before, after = watching("at most 1 pay"), watching("at most 2 pay", "never x")
    do(before, "eff_1", call("pay"))
    assert after.restore(before.state()) == ("e1", "e2")
    with pytest.raises(BadInput):
        after.restore(b"\xc1 no state")


def test_a_state_with_fields_of_a_later_version_is_read() -> None:
    import msgspec

    monitors = watching("at most 1 pay")
    do(monitors, "eff_1", call("pay"))
    later = msgspec.msgpack.decode(monitors.state())
    later["later"] = 1
    later["envelopes"][0]["also"] = [1]
    fresh = watching("at most 1 pay")
    assert fresh.restore(msgspec.msgpack.encode(later)) == ()
    assert not allows(fresh, call("pay"))


def test_more_in_flight_than_is_kept_apart_count_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against, that is: nothing is let through that exact books would refuse."""
    monkeypatch.setattr(tallies, "UNDECIDED", 4)
    monkeypatch.setattr("bailiwick.charter.envelopes.courses.UNDECIDED", 4)
    for text in (
        "at most 8 pay",
        "at most 8 pay per 1d",
        "total 1 of pay at most 8",
        "total 1 of pay at most 8 per 1d",
        "never done after pay",
    ):
        monitors = watching(text)
        for number in range(8):
            monitors.admitted(call("pay"), EffectId(f"eff_{number}"))
        for number in range(8):
            monitors.observe(call("pay"), outcome(f"eff_{number}", status=Status.FAILED, code="bad_input"))
        room = 0
        while allows(monitors, call("pay")) and room < 8:
            do(monitors, f"eff_more{room}", call("pay"))
            room += 1
        assert room <= 4, text


def test_more_runs_than_can_be_watched_are_let_through_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "MAX_WATCHED", 1)
    for text in ("at most 5 pay", "never pay after pay", "every pay followed by confirm within 1h"):
        monitors = watching(text)
        do(monitors, "eff_1", call("pay"))
        breach = monitors.would_break(call("pay", run=OTHER_RUN))
        assert breach is not None
        assert "wait until some end" in breach.reason


def test_memory_does_not_grow_with_the_record() -> None:
    monitors = watching(
        "never pay after web unless approve",
        "at most 50 pay per 1h",
        "total usd of pay at most 1000000 per 30s",
        "total usd of pay at most 1e12",
        "risk 1e-9 of pay at most 0.5",
        "regret of value of pay at most 1e12",
        "every pay followed by pay within 1h",
    )
    sizes: list[int] = []
    for number in range(6_000):
        do(monitors, f"eff_{number:09}", call("pay", number, usd=1), value=number % 7)
        if number % 2_000 == 1_999:
            sizes.append(len(monitors.state()))
    assert max(sizes) - min(sizes) < 64
    assert sizes[0] < 16_000
