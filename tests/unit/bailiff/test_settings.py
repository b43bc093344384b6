"""Settings: what they show of themselves."""

from __future__ import annotations

from bailiwick.bailiff import load


def test_a_password_in_an_address_is_not_shown() -> None:
    settings = load({}, postgres_url="postgresql://ada:pass-word@db/x")
    assert "pass-word" not in f"{settings} {settings!r}"
    assert "stream='main'" in repr(settings)
