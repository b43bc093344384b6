"""``bailiwick runs replay``."""

from __future__ import annotations

import inspect
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from bailiwick import codec
from bailiwick.bailiff import (
    Branch,
    Branched,
    Main,
    Recording,
    Replayed,
    Settings,
    Step,
    fork,
    go_live,
    load,
    load_charter,
    read_assumption,
    read_change,
    read_ledger,
)
from bailiwick.bailiff import replay as go_through
from bailiwick.bailiff import simulate as go_on
from bailiwick.cli.drive import drive
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.run import main_in
from bailiwick.cli.show import print_json, printable
from bailiwick.clock import SystemClock
from bailiwick.effects import Outcome
from bailiwick.errors import BadInput

VALUE_WIDTH = 60
PARTS_SHOWN = 20

DEMO = {"molecular-design": "molecular_design.campaign:main"}
"""The name that ``bailiwick demo`` gives its runs, and where their code is."""


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--from", "seal", metavar="SEAL", help="Agents go on from their seals up to this entry, from this agent's newest, or `start`."
)
@click.option("--change", "changes", metavar="[RUN:]POSITION=VALUE", multiple=True, help="What a tool returned is VALUE instead, as JSON.")
@click.option("--simulate", "live", flag_value=False, default=False, type=bool, help="With --change: touch nothing. [default]")
@click.option("--assume", "assumed", metavar="TOOL=VALUE", multiple=True, help="In a simulation: what this tool returns to a new question.")
@click.option("--live", "live", flag_value=True, type=bool, help="With --change: what follows really happens, on a branch that is kept.")
@click.option("--charter", metavar="TOML", type=click.Path(path_type=Path), help="With --change: what the branch may do and spend.")
@click.option("--yes", is_flag=True, help="With --live: do not ask.")
@click.option("--step", is_flag=True, help="Wait for a key after each effect.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), help="Take the time it took then, divided by this. [default: none]")
@home_option
@json_option
def replay(
    run: str,
    seal: str | None,
    changes: tuple[str, ...],
    assumed: tuple[str, ...],
    live: bool,
    charter: Path | None,
    yes: bool,
    step: bool,
    speed: float | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Go through RUN again from its record, and say whether the same comes of it.

    Its code runs; what its tools and models said is read from the record, and nothing reaches the world. It must be the code that ran then.
    With --change it goes on otherwise from there, on a branch: simulated from what is on record, or live.

    \b
    Examples:
      bailiwick runs replay run_019a…
      bailiwick runs replay run_019a… --speed 10
      bailiwick runs replay run_019a… --change 3='"down"'
      bailiwick runs replay run_019a… --from start --change run_019b…:2=7 --live
    """
    limits: dict[str, Any] = {}
    if charter is not None:
        limits["charter"], limits["budget"] = load_charter(charter)
    settings = load(home=home, **limits)
    recording = Recording(read_ledger(settings), run)
    main = main_of(recording.name)
    if charter is None and recording.name in DEMO:
        settings = msgspec.structs.replace(settings, charter=sys.modules[main.__module__].CHARTER)
    seal_seq = recording.seal_at(seal) if seal is not None else None
    if changes:
        if live and assumed:
            raise BadInput("--assume goes with a simulation: live, tools answer for themselves")
        if live:
            branched = _live(settings, recording, main, changes, seal_seq, yes=yes, chosen=charter is not None)
        else:
            branch = _fork(settings, recording, changes, seal_seq, live=False, chosen=charter is not None)
            branched = go_on(settings, recording, main, branch, dict(map(read_assumption, assumed)), anew=seal_seq is None)
        print_json(branched_as_json(branched)) if as_json else tell(branched)
        return
    if live or charter is not None or yes or assumed:
        raise BadInput("--live, --charter, --assume and --yes go with --change: a replay does nothing that could be allowed")
    shown = _Timeline(recording, step=step, speed=speed, quiet=as_json)
    replayed = go_through(settings, recording, main, shown.show, seal_seq=seal_seq)
    print_json(_as_json(replayed, shown.steps)) if as_json else click.echo(_verdict(replayed))
    if not replayed.reproduced:
        raise click.exceptions.Exit(1)


def main_of(name: str) -> Main:
    """The function behind the name of a root: ``run:FILE`` or ``module:function``. Raises `NotFound` or `BadInput`."""
    where, _, what = DEMO.get(name, name).partition(":")
    if where == "run":
        return main_in(Path(what))
    try:
        found: Any = import_module(where)
    except ImportError as error:
        raise BadInput(f"this run is of {name}, which cannot be imported here: {error}") from None
    for part in what.split("."):
        found = getattr(found, part, None)
    if not inspect.iscoroutinefunction(found):
        raise BadInput(f"this run is of {name}, and there is no such async function")
    return found


def _fork(settings: Settings, recording: Recording, texts: tuple[str, ...], seal_seq: int | None, *, live: bool, chosen: bool) -> Branch:
    changes = [read_change(recording, text) for text in texts]
    began_under = recording.root.intent.charter
    if began_under not in ("", settings.charter.digest) and not chosen:
        raise BadInput(f"this run began under another charter ({began_under}): say with --charter which one the branch obeys")
    now_ns = SystemClock().now_ns()
    return fork(recording, changes, seals_until=seal_seq, live=live, who=settings.principal, at_ns=now_ns)


def _live(
    settings: Settings, recording: Recording, main: Main, texts: tuple[str, ...], seal_seq: int | None, *, yes: bool, chosen: bool
) -> Branched:
    branch = _fork(settings, recording, texts, seal_seq, live=True, chosen=chosen)
    if not yes:
        allowed = "; ".join(str(rule) for rule in settings.charter.allow)
        click.echo(
            f"{recording.name} goes on after entry {branch.base_seq} with another decision. What it does from there really happens, as far "
            f"as the charter allows it ({allowed}), under idempotency keys of its own.",
            err=True,
        )
        confirmed("Go on?")
    work = go_live(settings, recording, main, branch, SystemClock())
    return drive(work, f"bailiwick runs branches --resume {branch.id}")


class _Timeline:
    """Prints effects as they are gone through."""

    def __init__(self, recording: Recording, *, step: bool, speed: float | None, quiet: bool) -> None:
        self.steps: list[Step] = []
        self._whole = recording.run == recording.root.intent.run
        self._run = recording.run
        self._start_ns = self._shown_ns = recording.root.intent.at_ns
        self._wait = step
        self._speed = speed
        self._quiet = quiet

    def show(self, step: Step) -> None:
        if not self._whole and step.run != self._run:
            return
        self.steps.append(step)
        if self._speed is not None:
            threading.Event().wait(max(0.0, (step.at_ns - self._shown_ns) / 1e9 / self._speed))
            self._shown_ns = step.at_ns
        if not self._quiet:
            click.echo(line_of(step, self._start_ns))
        if self._wait:
            click.pause("", err=True)


def confirmed(question: str) -> None:
    """Return if a person says yes; else leave, with nothing done. Raises `BadInput` where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise BadInput("nothing was done: there is nobody here to ask; say --yes")
    if not click.confirm(question, err=True):
        click.echo("nothing was done", err=True)
        raise click.exceptions.Exit(1)


def line_of(step: Step, start_ns: int) -> str:
    """One effect in one line: when, where, what, what came of it, how long it took then."""
    at, place = f"{(step.at_ns - start_ns) / 1e9:9.3f}s", f"{'  ' * step.depth}{step.position or 'root'}"
    came = said(step.value) if step.value else step.status
    differs = "" if step.same else "   NOT WHAT IT WAS"
    return printable(f"{at}  {place:<10} {step.tool} → {came}  ({step.took_ns / 1e6:.1f} ms){differs}")


def said(value: bytes) -> str:
    """An encoded value as JSON, no longer than a line allows."""
    text = codec.to_json(codec.decode(value))
    return text if len(text) <= VALUE_WIDTH else f"{text[: VALUE_WIDTH - 1]}…"


def tell(branched: Branched) -> None:
    """Print what became of a branch."""
    if branched.branch.live:
        click.echo(f"branch {branched.branch.id}, from entry {branched.branch.base_seq}")
    first = next((part for part in branched.parts if part.what != "changed"), None)
    for part in branched.parts[:PARTS_SHOWN]:
        place = f"{part.run[-12:]}:{part.position or 'root'}"
        click.echo(
            printable(
                f"{'*' if part is first else ' '} {place:<18} {part.what:<14} then: {part.then or '-'}\n{'':<35} now:  {part.now or '-'}"
            )
        )
    if len(branched.parts) > PARTS_SHOWN:
        click.echo(f"… and {len(branched.parts) - PARTS_SHOWN} more; --json has all of them")
    if first is None:
        click.echo("the change made no difference to any later effect")
    if branched.why:
        click.echo(printable(f"the branch did not get to its end: {branched.why}"))
        raise click.exceptions.Exit(1)
    now, then = (_result(outcome) for outcome in (branched.outcome, branched.then))
    click.echo(printable(f"result then: {then}\nresult now:  {now}"))


def branched_as_json(branched: Branched) -> dict[str, Any]:
    """What became of a branch, for programs."""
    return {
        "branch": branched.branch.id if branched.branch.live else None,
        "base_seq": branched.branch.base_seq,
        "live": branched.branch.live,
        "ended": branched.outcome is not None,
        "why": branched.why,
        "then": _value(branched.then),
        "now": _value(branched.outcome),
        "parts": branched.parts,
    }


def _result(outcome: Outcome | None) -> str:
    if outcome is None:
        return "none yet"
    return said(outcome.value) if outcome.value else f"{outcome.status}: {outcome.failure.message if outcome.failure else ''}"


def _value(outcome: Outcome | None) -> object:
    if outcome is None or not outcome.value:
        return None
    return codec.decode(outcome.value)


def _verdict(replayed: Replayed) -> str:
    apart = f"; {replayed.apart} effects of control loops are not replayed" if replayed.apart else ""
    return printable(_reproduced(replayed) + apart)


def _reproduced(replayed: Replayed) -> str:
    if replayed.reproduced and replayed.ended:
        result = said(replayed.outcome.value) if replayed.outcome is not None and replayed.outcome.value else "the same failure"
        return f"reproduced: {replayed.steps} effects, the same result: {result}"
    if replayed.reproduced:
        return f"reproduced as far as the record goes, {replayed.steps} effects: {replayed.why}"
    return f"NOT reproduced: {replayed.why or 'the result is another one'}"


def _as_json(replayed: Replayed, steps: list[Step]) -> dict[str, Any]:
    return {
        "run": replayed.run,
        "reproduced": replayed.reproduced,
        "ended": replayed.ended,
        "why": replayed.why,
        "apart": replayed.apart,
        "value": _value(replayed.outcome),
        "steps": [
            {
                "seq": step.seq,
                "effect": step.effect,
                "run": step.run,
                "position": step.position,
                "kind": step.kind,
                "tool": step.tool,
                "status": step.status,
                "value": codec.decode(step.value) if step.value else None,
                "at_ns": step.at_ns,
                "took_ns": step.took_ns,
                "same": step.same,
            }
            for step in steps
        ],
    }
