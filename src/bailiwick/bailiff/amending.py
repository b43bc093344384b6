"""Changing the charter while agents act: an effect like others, gated by the charter in force, on record, signed with it, reversible.

Whatever process goes on with the record later goes on under the newest amendment, as long as the settings name the charter that it
took the place of: whoever edits that meant the edit.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from bailiwick import codec
from bailiwick.bailiff.desk import Duties, ask_desk, is_at_desk
from bailiwick.bailiff.records import Amend, Amended, Amendment
from bailiwick.bailiff.settings import Settings
from bailiwick.charter import Charter, Compiled, compile_verified
from bailiwick.effects import Actuator, Conduct, Intent, Outcome, Result
from bailiwick.errors import Unavailable
from bailiwick.gateway import Authority

_log = logging.getLogger(__name__)


class Amending(Actuator):
    """Puts another charter in force."""

    conduct = Conduct(has_undo=True)

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def act(self, intent: Intent) -> Result:
        amendment = codec.decode(intent.arguments, Amendment)
        before = self._authority.everybody.charter
        self._authority.amend(under_the_same(self._authority, amendment.charter))
        return Result(value=codec.encode(before.layers[-1][1]))

    async def undo(self, intent: Intent, outcome: Outcome | None) -> Result:
        if outcome is not None:
            self._authority.amend(under_the_same(self._authority, codec.decode(outcome.value, Charter)))
        return Result(value=codec.encode(None))


def under_the_same(authority: Authority, charter: Charter) -> Compiled:
    """``charter`` laid under the charters of fleet and site that are in force. Raises `BadInput` with everything that speaks against it."""
    return compile_verified(*(above for _, above in authority.everybody.charter.layers[:-1]), charter)


def go_on_amended(authority: Authority, arguments: bytes, configured: Charter) -> None:
    """Put the newest amendment on record in force, if it took the place of the charter that is ``configured``."""
    amendment = codec.decode(arguments, Amendment)
    if amendment.instead_of == configured.digest:
        authority.amend(under_the_same(authority, amendment.charter))
    elif amendment.charter.digest != configured.digest:
        facts: dict[str, Any] = {"event": "amendment_superseded", "charter": configured.digest}
        _log.warning("the charter was changed since it was last amended on record; the one in the settings counts", extra=facts)


class Amender(Protocol):
    """Who can put another charter in force: `Bailiwick`."""

    async def amend(self, charter: Charter, *, who: str = "", why: str = "") -> Charter:
        """See `Bailiwick.amend`."""
        ...


def amendment_duties(amender: Amender) -> Duties:
    """What the desk answers about the charter."""

    async def amend(message: Amend) -> Amended:
        return Amended(replaced=await amender.amend(message.charter, who=message.who, why=message.why))

    return {Amend: amend}


async def amend(settings: Settings, charter: Charter, *, why: str = "") -> Charter:
    """Have the process that runs put ``charter`` in force, and return the one it replaced. Raises what `Bailiwick.amend` does, and
    `Unavailable` where nothing runs: then the settings name the charter."""
    if not is_at_desk(settings):
        raise Unavailable("nothing is running here: edit the charter that the settings name, and it counts from the next start on")
    return (await ask_desk(settings, Amend(charter=charter, who=settings.principal, why=why), Amended)).replaced
