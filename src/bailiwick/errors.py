"""Every error Bailiwick raises, sorted by one question: *did it happen, and may I try again?*

::

    BailiwickError
    ├── Refused             it did not happen; asked the same way, it will be refused again
    │   ├── BadInput            arguments, a file, an option or a setting is not what was promised
    │   ├── NotAllowed          the charter says no
    │   │   ├── LeavesEnvelope      after it, a property would not hold that the charter keeps
    │   │   └── Rejected            who was asked said no, or nobody answered in time
    │   │       └── Terminated          and the run that asked does nothing any more
    │   ├── NotGranted          the grant does not cover it, is not this agent's, has expired or is used up
    │   │   └── Revoked             the grant was taken back
    │   ├── OverBudget          the purse cannot cover it
    │   ├── NoSuchAgent         nobody answers at that address
    │   ├── NoSuchAction        the agent is there and has no action of that name
    │   ├── NotFound            no effect, run or file of that name
    │   ├── Conflict            taking it back would lose a later change
    │   └── EndOfRecord         a replay asks what is not on record
    ├── Unavailable         it did not happen; it may after ``retry_after_s``
    │   ├── LedgerUnavailable   the record cannot be written (disk full, read-only, in use elsewhere)
    │   ├── Fenced              another incarnation writes the record in this one's place
    │   ├── MailboxFull         the receiver has as much mail as it will hold
    │   ├── Paced               a limit on pace leaves no room for it now
    │   └── Stopping            this host is shutting down
    ├── Failed              it happened, badly
    │   ├── ActionFailed        an agent's action raised an exception whose type is not known here
    │   ├── ToolFailed          a tool raised an exception whose type is not known here
    │   └── WorkerDied          the process that ran the tool ended before it answered
    ├── Unsettled           nobody knows whether it happened; it must be reconciled
    │   ├── InDoubt             an intent without an outcome that may not be repeated
    │   ├── DeadlineExceeded    the time allowed for an answer passed
    │   └── CompensationFailed  what was done could not be taken back, and stands
    └── Defect              the program is wrong; stop
        ├── ReplayDiverged      code asks something else than the record holds at this position
        ├── DuplicateIntent     an effect with this id is on record already
        ├── CorruptLedger       the record was edited, torn or is not a ledger
        └── Unencodable         a value cannot cross the wire

Each class has a stable ``code``; each instance carries keyword facts that travel with it across processes.
"""

from __future__ import annotations

from typing import Any, ClassVar


class BailiwickError(Exception):
    """The root. ``message`` says what happened and what to do; ``facts`` holds the same for programs."""

    code: ClassVar[str] = "bailiwick"
    exit_code: ClassVar[int] = 1
    """What a command returns to the shell when it ends with this error; one number for each of the five families."""
    leaves_open: ClassVar[bool] = False
    """Raised while an effect is acted on, it does not end the effect: no outcome is recorded, and a later resume goes on from there."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class Refused(BailiwickError):
    """It did not happen, and asked the same way it will be refused again."""

    code = "refused"
    exit_code = 3


class Unavailable(BailiwickError):
    """It did not happen, but may if asked again after ``retry_after_s`` seconds (absent: when the cause is gone)."""

    code = "unavailable"
    exit_code = 4


class Failed(BailiwickError):
    """It happened, and went wrong."""

    code = "failed"
    exit_code = 5


class Unsettled(BailiwickError):
    """Nobody knows whether it happened. Never repeated silently, never forgotten."""

    code = "unsettled"
    exit_code = 6


class Defect(BailiwickError):
    """The program, ours or the user's, is wrong. Going on would harm the record."""

    code = "defect"
    exit_code = 7
    leaves_open = True


class BadInput(Refused):
    """An argument, option, file or setting is not what was promised. Nothing was started."""

    code = "bad_input"


class NotAllowed(Refused):
    """The charter says no. Facts: ``rule``, ``tool``, ``effect``, ``allowed`` (what would be)."""

    code = "not_allowed"


class LeavesEnvelope(NotAllowed):
    """A property over time would not hold any more after this effect. Facts: ``envelope``, ``property``, ``tool``, ``because`` (the
    effects that count), and ``until_s`` where waiting helps."""

    code = "leaves_envelope"


