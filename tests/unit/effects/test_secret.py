"""Secrets: used by tools, and nowhere to be read."""

from __future__ import annotations

import gc

import pytest

from bailiwick import Secret, codec, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.effects import describe
from bailiwick.errors import Refused
from tests.worlds import KeptLedger, within

PASSWORD = "correct horse battery staple"


def test_a_secret_crosses_the_wire_as_its_digest() -> None:
    secret = Secret(PASSWORD)
    data = codec.encode({"password": secret})
    assert PASSWORD.encode() not in data
    assert codec.decode(data, dict[str, Secret])["password"].reveal() == PASSWORD
    assert PASSWORD not in repr(secret)
    assert PASSWORD not in str(secret)


def test_the_same_value_has_the_same_digest_and_another_has_not() -> None:
    assert Secret(PASSWORD) == Secret(PASSWORD)
    assert Secret(PASSWORD) != Secret("other")


def test_a_secret_that_was_made_elsewhere_cannot_be_revealed() -> None:
    data = codec.encode(Secret("made in another process"))
    gc.collect()
    found = codec.decode(data, Secret)
    with pytest.raises(Refused, match="is not known in this process"):
        found.reveal()


def test_what_a_tool_raises_does_not_quote_its_secrets() -> None:
    secret = Secret(PASSWORD)
    failure = describe(ValueError(f"login with {secret.reveal()} failed"))
    assert PASSWORD not in failure.message
    assert PASSWORD not in failure.traceback
    assert PASSWORD.encode() not in failure.arguments


@tool(effect="idempotent")
async def log_in(user: str, password: Secret) -> int:
    return len(password.reveal())


@tool(effect="idempotent", where="thread")
def log_in_slowly(user: str, password: Secret) -> int:
    if user == "nobody":
        raise PermissionError(f"wrong password: {password.reveal()}")
    return len(password.reveal())


@tool(effect="idempotent", where="process")
def log_in_elsewhere(user: str, password: Secret) -> int:
    if user == "nobody":
        raise PermissionError(f"wrong password: {password.reveal()}")
    return len(password.reveal())


def test_tools_use_secrets_and_the_record_does_not_hold_them() -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        secret = Secret(PASSWORD)
        for each in (log_in, log_in_slowly, log_in_elsewhere):
            assert await bw.use(each, "ada", secret) == len(PASSWORD)
        for each in (log_in_slowly, log_in_elsewhere):
            with pytest.raises(PermissionError, match="wrong password"):
                await bw.use(each, "nobody", secret)

    within(scenario, ledger)
    assert not [entry for entry in ledger.entries() if PASSWORD.encode() in entry.body + entry.payload]
