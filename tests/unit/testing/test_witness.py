"""The witness performs what it is asked, writes it down first, and does what it is told with the answer."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bailiwick.testing import Performed, Witness, WitnessClient


def test_what_is_asked_twice_happens_twice_and_under_one_key_once(tmp_path: Path) -> None:
    async def ask(client: WitnessClient) -> list[int]:
        return [
            await client.perform("a", saw={"place": 1}),
            await client.perform("a"),
            await client.perform("b", key="k"),
            await client.perform("b", key="k"),
        ]

    with Witness(tmp_path / "book") as witness:
        assert asyncio.run(ask(WitnessClient(witness.address))) == [1, 2, 3, 3]
        assert witness.book() == [Performed("a", "", 1, {"place": 1}), Performed("a", "", 2, None), Performed("b", "k", 3, None)]
        assert witness.doubled() == {"a": 2}


def test_what_was_taken_back_stands_no_more(tmp_path: Path) -> None:
    async def ask(client: WitnessClient) -> list[object]:
        found: list[object] = [await client.take_back("a"), await client.find("a"), await client.perform("a", key="k")]
        found += [await client.find("a"), await client.take_back("a"), await client.take_back("a"), await client.find("a")]
        return [*found, await client.perform("a", key="k")]

    with Witness(tmp_path / "book") as witness:
        assert asyncio.run(ask(WitnessClient(witness.address))) == [False, None, 1, 1, True, False, None, 2]
        assert [performed.undone for performed in witness.book()] == [True, False]
        assert witness.doubled() == {}


def test_nobody_is_told_the_same_number_twice(tmp_path: Path) -> None:
    async def ask(client: WitnessClient) -> list[int]:
        return await asyncio.gather(*(client.look() for _ in range(30)))

    with Witness(tmp_path / "book") as witness:
        assert sorted(asyncio.run(ask(WitnessClient(witness.address)))) == list(range(1, 31))
        assert witness.book() == []


def test_a_book_is_gone_on_with(tmp_path: Path) -> None:
    for serial in (1, 2):
        with Witness(tmp_path / "book") as witness:
            client = WitnessClient(witness.address)
            assert asyncio.run(client.perform(f"number {serial}", key=f"{serial}")) == serial
            assert asyncio.run(client.perform("number 1", key="1")) == 1
    assert [performed.what for performed in witness.book()] == ["number 1", "number 2"]


def test_an_answer_that_is_withheld_never_comes_though_it_happened(tmp_path: Path) -> None:
    async def ask(client: WitnessClient) -> None:
        assert await client.perform("first") == 1
        waiting = asyncio.create_task(client.perform("second"))
        assert await asyncio.to_thread(witness.until_withheld) == "second"
        assert await client.find("second") == 2
        assert await client.perform("third") == 3
        assert not waiting.done()
        waiting.cancel()

    with Witness(tmp_path / "book") as witness:
        witness.withhold(2)
        asyncio.run(ask(WitnessClient(witness.address)))


def test_waiting_for_what_does_not_happen_ends(tmp_path: Path) -> None:
    with Witness(tmp_path / "book") as witness:
        witness.withhold(1)
        with pytest.raises(TimeoutError, match="withheld"):
            witness.until_withheld(timedelta(0))


def test_whoever_is_still_waiting_when_the_witness_ends_is_told_so(tmp_path: Path) -> None:
    async def ask(witness: Witness) -> None:
        with witness:
            witness.withhold(1)
            waiting = asyncio.create_task(WitnessClient(witness.address).perform("a"))
            await asyncio.to_thread(witness.until_withheld)
        with pytest.raises(ConnectionError, match="did not answer"):
            await waiting

    asyncio.run(ask(Witness(tmp_path / "book")))


def test_a_witness_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    script = "import sys, time; from pathlib import Path; from bailiwick.testing import Witness\n"
    script += "with Witness(Path(sys.argv[1])) as witness: print(witness._process.pid, witness.address, flush=True); time.sleep(600)"
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "book")], stdout=subprocess.PIPE, env=environment) as starter:
        assert starter.stdout is not None
        pid, address = starter.stdout.readline().decode().split()
        witness = os.pidfd_open(int(pid))
        try:
            starter.send_signal(signal.SIGKILL)
            assert select.select([witness], [], [], 10)[0], "it still runs"
        finally:
            os.close(witness)
    assert not Path(address).parent.exists()
