"""For tests, ours and yours: virtual time, fault plans, conformance suites."""

from bailiwick.testing.mailbox_suite import MailboxSuite
from bailiwick.testing.virtual_clock import VirtualClock, VirtualClockLoop, run

__all__ = ["MailboxSuite", "VirtualClock", "VirtualClockLoop", "run"]
