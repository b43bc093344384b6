"""A run says what it will do before it reads what others wrote. Afterwards anything else is asked about."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

from bailiwick import codec
from bailiwick.charter.firewall import addresses
from bailiwick.charter.firewall.firewall import Seen
from bailiwick.charter.firewall.labels import Labels
from bailiwick.charter.firewall.records import PlanState
from bailiwick.charter.firewall.text import fold
from bailiwick.effects import Call, EffectClass
from bailiwick.errors import Refused

_NAMES = (
    "to cc bcc recipient recipients receiver addressee account accounts iban bic payee beneficiary wallet url urls uri href link "
    "endpoint webhook callback host hostname server domain ip port path paths file files filename filepath folder directory dir "
    "dest destination target source src output out command cmd commands script shell code sql statement channel room chat user "
    "users username member members guests invitees attendees participants repo repository remote branch address email mail phone "
    "bucket topic queue package share"
)
SINK_NAMES = frozenset(_NAMES.split())
"""Arguments that say where an effect goes, by name: the last word of the name counts (``reply_to``, ``outputPath``)."""


_LINK = re.compile(r"(?:[a-z][a-z0-9+.\-]{1,20}:)?//[^\s\"'<>()\[\]]+|(?:[\w\-]+\.)+[a-z]{2,24}/[^\s\"'<>()\[\]]*", re.IGNORECASE)


_MAIL = re.compile(r"[\w.+\-]{1,64}@[\w.\-@]{3,255}")


class Plan:
    """Tools and sinks of one run. Before `fix` it objects to nothing; after, to what the plan does not name.

    A *sink* is an argument that says where an effect goes. It passes if the plan names its value, or, where the plan names none
    for that argument, if it traces to trusted text. ``sinks_of`` declares the sink arguments of tools (by name pattern); for others
    they are known by their names and by looking like a URL, a mail address or an absolute path.
    """

    def __init__(self, labels: Labels, sinks_of: Mapping[str, Sequence[str]] | None = None) -> None:
        self._labels = labels
        self._sinks_of = {} if sinks_of is None else dict(sinks_of)
        self._plan: PlanState | None = None

    @property
    def fixed(self) -> bool:
        """Whether there is a plan."""
        return self._plan is not None

    def fix(self, tools: Iterable[str], sinks: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> None:
        """From now on only ``tools`` (names, or patterns), and for ``sinks`` (tool, argument) only those values.

        A value is exact; ``…*`` is a beginning; ``host:a.org`` is any URL or mail address there, ``host:.a.org`` also below it;
        ``under:/data`` is a path there. Raises `Refused` if a plan is fixed already: whoever reads first and plans then plans what
        was read.
        """
        if self._plan is not None:
            raise Refused("the plan of this run is fixed; a call outside it asks for approval instead", tools=list(self._plan.tools))
        named = {tool: {argument: tuple(values) for argument, values in given.items()} for tool, given in (sinks or {}).items()}
        self._plan = PlanState(tools=tuple(tools), sinks=named)

    def look(self, call: Call) -> Seen:
        """``allow`` if the plan has no objection (others may), ``ask`` with the reason if it has, ``unknown`` while none is fixed."""
        plan = self._plan
        if plan is None:
            return Seen("unknown", "", "no plan is fixed")
        if not any(call.tool == tool or fnmatchcase(call.tool, tool) for tool in plan.tools):
            named = ", ".join(plan.tools)
            return Seen("ask", "plan", f"`{call.tool}` is not in the plan, which was fixed before anything was read: {named}")
        if call.effect is EffectClass.PURE:
            return Seen("allow", "plan", "a computation has no sinks")
        allowed = plan.sinks.get(call.tool, {})
        for argument, value in self._sinks(call, allowed.keys()):
            given = allowed.get(argument.partition(".")[0])
            if not (self._traces(value) if given is None else any(self._matches(value, pattern) for pattern in given)):
                origin = "the plan" if given is not None else "the request or to trusted data"
                return Seen("ask", "plan", f"`{argument}` of `{call.tool}` is {value!r:.120}, which does not trace to {origin}")
        return Seen("allow", "plan", "the plan names the tool, and its sinks are known")

    def _sinks(self, call: Call, planned: Collection[str]) -> Iterator[tuple[str, str]]:
        declared = next((names for pattern, names in self._sinks_of.items() if fnmatchcase(call.tool, pattern)), None)
        for name, value in _leaves(call.arguments):
            top = name.partition(".")[0]
            if top in planned:
                is_sink = True
            elif declared is not None:
                is_sink = top in declared or name in declared
            else:
                is_sink = _last_word(name) in SINK_NAMES or _leads_somewhere(value)
            if is_sink and (top in planned or not (value is None or isinstance(value, bool | float))):
                yield name, value if isinstance(value, str) else str(value)
            elif isinstance(value, str) and ("/" in value or "@" in value or not value.isascii()):
                folded = fold(value).decoded
                for link in _LINK.findall(folded):  # Whoever reads the text may follow it, and some programs fetch it.
                    yield f"{name}.link", link
                if len(folded) <= 100:  # A short text with a mail address in it is one with a name before it.
                    for mail in _MAIL.findall(folded):
                        yield f"{name}.mail", mail

    def _matches(self, value: str, pattern: str) -> bool:
        """Whether the plan's ``pattern`` covers ``value``, and what the pattern leaves open was not written by others."""
        if not _matches(value, pattern):
            return False
        left_open = _left_open(value, pattern)
        return not left_open or not self._labels.of({"": left_open}) or self._labels.traces(value)

    def _traces(self, value: str) -> bool:
        """Whether a sink's value is one that somebody trusted named. A path may be put together of a folder and a name they named."""
        if self._labels.traces(value):
            return True
        if addresses.is_path(value) and not fold(value).marks:
            resolved = addresses.resolve(value)
            folder, _, name = resolved.rpartition("/")
            return ".." not in value.split("/") and bool(folder) and self._labels.traces(name) and self._labels.traces(folder)
        return False

    def state(self) -> bytes:
        """The plan, for `restore`."""
        return codec.encode(self._plan)

    def restore(self, state: bytes) -> None:
        """Go by the plan whose `state` it is. Raises `BadInput`."""
        self._plan = codec.decoder(PlanState | None)(state)


