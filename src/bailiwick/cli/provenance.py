"""The record as W3C PROV-JSON (https://www.w3.org/submissions/prov-json/): effects are activities, results entities, agents agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from bailiwick import codec
from bailiwick.cli.show import given_to, value_of
from bailiwick.effects import Causality, Effect, Kind, Status
from bailiwick.ids import agent_of

PREFIXES = {"bw": "urn:bailiwick:", "prov": "http://www.w3.org/ns/prov#", "xsd": "http://www.w3.org/2001/XMLSchema#"}


class Item(NamedTuple):
    """One member of one section of the document."""

    key: str
    """Its id; empty for a relation, which needs none."""
    told: dict[str, Any]


def provenance(effects: Mapping[str, Effect], *, payloads: bool) -> Iterator[str]:
    """The document, in pieces to be written one after the other."""
    web = Causality(effects)
    sections = {
        "agent": _agents(effects),
        "activity": _activities(effects, payloads=payloads),
        "entity": _entities(effects, payloads=payloads),
        "wasGeneratedBy": _generated(effects),
        "used": _used(effects),
        "wasInvalidatedBy": _invalidated(effects),
        "wasStartedBy": _started(effects, web),
        "wasAssociatedWith": _associated(effects),
        "actedOnBehalfOf": _delegated(effects),
    }
    yield f'{{"prefix":{codec.to_json(PREFIXES)}'
    for name, items in sections.items():
        yield f',\n"{name}":{{'
        for number, item in enumerate(items):
            key = item.key or f"_:{name}{number}"
            yield f"{',' if number else ''}\n{codec.to_json(key)}:{codec.to_json(item.told)}"
        yield "}"
    yield "}\n"


def _agents(effects: Mapping[str, Effect]) -> Iterator[Item]:
    principals: dict[str, None] = {}
    for effect in effects.values():
        intent = effect.intent
        if intent.kind is Kind.RUN:
            principals.setdefault(intent.principal or "unknown")
            yield Item(f"bw:{intent.agent}", {"prov:type": _name("prov:SoftwareAgent"), "bw:class": "script"})
        elif intent.kind is Kind.SPAWN:
            given = given_to(effect)
            label = {"prov:label": given["name"]} if "name" in given else {}
            yield Item(f"bw:{agent_of(intent.id)}", {"prov:type": _name("prov:SoftwareAgent"), "bw:class": intent.tool, **label})
    for principal in principals:
        yield Item(_principal(principal), {"prov:type": _name("bw:Principal"), "prov:label": principal})


def _activities(effects: Mapping[str, Effect], *, payloads: bool) -> Iterator[Item]:
    for effect in effects.values():
        intent, outcome = effect.intent, effect.outcome
        told: dict[str, Any] = {
            "prov:type": _name(f"bw:{intent.kind}"),
            "prov:startTime": _time(outcome.started_ns if outcome else intent.at_ns),
            "bw:tool": intent.tool,
            "bw:effect": intent.effect.value,
            "bw:state": effect.state,
            "bw:run": intent.run,
            "bw:position": intent.position,
            "bw:seq": effect.seq,
        }
        if outcome is not None:
            told["prov:endTime"] = _time(outcome.ended_ns)
            told |= {f"bw:{name}": amount for name, amount in codec.decode(codec.encode(outcome.cost), dict[str, Any]).items()}
        optional = {"rule": intent.rule, "grant": intent.grant, "charter": intent.charter, "code": intent.code}
        told |= {f"bw:{name}": text for name, text in optional.items() if text}
        if payloads and intent.arguments:
            told["bw:arguments"] = codec.to_json(given_to(effect))
        yield Item(f"bw:{intent.id}", told)


def _entities(effects: Mapping[str, Effect], *, payloads: bool) -> Iterator[Item]:
    for effect, fidelity in _results(effects):
        told: dict[str, Any] = {"prov:type": _name("bw:Result"), "bw:fidelity": fidelity}
        if effect.outcome_seq in effect.erased:
            told["bw:erased"] = True
        elif payloads:
            told["prov:value"] = codec.to_json(value_of(effect))
        yield Item(_result(effect.intent.id), told)


def _generated(effects: Mapping[str, Effect]) -> Iterator[Item]:
    for effect, _ in _results(effects):
        ended_ns = effect.outcome.ended_ns if effect.outcome is not None else 0
        yield Item("", {"prov:entity": _result(effect.intent.id), "prov:activity": f"bw:{effect.intent.id}", "prov:time": _time(ended_ns)})


def _used(effects: Mapping[str, Effect]) -> Iterator[Item]:
    for effect in effects.values():
        for cause in effect.intent.caused_by:
            known = effects.get(cause)
            if known is not None and known.outcome is not None and known.outcome.status is Status.DONE:
                yield Item("", {"prov:activity": f"bw:{effect.intent.id}", "prov:entity": _result(cause)})


def _invalidated(effects: Mapping[str, Effect]) -> Iterator[Item]:
    for effect, _ in _results(effects):
        if effect.undo is not None and effect.state == "undone":
            yield Item("", {"prov:entity": _result(effect.intent.id), "prov:activity": f"bw:{effect.undo.intent.id}"})


def _started(effects: Mapping[str, Effect], web: Causality) -> Iterator[Item]:
    for effect in effects.values():
        opener = web.opener(effect)
        if opener is not None:
            yield Item("", {"prov:activity": f"bw:{effect.intent.id}", "prov:starter": f"bw:{opener.intent.id}"})


def _associated(effects: Mapping[str, Effect]) -> Iterator[Item]:
    """Who asked is responsible for what was done; who answered an ask had a hand in it too."""
    for effect in effects.values():
        intent = effect.intent
        yield Item("", {"prov:activity": f"bw:{intent.id}", "prov:agent": f"bw:{intent.agent}"})
        if intent.target is not None and intent.kind is Kind.ASK:
            yield Item("", {"prov:activity": f"bw:{intent.id}", "prov:agent": f"bw:{intent.target}", "prov:role": "answers"})


def _delegated(effects: Mapping[str, Effect]) -> Iterator[Item]:
    for effect in effects.values():
        intent = effect.intent
        if intent.kind is Kind.RUN:
            yield Item("", {"prov:delegate": f"bw:{intent.agent}", "prov:responsible": _principal(intent.principal or "unknown")})
        elif intent.kind is Kind.SPAWN:
            yield Item("", {"prov:delegate": f"bw:{agent_of(intent.id)}", "prov:responsible": f"bw:{intent.agent}"})


def _results(effects: Mapping[str, Effect]) -> Iterator[tuple[Effect, str]]:
    for effect in effects.values():
        if effect.outcome is not None and effect.outcome.status is Status.DONE:
            yield effect, effect.outcome.fidelity.value


def _result(effect: str) -> str:
    return f"bw:{effect}.result"


def _principal(name: str) -> str:
    return f"bw:principal.{quote(name, safe='')}"


def _name(qualified: str) -> dict[str, str]:
    return {"$": qualified, "type": "prov:QUALIFIED_NAME"}


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat()
