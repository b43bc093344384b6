from bailiwick.mailboxes import Mailboxes
from bailiwick.mailboxes.backends.local import LocalMailboxes
from bailiwick.testing import MailboxSuite


class TestLocalMailboxes(MailboxSuite):
    def make(self) -> Mailboxes:
        return LocalMailboxes()
