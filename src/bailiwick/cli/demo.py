"""``bailiwick demo``: the campaign in ``examples/molecular_design``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bailiwick.bailiff import Settings, load
from bailiwick.cli.drive import drive
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.show import print_json, print_table
from bailiwick.errors import BadInput, NotFound

if TYPE_CHECKING:
    from molecular_design.records import Campaign, Summary


@click.command()
@click.option("--seed", type=click.IntRange(min=0), help="Of everything that is drawn at random. [default: 0]")
@click.option("--budget", type=click.IntRange(min=1), help="How many molecules may be computed. [default: 100]")
@click.option("--batch", type=click.IntRange(min=1), help="How many are chosen at a time. [default: 10]")
@click.option(
    "--workers", type=click.IntRange(min=1), help="How many Assay agents, each with a process of its own. [default: one per processor]"
)
@click.option("--pool", metavar="FILE", help="Candidates, one SMILES and name a line. [default: 584 molecules of the NCI, inside RDKit]")
@click.option("--model", metavar="URL", help="An OpenAI-compatible server that proposes molecules; its key, if any, in OPENAI_API_KEY.")
@click.option("--model-name", metavar="NAME", help="Which of its models, if it has several.")
@click.option("--out", metavar="DIR", help="Where the report goes. [default: reports/ beside the record]")
@click.option("--resume", is_flag=True, help="Go on with the newest campaign on record, with its settings.")
@click.option("--run", "run", metavar="RUN", help="With --resume: this campaign rather than the newest.")
@home_option
@json_option
def demo(resume: bool, run: str | None, home: str | None, as_json: bool, out: str | None, **options: Any) -> None:
    """Look for the molecules that hold their electrons most tightly, with agents that propose, compute, verify and report.

    Kill it at any moment (kill -9 of the whole group, if you like): --resume goes on from the record, computes nothing twice,
    and ends exactly as it would have ended.

    \b
    Examples:
      bailiwick demo
      bailiwick demo --seed 3 --budget 50
      bailiwick demo --resume
      bailiwick demo --model http://localhost:8000/v1
      bailiwick demo --json | jq .summary.best
    """
    given = {name: value for name, value in options.items() if value is not None}
    if resume and (given or out):
        raise BadInput(f"--resume takes its settings from the record; leave out {', '.join(f'--{name}' for name in given) or '--out'}")
    if run and not resume:
        raise BadInput("--run goes with --resume")
    settings = load(home=home, ledger="sqlite")
    try:
        from molecular_design import conduct
    except ImportError as error:
        raise BadInput(f"the demo needs the chemistry extra ({error}): pip install 'bailiwick[chemistry]'") from None
    work = conduct.resume(settings, run, sys.stderr) if resume else conduct.start(settings, _campaign(settings, out, given), sys.stderr)
    ended = drive(work, "bailiwick demo --resume")
    if as_json:
        print_json(ended)
    else:
        _print(ended.summary, ended.effects)


def _campaign(settings: Settings, out: str | None, given: dict[str, Any]) -> Campaign:
    from molecular_design.records import Campaign

    names = {"model": "model_url"}
    chosen: dict[str, Any] = {"workers": settings.workers, "reports": str(Path(out).absolute() if out else settings.home_path / "reports")}
    chosen |= {names.get(name, name): value for name, value in given.items()}
    if chosen.get("pool"):
        pool = Path(chosen["pool"]).absolute()
        if not pool.is_file():
            raise NotFound(f"{pool}: no such file")
        chosen["pool"] = str(pool)
    try:
        Path(chosen["reports"]).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{chosen['reports']}: the report cannot go there: {error.strerror}; choose another place with --out") from None
    return Campaign(**chosen)


def _print(summary: Summary, effects: int) -> None:
    rows = [(str(row.rank), row.id, row.smiles, f"{row.energy_ev:.3f}", row.fidelity.value, row.effect[-12:]) for row in summary.best]
    print_table(("rank", "molecule", "SMILES", "IE / eV", "fidelity", "…effect"), rows, empty="nothing could be computed")
    disagreed = (
        f"{len(summary.disagreements)} DISAGREE: {', '.join(summary.disagreements)}"
        if summary.disagreements
        else "all agree to the last bit"
    )
    failed = f", {len(summary.failed)} failed (reasons in the report)" if summary.failed else ""
    computed = f"{summary.evaluated} of {summary.candidates} molecules computed{failed}"
    click.echo(f"\n{computed}; {summary.checked} verified, {disagreed}; {effects} effects on record")
    click.echo(summary.report)