def _leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and depth < 12:
        for key, item in cast(Mapping[Any, Any], value).items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset) and depth < 12:
        for item in cast(Iterable[Any], value):
            yield from _leaves(item, name, depth + 1)
    elif isinstance(value, bytes):
        yield name, value.decode("utf-8", "replace")
    else:
        yield name, value


def _last_word(name: str) -> str:
    last = name.rpartition(".")[2].rpartition("_")[2].rpartition("-")[2]
    for at in range(len(last) - 1, 0, -1):
        if last[at].isupper() and not last[at - 1].isupper():
            return last[at:].lower()
    return last.lower()


def _leads_somewhere(value: Any) -> bool:
    """Whether a value of no telling name is an address all the same, or one word in which something is hidden."""
    if not isinstance(value, str) or len(value) < 4:
        return False
    folded = fold(value)
    if " " in folded.decoded:
        return False
    return bool(folded.marks) or "@" in folded.decoded or "://" in folded.decoded or folded.decoded.startswith(("/", "\\", "~", "../"))


def _matches(value: str, pattern: str) -> bool:
    folded = fold(value)
    if folded.marks and value != pattern:
        return False
    if pattern.startswith("host:"):
        return _host_matches(value, pattern.removeprefix("host:"))
    if pattern.startswith("under:"):
        if ".." in folded.decoded.replace("\\", "/").split("/"):
            return False  # It may lead back below the folder; whoever means that writes it so.
        root = addresses.resolve(pattern.removeprefix("under:"))
        path = addresses.resolve(folded.decoded)
        return path == root or path.startswith(root.rstrip("/") + "/")
    if pattern.endswith("*"):
        start = fold(pattern[:-1]).text
        at_host = "://" not in start or "/" in start.partition("://")[2]  # Or `https://a.org*` would be `https://a.org.b.net` too.
        return at_host and ".." not in value and folded.text.startswith(start)
    return folded.text == fold(pattern).text


def _left_open(value: str, pattern: str) -> str:
    """The part of ``value`` that ``pattern`` says nothing about."""
    if pattern.startswith("host:"):
        address = value.partition("//")[2] or value
        return address.partition("/")[2] or address.partition("?")[2]
    if pattern.startswith("under:"):
        return value[len(pattern) - len("under:") :]
    return value[len(pattern) - 1 :] if pattern.endswith("*") else ""


def _host_matches(value: str, host: str) -> bool:
    if addresses.is_mail(value):
        found = addresses.mail_host(value)
    else:
        address = addresses.read_url(value if "//" in value else "//" + value)
        if address.odd:
            return False
        found = address.host
    return found == host or (host.startswith(".") and ("." + found).endswith(host))
