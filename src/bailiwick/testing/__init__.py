"""For tests, ours and yours: virtual time, fault plans, conformance suites, a model double."""

from bailiwick.testing.mailbox_suite import MailboxSuite
from bailiwick.testing.model_server import Asked, Misbehaviour, ModelDouble
from bailiwick.testing.virtual_clock import VirtualClock, VirtualClockLoop, run

__all__ = ["Asked", "MailboxSuite", "Misbehaviour", "ModelDouble", "VirtualClock", "VirtualClockLoop", "run"]
