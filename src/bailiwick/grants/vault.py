"""Secrets of tools: the gateway has them, tools are given them, agents never see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.effects import Secret
from bailiwick.errors import BadInput, NotFound, NotGranted
from bailiwick.grants.grant import Grant

RESOURCE = "secret:"
"""So begin the names of secrets among the resources of a grant."""


class Vault:
    """Secrets by name, and which parameters of which tools they are for.

    On record, and in what an agent gets to see, stands a digest. It is `Secret` that is known in this process by that digest, so keep the
    vault for as long as tools are called.
    """

    def __init__(self, secrets: Mapping[str, Secret] | None = None) -> None:
        self._secrets: dict[str, Secret] = dict(secrets or {})
        self._bound: dict[tuple[str, str], str] = {}

    def put(self, name: str, secret: Secret) -> None:
        """Keep ``secret`` under ``name``; one that was there before is forgotten here."""
        self._secrets[name] = secret

    def bind(self, tool: str, parameter: str, name: str) -> None:
        """The parameter of that tool is the secret ``name``, whoever calls it. Raises `NotFound`."""
        if name not in self._secrets:
            raise NotFound(f"no secret is called {name!r}")
        self._bound[tool, parameter] = name

    def read(self, name: str, grant: Grant) -> Secret:
        """The secret, for a tool that acts for the holder of ``grant``. Raises `NotGranted` where that does not hold ``secret:NAME``,
        and says the same of one that is not there: names of secrets are nobody's to try."""
        if name not in self._secrets or not grant.holds(f"{RESOURCE}{name}"):
            why = f"the grant of {grant.agent} does not hold {RESOURCE}{name}"
            raise NotGranted(why, grant=grant.id, why=why)
        return self._secrets[name]

    def fill(self, tool: str, arguments: Mapping[str, Any], grant: Grant) -> dict[str, Any]:
        """``arguments`` with the secrets that are bound to parameters of ``tool``. Raises `NotGranted` as `read`, `BadInput` where the
        agent gave one of those itself: then it would decide which secret the tool uses."""
        filled = dict(arguments)
        for (owner, parameter), name in self._bound.items():
            if owner == tool:
                if parameter in filled:
                    raise BadInput(f"{tool} is given `{parameter}` by the gateway: leave it out")
                filled[parameter] = self.read(name, grant)
        return filled

    def __repr__(self) -> str:
        return f"<vault of {len(self._secrets)}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("a vault does not leave the process")
