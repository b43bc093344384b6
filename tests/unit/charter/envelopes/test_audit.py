from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bailiwick.charter import SafetyEnvelope, audit, needs_labels
from bailiwick.cli.audit import audit as command
from bailiwick.effects import Kind, Record, Status
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing import run
from tests.unit.charter.envelopes.calls import call, intent, outcome

LEAK = SafetyEnvelope(name="leak", property="never send after web", reason="What the web says stays here.")
RECORD: list[Record] = [
    intent("eff_1", call("web", 1)),
    outcome("eff_1", 2),
    intent("eff_2", call("send", 3)),
    outcome("eff_2", 4),
    intent("eff_3", call("send", 5)),
    outcome("eff_3", 5, status=Status.REFUSED),
]


def numbered(records: list[Record]) -> list[tuple[int, Record]]:
    return list(enumerate(records, 1))


def test_an_audit_names_the_entry_and_the_effect() -> None:
    [violation] = audit(numbered(RECORD), [LEAK])
    assert (violation.seq, violation.effect, violation.envelope, violation.because) == (3, "eff_2", "leak", ("eff_1",))
    assert violation.words.startswith("`send` should not have been done: envelope `leak` keeps `never send after web`")
    assert violation.words.endswith("What the web says stays here.")


def test_what_was_refused_is_held_against_nobody() -> None:
    assert audit(numbered([RECORD[0], RECORD[1], *RECORD[4:]]), [LEAK]) == []


def test_a_late_answer_is_found_where_the_record_shows_it() -> None:
    envelope = SafetyEnvelope(name="answer", property="every web followed by note within 1m")
    [violation] = audit(numbered([*RECORD[:2], intent("eff_4", call("look", 100))]), [envelope])
    assert (violation.seq, violation.effect) == (3, "eff_1")


def test_an_answer_that_the_end_of_the_run_cut_off_is_found() -> None:
    envelope = SafetyEnvelope(name="answer", property="every web followed by note within 1h")
    root = intent("eff_0", call("campaign", kind=Kind.RUN))
    [violation] = audit(numbered([root, *RECORD[:2], outcome("eff_0", 9)]), [envelope])
    assert (violation.seq, violation.effect) == (4, "eff_1")


def test_erased_arguments_cannot_be_evaluated_and_count_so() -> None:
    erased = replace(intent("eff_1", call("pay", usd=1)), arguments=b"")
    assert len(audit([(1, erased)], [SafetyEnvelope(name="spend", property="total usd of pay at most 100")])) == 1


def test_envelopes_over_labels_are_known() -> None:
    assert needs_labels(SafetyEnvelope(name="a", property='never send where "web" in labels.to after x'))
    assert not needs_labels(LEAK)


def test_the_command_says_what_was_left_and_leaves_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bailiwick.errors import NotAllowed

    async def write() -> None:
        ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
        ledger.append(*RECORD[:4])
        await ledger.barrier()
        await ledger.close()

    run(write())
    charter = tmp_path / "charter.toml"
    charter.write_text('[[envelopes]]\nname = "leak"\nproperty = "never send after web"\n', encoding="utf-8")
    with pytest.raises(NotAllowed, match="leaves 1 of 1 envelopes"):
        command.main([str(tmp_path / "ledger.sqlite"), "--charter", str(charter)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "3  eff_2  `send` should not have been done" in shown
    assert "4 entries: `leak` is left 1 times" in shown
    charter.write_text('[[envelopes]]\nname = "ok"\nproperty = "at most 5 send"\n', encoding="utf-8")
    command.main([str(tmp_path), "--charter", str(charter), "--json"], standalone_mode=False)
    assert '"holds": true' in capsys.readouterr().out
