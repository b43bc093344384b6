from bailiwick.mailboxes import Mailboxes
from bailiwick.mailboxes.backends.local import LocalMailboxes
from bailiwick.testing import MailboxesSuite


class TestLocalMailboxes(MailboxesSuite):
    def make(self) -> Mailboxes:
        return LocalMailboxes()
