"""The program of a worker process: read a call, make it, write the answer, until the host closes the socket or dies.

It blocks, on purpose: a worker does one thing at a time, and an event loop would double the time it takes to start. Nothing is
imported here that the answer to the first call does not need.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple, cast

import msgspec

from bailiwick import codec
from bailiwick.effects import Failure, Secret, Signature, Tool, describe
from bailiwick.errors import Failed
from bailiwick.tools import frames
from bailiwick.tools.measure import process_cpu_s, result_of
from bailiwick.tools.records import PROTOCOL, Call, Code, Done, FromWorker, Raised, Ready, Start, ToWorker

_PR_SET_PDEATHSIG = 1
_READ_BYTES = 2**20

_decode = codec.decoder(ToWorker)
_serving = False


class _Loaded(NamedTuple):
    function: Callable[..., Any]
    signature: Signature


def serving() -> bool:
    """Whether this process is a worker. A script that a worker loads must not start workers in turn, without end."""
    return _serving


def main(fd: int, host_pid: int) -> None:
    """Serve the host at the other end of the socket ``fd`` until it closes its end. Dies with the host, also in the middle of a call."""
    global _serving
    # The host blocked this signal around our start: Ctrl-C reaches the whole process group, and the host decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _die_with(host_pid)
    os.set_inheritable(fd, False)  # What a tool starts must not hold our end open once we are gone.
    _serving = True
    try:
        _serve(fd)
    except (BrokenPipeError, ConnectionResetError):
        return  # The host is gone; nobody is left to be told.


def _die_with(host_pid: int) -> None:
    if sys.platform == "linux":
        import ctypes  # Here, because hosts import this module too.

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != host_pid:  # It died before we asked to be told.
            os._exit(0)


def _serve(fd: int) -> None:
    while (frame := _read_frame(fd)) is not None:
        message = _decode(frame)
        if isinstance(message, Start):
            sys.path[:] = message.path
            for name, value in message.environment.items():
                os.environ.setdefault(name, value)  # noqa: TID251 -- this process is its own; no tool has run in it yet
            answer: FromWorker = Ready(protocol=PROTOCOL)
        else:
            answer = _call(message)
        _write(fd, _pack(answer))


def _call(call: Call) -> Done | Raised:
    try:
        function, signature = _load(call.code)
        secrets = [Secret(value) for value in call.secrets]  # Known as long as this list is.
        arguments = signature.unpack(call.arguments, call.key)
        before_s = process_cpu_s()
        value = function(**arguments)
        result = result_of(value, signature, cpu_s=process_cpu_s() - before_s)
        secrets.clear()
        return Done(value=result.value, fidelity=result.fidelity, cost=result.cost)
    except BaseException as error:  # Also `sys.exit` in a tool: it ends the call, and the worker serves on.
        trace = error.__traceback__
        return Raised(failure=_as_the_host_knows_it(describe(error.with_traceback(trace and trace.tb_next)), call.code))
    finally:
        # A tool's output is buffered here, and a worker may be killed at any time.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # Nobody reads it any more, or the tool closed it or took it away.
                stream.flush()


def _as_the_host_knows_it(failure: Failure, code: Code) -> Failure:
    """A script is ``__main__`` in the host and has another name here: without this, its exceptions would lose their types."""
    module, _, name = failure.type.partition(":")
    if module == code.import_as and module != code.module:
        return msgspec.structs.replace(failure, type=f"{code.module}:{name}")
    return failure


_loaded: dict[Code, _Loaded] = {}


def _load(code: Code) -> _Loaded:
    found = _loaded.get(code)
    if found is None:
        found = _loaded[code] = _find(code)
    return found


def _find(code: Code) -> _Loaded:
    try:
        found: Any = _import(code)
    except BaseException as error:  # Whatever a module does when it is imported, `sys.exit` included, is that module's failure.
        hint = (
            '; what a script does outside functions and `if __name__ == "__main__":` is done in every worker'
            if code.module == "__main__"
            else ""
        )
        raise Failed(
            f"a worker process cannot import {code.module} ({code.path or 'no file'}): {type(error).__name__}: {error}{hint}",
            module=code.module,
            path=code.path,
        ) from error
    for name in code.qualname.split("."):
        found = getattr(found, name, None)
    if isinstance(found, Tool):
        return _Loaded(found.function, found.signature)
    if not callable(found):
        raise Failed(
            f"{code.module} ({code.path or 'no file'}) has no function {code.qualname} in a worker process; "
            "a tool that runs in one must be defined whenever its module is imported",
            module=code.module,
            path=code.path,
        )
    return _Loaded(found, Signature(found))


def _import(code: Code) -> ModuleType:
    module = sys.modules.get(code.import_as)
    if module is not None:
        return module
    try:
        by_name = importlib.util.find_spec(code.import_as)
    except ModuleNotFoundError:  # A package on the way to it is missing.
        by_name = None
    if not code.path or (
        by_name is not None and by_name.origin is not None and os.path.realpath(by_name.origin) == os.path.realpath(code.path)
    ):
        return importlib.import_module(code.import_as)
    spec = importlib.util.spec_from_file_location(code.import_as, code.path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{code.path} is not Python source")
    module = sys.modules[code.import_as] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[code.import_as]  # As `import` does: half a module must not pass for a whole one at the next call.
        raise
    return module


def _pack(answer: FromWorker) -> bytes:
    frame = frames.pack(answer)
    if frame is not None:
        return frame
    size_bytes = len(answer.value) if isinstance(answer, Done) else len(cast(Raised, answer).failure.message)
    failure = describe(
        Failed(
            f"the answer has {frames.mebibytes(size_bytes)}; at most {frames.mebibytes(frames.LIMIT_BYTES)} cross from a worker process: "
            "write it to a file and return the path"
        )
    )
    return cast(bytes, frames.pack(Raised(failure=failure)))


def _read_frame(fd: int) -> bytes | None:
    header = _read(fd, frames.HEADER_BYTES)
    return _read(fd, frames.length_of(header)) if header else None


def _read(fd: int, size_bytes: int) -> bytes:
    """Exactly ``size_bytes``, or nothing if the host closed its end."""
    data = bytearray()
    while len(data) < size_bytes:
        chunk = os.read(fd, min(size_bytes - len(data), _READ_BYTES))
        if not chunk:
            return b""
        data += chunk
    return bytes(data)


def _write(fd: int, frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(fd, rest) :]
