"""For tests, ours and yours (extra ``testing``): virtual time, fault plans, conformance suites, a model double."""

from bailiwick.testing.faults import Crash, FaultPlan, FaultyLedger
from bailiwick.testing.ledger_machine import ledger_state_machine
from bailiwick.testing.ledger_suite import LedgerSuite
from bailiwick.testing.mailbox_suite import MailboxesSuite
from bailiwick.testing.model_server import Asked, Misbehaviour, ModelDouble
from bailiwick.testing.virtual_clock import VirtualClock, VirtualClockLoop, run
from bailiwick.testing.witness import Performed, Witness, WitnessClient

__all__ = [
    "Asked",
    "Crash",
    "FaultPlan",
    "FaultyLedger",
    "LedgerSuite",
    "MailboxesSuite",
    "Misbehaviour",
    "ModelDouble",
    "Performed",
    "VirtualClock",
    "VirtualClockLoop",
    "Witness",
    "WitnessClient",
    "ledger_state_machine",
    "run",
]
