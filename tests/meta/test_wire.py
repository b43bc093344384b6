"""Every type that stands on the record or crosses a process has a golden file (see ``tests/golden``)."""

from __future__ import annotations

import msgspec

from tests.golden.files import newest, wire_types


def test_there_are_wire_types() -> None:
    assert {"Intent", "Outcome", "Seal", "Envelope"} <= {kind.__name__ for kind in wire_types()}


def test_no_two_wire_types_have_one_name() -> None:
    """Their golden files would have one name too."""
    names = [kind.__name__.lower() for kind in wire_types()]
    assert len(names) == len(set(names))


def test_wire_types_cannot_change_and_are_made_by_keyword() -> None:
    """Frozen, so that a record stays what was recorded; by keyword, so that a new field moves no other."""
    for kind in wire_types():
        assert kind.__struct_config__.frozen, kind.__name__
        assert all(field.name == field.encode_name for field in msgspec.structs.fields(kind)), kind.__name__
        assert not kind.__match_args__, f"{kind.__name__} takes positional arguments"


def test_defaults_are_not_written() -> None:
    """Or the first field that is added would change the bytes of every value there is."""
    for kind in wire_types():
        assert kind.__struct_config__.omit_defaults or all(field.required for field in msgspec.structs.fields(kind)), kind.__name__


def test_every_wire_type_has_a_golden_file_with_every_field() -> None:
    """A field without one could change its form unnoticed. `python -m tests.golden` writes what is missing."""
    missing = {kind.__name__: sorted({field.name for field in msgspec.structs.fields(kind)} - newest(kind).keys()) for kind in wire_types()}
    assert {name: fields for name, fields in missing.items() if fields} == {}
