"""``bailiwick run``: a script on the record."""

from __future__ import annotations

import inspect
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from bailiwick.bailiff import Bailiwick, Main, load, load_charter, open_bailiwick
from bailiwick.cli.drive import drive
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.show import print_json
from bailiwick.errors import BadInput, NotFound
from bailiwick.ids import RunId


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("args", metavar="[ARGS]...", nargs=-1)
@click.option("--resume", is_flag=True, help="Go on with the newest run of this file, from its record.")
@click.option("--run", "run_id", metavar="RUN", help="With --resume: this run rather than the newest.")
@click.option("--charter", metavar="TOML", type=click.Path(path_type=Path), help="What the script and its agents may do and spend.")
@home_option
@json_option
def run(file: Path, args: tuple[str, ...], resume: bool, run_id: str | None, charter: Path | None, home: str | None, as_json: bool) -> None:
    """Run `async def main(bw, ...)` in FILE; ARGS are read as its type hints say. What it returns is printed.

    \b
    Examples:
      bailiwick run hello.py
      bailiwick run campaign.py 100 --charter careful.toml
      bailiwick run campaign.py --resume
    """
    if resume and args:
        raise BadInput("--resume takes its arguments from the record; leave out " + " ".join(args))
    main = main_in(file)
    limits: dict[str, Any] = {}
    if charter is not None:
        limits["charter"], limits["budget"] = load_charter(charter)
    settings = load(home=home, **limits)
    name = f"run:{file.resolve()}"

    async def work() -> Any:
        async with open_bailiwick(settings) as bw:
            return await _go(bw, main, name, args, resume, run_id)

    value = drive(work(), f"bailiwick run {file} --resume")
    if as_json:
        print_json(value)
    elif value is not None:
        click.echo(value)


async def _go(bw: Bailiwick, main: Main, name: str, args: tuple[str, ...], resume: bool, run_id: str | None) -> Any:
    if resume:
        return await bw.resume(main, name=name, run=RunId(run_id) if run_id else None)
    return await bw.run_texts(main, args, name=name)


def main_in(file: Path) -> Main:
    """Import FILE under its own name, so that worker processes find its functions. Raises `NotFound` or `BadInput`."""
    main = getattr(import_file(file), "main", None)
    if not inspect.iscoroutinefunction(main):
        raise BadInput(f"{file}: defines no `async def main(bw, ...)`")
    return main


def import_file(file: Path) -> ModuleType:
    """The module in FILE, imported under its own name if it is not yet. Raises `NotFound` or `BadInput`."""
    if not file.is_file():
        raise NotFound(f"{file}: no such file")
    path = file.resolve()
    there = sys.modules.get(path.stem)
    if there is not None:
        if getattr(there, "__file__", None) == str(path):
            return there
        raise BadInput(f"{file}: a module named `{path.stem}` is imported already; give the file another name")
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{file}: not a Python file")
    module = sys.modules[path.stem] = module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]  # Half a module must not pass for a whole one.
        raise
    return module
