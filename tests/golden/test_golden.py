"""What was recorded yesterday is read today, and the same value of the same version has the same bytes for good."""

from __future__ import annotations

import json

import msgspec
import pytest

from bailiwick import codec
from tests.golden.files import WORDS, Golden, goldens, versions, vocabulary, wire_types, write
from tests.golden.samples import SAMPLES


def _name(golden: Golden) -> str:
    return golden.path.name


EACH = pytest.mark.parametrize("golden", list(goldens()), ids=_name)


@EACH
def test_bytes_of_every_version_decode_to_the_value_they_were_made_of(golden: Golden) -> None:
    expected = msgspec.json.decode(json.dumps(golden.value), type=golden.kind)
    assert codec.decode(golden.data, golden.kind) == expected


@pytest.mark.parametrize("golden", [golden for golden in goldens() if golden.path == versions(golden.kind.__name__.lower())[-1]], ids=_name)
def test_values_of_the_newest_version_encode_to_the_bytes_they_had(golden: Golden) -> None:
    # Older ones need only be read: what is on record is never encoded again, and a type that grew may have a longer header.
    value = msgspec.json.decode(json.dumps(golden.value), type=golden.kind)
    assert codec.encode(value).hex() == golden.data.hex()


def test_no_word_that_may_stand_on_a_record_is_taken_away() -> None:
    paths = versions(WORDS)
    assert paths
    for path in paths:
        for name, values in json.loads(path.read_text(encoding="utf-8")).items():
            assert set(values) <= set(vocabulary()[name]), f"{path.name}: {name}"


def test_every_word_is_on_file_from_the_day_it_can_be_recorded() -> None:
    assert json.loads(versions(WORDS)[-1].read_text(encoding="utf-8")) == vocabulary()


def test_there_is_a_sample_of_every_wire_type() -> None:
    assert {type(sample) for sample in SAMPLES} == set(wire_types())


def test_a_golden_file_that_exists_is_never_written_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("golden")
    monkeypatch.setattr("tests.golden.files.FOLDER", folder)
    first = write("thing", {"value": 1})
    assert first == folder / "thing.v1.json"
    assert write("thing", {"value": 1}) is None
    assert write("thing", {"value": 2}) == folder / "thing.v2.json"
    assert json.loads(first.read_text(encoding="utf-8")) == {"value": 1}
