"""How a worker process finds the function of a tool, and what is said when it does not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.clock import SystemClock
from bailiwick.effects import tool
from bailiwick.errors import BadInput, Defect, Failed
from bailiwick.tools import Toolbox
from bailiwick.tools.workers import ProcessActuator, WorkerPool
from tests.unit.tools import acts
from tests.unit.tools.pools import act, surroundings, with_pool


def test_a_module_that_a_worker_cannot_import_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "brittle.py").write_text(
        "import os\nfrom bailiwick.effects import tool\n"
        "if os.environ.get('BRITTLE'):\n    import no_such_library\n\n"
        "@tool(effect='pure', where='process')\ndef weigh() -> int:\n    return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import brittle  # type: ignore[import-not-found]

    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        for _ in range(2):
            with pytest.raises(
                Failed, match=r"cannot import brittle \(.*brittle.py\): ModuleNotFoundError: No module named 'no_such_library'"
            ):
                await act(pool, brittle.weigh)
        assert await act(pool, acts.where) == pid  # Nothing was started anew for it.

    monkeypatch.setenv("BRITTLE", "1")
    with_pool(scenario)
    del sys.modules["brittle"]


def test_a_function_that_a_worker_does_not_find_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(Failed, match=r"tests.unit.tools.acts \(.*acts.py\) has no function mirage in a worker process"):
            await act(pool, acts.mirage)

    monkeypatch.setenv("ACTS_WITHOUT_MIRAGE", "1")
    with_pool(scenario)


def test_a_function_without_a_name_of_its_own_is_refused_before_it_is_asked_for() -> None:
    @tool(effect="pure", where="process")
    def local() -> None: ...

    with pytest.raises(BadInput, match=r"define .*local at module level"):
        ProcessActuator(local, WorkerPool(1, SystemClock(), {}))


SCRIPT = """
import asyncio, os, sys
from bailiwick.clock import SystemClock
from bailiwick.effects import tool
from bailiwick.tools import Toolbox
from tests.unit.tools.acts import intent

class Odd(Exception):
    pass

@tool(effect="pure", where="process")
def check(number: int) -> int:
    if number % 2:
        raise Odd(number)
    return os.getpid()

async def main():
    toolbox = Toolbox(SystemClock(), workers=1)
    act = toolbox.actuator(check).act
    try:
        print(check.signature.unpack_result((await act(intent(check, 2))).value) != os.getpid())
        await act(intent(check, 3))
    except Odd as error:
        print("odd", *error.args)
    finally:
        await toolbox.close()
"""


def run_script(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    return subprocess.run([sys.executable, path.name], cwd=path.parent, env=surroundings(), capture_output=True, text=True, timeout=60)


def test_a_tool_of_a_script_runs_in_a_worker_and_its_exceptions_keep_their_type(tmp_path: Path) -> None:
    done = run_script(tmp_path / "campaign.py", SCRIPT + '\nif __name__ == "__main__":\n    asyncio.run(main())\n')
    assert (done.stdout, done.stderr, done.returncode) == ("True\nodd 3\n", "", 0)


def test_a_script_that_starts_itself_again_in_its_workers_is_told_and_stopped(tmp_path: Path) -> None:
    done = run_script(tmp_path / "campaign.py", SCRIPT + "\nasyncio.run(main())\n")
    assert done.returncode == 1
    assert 'outside functions and `if __name__ == "__main__":` is done in every worker' in done.stderr
    assert "Defect: a worker process may not start workers" in done.stderr


def test_a_tool_of_a_session_without_a_file_is_refused(tmp_path: Path) -> None:
    program = """
from bailiwick.clock import SystemClock
from bailiwick.effects import tool
from bailiwick.tools import Toolbox
@tool(effect="pure", where="process")
def check() -> None: ...
try:
    Toolbox(SystemClock()).actuator(check)
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], env=surroundings(), capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("BadInput the tool check is defined in an interactive session")


def test_a_module_loaded_from_its_path_is_found_by_its_path(tmp_path: Path) -> None:
    """As `bailiwick run FILE` loads it: under a name that leads nowhere, or, here, to something else."""
    path = tmp_path / "anything.py"
    path.write_text(
        "from bailiwick.effects import tool\n\n@tool(effect='pure', where='process')\ndef home() -> str:\n    return __file__\n"
    )
    spec = importlib.util.spec_from_file_location("antigravity", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["antigravity"] = module
    try:
        spec.loader.exec_module(module)
        assert with_pool(lambda pool: act(pool, module.home)) == str(path)
    finally:
        del sys.modules["antigravity"]


def test_a_worker_may_not_have_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bailiwick.tools.worker._serving", True)
    with pytest.raises(Defect, match="a worker process may not start workers"):
        Toolbox(SystemClock())
