"""``bailiwick budget``: who was given what in a tree of runs, and what is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import click
import msgspec

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import given_to, print_json, print_table, printable, seconds, terms_of
from bailiwick.effects import FREE, Cost, Effect, EffectClass, Kind, Status
from bailiwick.grants import Budget
from bailiwick.ids import agent_of


@click.group()
def budget() -> None:
    """See what agents were given to spend, and what they spent.

    \b
    Examples:
      bailiwick budget tree
      bailiwick budget tree run_019a… --json
    """


class Account:
    """One agent, or the run itself, as the record shows it."""

    def __init__(self, owner: str, name: str, branch: str, above: Account | None) -> None:
        self.owner = owner
        self.name = name
        self.branch = branch
        """The lines that lead to it."""
        self.above = above
        self.given = Budget()
        self.own = FREE
        """What it spent itself."""
        self.spent = FREE
        """With what all below spent."""
        self.counts: Counter[str] = Counter()
        """Irreversible effects and spawns, with those below."""
        self.calls: Counter[str] = Counter()
        """By tool, with those below."""
        self.under_way: list[str] = []
        """Tools that are acting, or in doubt: what is held for them is not on record."""

    def count(self, effect: Effect) -> None:
        """One effect that this agent asked for."""
        outcome, intent = effect.outcome, effect.intent
        refused = outcome is not None and outcome.status is Status.REFUSED
        if intent.kind is Kind.TOOL and outcome is None:
            self.under_way.append(intent.tool)
        if outcome is None or refused or intent.kind not in (Kind.TOOL, Kind.SPAWN):
            return
        self.own += outcome.cost if intent.kind is Kind.TOOL else FREE
        at: Account | None = self
        while at is not None:
            if intent.kind is Kind.SPAWN:
                at.counts["spawns"] += 1
            else:
                at.spent += outcome.cost
                at.calls[intent.tool] += 1
                at.counts["irreversible"] += intent.effect is EffectClass.IRREVERSIBLE
            at = at.above

    def limits(self) -> Iterator[tuple[str, float, float]]:
        """Of each limit its name, how much was given, and how much of that is spent."""
        for name in (*msgspec.structs.asdict(FREE), "node_hours", "irreversible", "spawns"):
            limit: float | None = getattr(self.given, name, None)
            if limit is not None:
                measured = self.spent.node_s / 3_600 if name == "node_hours" else getattr(self.spent, name, None)
                yield name, limit, self.counts[name] if measured is None else measured
        for pattern, limit in self.given.calls.items():
            yield f"calls.{pattern}", limit, sum(number for tool, number in self.calls.items() if fnmatchcase(tool, pattern))


@budget.command()
@click.argument("run", metavar="[RUN]", required=False)
@home_option
@json_option
def tree(run: str | None, home: str | None, as_json: bool) -> None:
    """Show by agent what the tree of RUN was given, what is spent and what is left. Default: the newest run.

    An agent's line counts what those below it spent as well. What the run was given is what its settings say now; an agent without
    a budget of its own draws on that above it. What is held for effects under way is not on record: they are listed.

    \b
    Examples:
      bailiwick budget tree
      bailiwick budget tree run_019a…
      bailiwick budget tree --json | jq '.[] | select(.left.usd < 1) | .agent'
    """
    reading = Reading(home, trees=trees_of(run))
    top = reading.run(None) if run is None else reading.causality.line(reading.named(run))[0]
    shown = accounts(reading, top)
    if as_json:
        print_json([_as_json(account) for account in shown])
        return
    rows = [(f"{account.branch}{printable(account.name)}", _limits(account), words(account.own), _held(account)) for account in shown]
    print_table(("agent", "spent of what is given", "of that itself", "under way"), rows, empty="nothing is on record")


def accounts(reading: Reading, top: Effect) -> list[Account]:
    """Of the run that ``top`` began, and each agent launched in it, each after who launched it."""
    effects = [kin.effect for kin in reading.causality.tree(top)]
    launches: dict[str, list[Effect]] = {}
    for effect in effects:
        if effect.intent.kind is Kind.SPAWN:
            launches.setdefault(effect.intent.agent, []).append(effect)
    root = Account(top.intent.agent, top.intent.tool, "", None)
    root.given = Budget.narrowest(reading.settings.charter.budget, reading.settings.budget)
    found = {root.owner: root}
    unread = [(launch, root, launch is launches[root.owner][-1], "") for launch in reversed(launches.get(root.owner, ()))]
    while unread:
        launch, above, is_last, margin = unread.pop()
        owner = agent_of(launch.intent.id)
        given = given_to(reading.whole(launch))
        account = Account(owner, str(given.get("name") or launch.intent.tool), f"{margin}{'└─ ' if is_last else '├─ '}", above)
        account.given = _budget(terms_of(given).get("budget"))
        found[owner] = account
        below = f"{margin}{'   ' if is_last else '│  '}"
        unread += [(inside, account, inside is launches[owner][-1], below) for inside in reversed(launches.get(owner, ()))]
    for effect in effects:
        found.get(effect.intent.agent, root).count(effect)
    return list(found.values())


def words(cost: Cost) -> str:
    """What was used, without what was not."""
    parts = (
        f"{seconds(cost.cpu_s)} CPU" if cost.cpu_s else "",
        f"{cost.node_s / 3_600:.3g} node hours" if cost.node_s else "",
        f"{cost.tokens} tokens" if cost.tokens else "",
        f"${cost.usd:.4g}" if cost.usd else "",
        f"{cost.sent_bytes} bytes sent" if cost.sent_bytes else "",
    )
    return ", ".join(filter(None, parts))


def _limits(account: Account) -> str:
    limited = [f"{name} {_number(spent)} of {_number(limit)}" for name, limit, spent in account.limits()]
    return ", ".join(limited) or words(account.spent)


def _held(account: Account) -> str:
    counted = Counter(account.under_way)
    return ", ".join(tool if number == 1 else f"{number} × {tool}" for tool, number in counted.items())


def _number(amount: float) -> str:
    return str(amount) if isinstance(amount, int) else f"{amount:.4g}"


def _budget(given: object) -> Budget:
    """What a launch gave, where it says so."""
    try:
        return msgspec.convert(given, Budget) if isinstance(given, dict) else Budget()
    except msgspec.ValidationError:
        return Budget()


def _as_json(account: Account) -> dict[str, Any]:
    return {
        "agent": account.owner,
        "name": account.name,
        "above": account.above.owner if account.above is not None else None,
        "given": {name: limit for name, limit, _ in account.limits()},
        "spent": account.spent,
        "spent_itself": account.own,
        "calls": dict(account.calls),
        "irreversible": account.counts["irreversible"],
        "spawns": account.counts["spawns"],
        "held": None,
        "under_way": account.under_way,
        "left": {name: max(0, limit - spent) for name, limit, spent in account.limits()},
    }