class Rejected(NotAllowed):
    """Those who were asked did not agree. Facts: ``effect``, ``who``, ``why``, ``action`` (the hash of what was asked)."""

    code = "rejected"


class Terminated(Rejected):
    """A person ended the run that asked."""

    code = "terminated"


class NotGranted(Refused):
    """The grant does not cover it. Facts: ``grant``, ``tool``, ``why``."""

    code = "not_granted"


class Revoked(NotGranted):
    """The grant, or one that it comes from, was taken back; or nobody could be asked whether it was."""

    code = "revoked"


class OverBudget(Refused):
    """The purse cannot cover this effect. Facts: ``resource``, ``limit``, ``spent``, ``held``."""

    code = "over_budget"


class NoSuchAgent(Refused):
    """No agent has this address, or it has gone. Facts: ``agent``."""

    code = "no_such_agent"


class NoSuchAction(Refused, AttributeError):
    """The agent has no action of this name. An `AttributeError` too, so that ``hasattr`` works on handles.

    Facts: ``action``, ``actions`` (those it has)."""

    code = "no_such_action"


class NotFound(Refused):
    """There is no effect, run or file of this name."""

    code = "not_found"


class Conflict(Refused):
    """What an undo would take back was changed since: taking it back would lose that change. Nothing was touched."""

    code = "conflict"


class EndOfRecord(Refused):
    """A run that is only gone through again asks what is not on record, and nothing new is done there. Facts: ``run``, ``position``,
    ``asked``."""

    code = "end_of_record"
    leaves_open = True


class LedgerUnavailable(Unavailable):
    """The record cannot be written now. What was acknowledged as durable stays; nothing later was written."""

    code = "ledger_unavailable"
    leaves_open = True


class Fenced(Unavailable):
    """Another incarnation took this one's place on the record, so this one does nothing any more (invariant 5): what it did not have
    acknowledged was not written. Whoever asks again reaches the other. Facts: ``stream``, ``epoch`` (this one's), and ``holder`` (the
    epoch that counts now), or ``other`` (a stream) where two incarnations of an agent recorded the same effect.
    """

    code = "fenced"
    leaves_open = True


class MailboxFull(Unavailable):
    """The receiver's mailbox holds as much as it may; the message was not accepted."""

    code = "mailbox_full"


class Paced(Unavailable):
    """It would be too much in too short a time; the purse has room for it later. Facts: ``resource``, ``limit``, ``retry_after_s``."""

    code = "paced"


class Stopping(Unavailable):
    """The host is shutting down and takes no new work."""

    code = "stopping"
    leaves_open = True


class ActionFailed(Failed):
    """An action raised an exception whose type cannot be rebuilt here. Facts: ``type``."""

    code = "action_failed"


class ToolFailed(Failed):
    """A tool raised an exception whose type cannot be rebuilt here. Facts: ``type``."""

    code = "tool_failed"


class WorkerDied(Failed):
    """The process that ran a tool ended before it answered. Facts: ``pid``, and ``signal`` or ``exit_status``."""

    code = "worker_died"


class InDoubt(Unsettled):
    """An intent is on record without an outcome, and its class forbids repeating it. Facts: ``effect``."""

    code = "in_doubt"
    leaves_open = True


class DeadlineExceeded(Unsettled):
    """The time allowed passed without an answer; the callee was told to stop."""

    code = "deadline_exceeded"


class CompensationFailed(Unsettled):
    """What was done could not be taken back, after as many tries as were allowed; it stands, and a person has to look.

    Facts: ``effect`` (whose undo failed), ``stands`` (every effect that was to be taken back and was not).
    """

    code = "compensation_failed"


class ReplayDiverged(Defect):
    """Code asks something else than the record holds at this position. Facts: ``recorded``, ``asked``."""

    code = "replay_diverged"


class DuplicateIntent(Defect):
    """An effect with this id is on record already. Nothing was written."""

    code = "duplicate_intent"


class CorruptLedger(Defect):
    """The record was edited, torn or is not a ledger. Facts: ``path``, ``seq`` where known."""

    code = "corrupt_ledger"


class Unencodable(Defect):
    """A value cannot cross the wire: it is of a type no codec knows, or an integer beyond 64 bits."""

    code = "unencodable"
