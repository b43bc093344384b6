"""What agents and scripts do alike: use tools, launch agents, ask what they may do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from bailiwick.agents.proposing import propose
from bailiwick.agents.run import current
from bailiwick.agents.saga import Saga
from bailiwick.effects import Planned, Tool
from bailiwick.errors import Refused
from bailiwick.gateway import May, Terms

if TYPE_CHECKING:
    from bailiwick.agents.agent import Agent, Receipt
    from bailiwick.agents.handle import Handle
    from bailiwick.agents.host import Host

    A = TypeVar("A", bound=Agent)

NO_TERMS = Terms()


class Acting:
    """Somebody who acts, always through the gateway."""

    def use(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Have ``tool`` act, through the gateway, and return its value.

        The effect gets its place in the run when ``use`` is called, not when the result is awaited. In a run that is gone through
        again after a crash, an effect with an outcome on record returns that, and nothing is done. Where people have to agree first,
        it waits until they have; `perform` tells if they changed the arguments.

        Raises what the tool raised (with its traceback as a note), `Refused` if charter or budget or those who were asked say no,
        `BadInput` for arguments that do not fit, `WorkerDied`, `InDoubt`, `ReplayDiverged`, `LedgerUnavailable`.
        """
        return self._host.asking.use(tool, args, kwargs)

    def perform(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Receipt]:
        """Like `use`, but return what came of it, well or badly, with its provenance: effect id, fidelity, cost and times.

        Raises only what leaves no outcome on the record: `BadInput`, `InDoubt`, `ReplayDiverged`, `LedgerUnavailable`.
        """
        return self._host.asking.perform(tool, args, kwargs)

    def may(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, May]:
        """Whether ``use`` with the same arguments would be allowed now, without doing it: true, or false with the reason and who
        could agree. It gives no right: the charter may have changed when it is used. The answer stands on record, so that a run
        that is gone through again gets the same one. Raises `BadInput` for arguments that do not fit."""
        return self._host.asking.may(tool, args, kwargs)

    async def propose_plan(self, *plan: Planned, why: str = "") -> None:
        """Ask those who would have to approve the calls in ``plan`` for all of them at once; return when they have agreed. Those calls then
        need no other yes, as often as planned; anything else is asked for as ever. What cannot be taken back has to be planned exactly:
        ``planned("pay", exactly=pay.signature.pack(("ada", 5), {}))``. Raises `Rejected`; then nothing is agreed to."""
        await propose(self._host, plan, why)

    def fix_plan(self, *tools: Tool | str, sinks: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> None:
        """Say which tools this run will use, and with which sinks, before it reads what others wrote. Once; it binds the whole tree.

        A *sink* is an argument that says where an effect goes: a recipient, an account, a URL, a path. ``sinks`` names by tool and argument
        what it may be; others must come from what the run was started with, or from trusted data. What is asked for outside the plan
        is not refused: people are asked. Only where the charter has a ``[firewall]``. Raises `Refused` if a plan is fixed already.
        """
        screen, run = self._host.gateway.screen, (current.get() or self._host.root).run
        if screen is None:
            raise Refused("no plan was fixed: the charter has no [firewall], so nobody would keep to it")
        if not run.rebuilding:
            screen.fix_plan(run.id, [tool if isinstance(tool, str) else tool.name for tool in tools], sinks or {})

    def launch(
        self, kind: type[A], /, *args: Any, name: str | None = None, terms: Terms = NO_TERMS, **state: Any
    ) -> Coroutine[Any, Any, Handle[A]]:
        """Start an agent of class ``kind`` on this host and return a handle once its `on_startup` is done.

        ``terms`` narrow what it may do and spend; absent, it acts under those of whoever launches it. Launching is an effect: in a run
        that is gone through again, the agent comes back under the same id with its sealed state. Raises `BadInput` for state that does
        not fit, `OverBudget` where there is not so much to give, and what `on_startup` raises.
        """
        return self._host.launch(kind, args, state, name, terms)

    def saga(self) -> Saga:
        """Several effects that are all done, or taken back: ``async with self.saga() as saga: await saga.use(…)``; see `Saga`."""
        return Saga(self._host)

    def version(self, change: str, newest: int = 1) -> int:
        """Which version of a change in the code this run goes by: ``newest`` if it comes here for the first time, and what it went by
        then if it is gone through again; 0 if it came past here before there was this line. So code can change under runs that
        are under way: ``if self.version("new cost") >= 1: … else: …``. The answer stands on record under ``change``.
        """
        return self._host.asking.version(change, newest)

    @property
    @abstractmethod
    def _host(self) -> Host: ...
