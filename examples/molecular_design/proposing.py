"""Asking a language model which molecules to compute, and taking nothing it says for granted."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from bailiwick import Tool
from bailiwick.models import ChatModel, Message, chat_tool
from molecular_design.pool import Molecule

SHOWN = 60
"""How many candidates the model is shown at a time."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"molecules": {"type": "array", "items": {"type": "string"}}},
    "required": ["molecules"],
    "additionalProperties": False,
}


class _Reply(msgspec.Struct):
    molecules: list[str]


@cache
def model_at(url: str, name: str) -> Tool:
    """The model behind ``url`` as a tool. Its key, if it needs one, is in ``OPENAI_API_KEY``, and goes nowhere else."""
    return chat_tool(ChatModel(url, model=name or None, api_key=os.environ.get("OPENAI_API_KEY")))


def question(candidates: Sequence[Molecule], observed: Mapping[str, float], shown: Collection[str], size: int) -> list[Message]:
    """What the model is asked: the best and worst so far, and candidates to choose from."""
    smiles = {molecule.id: molecule.smiles for molecule in candidates}
    ranked = sorted(observed, key=lambda name: (-observed[name], name))
    known = [f"{smiles[name]} {observed[name]:.2f} eV" for name in ranked[:8] + ranked[-3:]]
    offered = [smiles[name] for name in sorted(shown)]
    return [
        Message(
            role="system",
            content="You choose molecules for a computation of vertical ionisation energies. Higher is better. Answer with JSON: "
            '{"molecules": ["SMILES", …]}, taken from the candidates, best first.',
        ),
        Message(role="user", content=f"Known:\n{_lines(known)}\n\nCandidates:\n{_lines(offered)}\n\nChoose {size}."),
    ]


def proposals_in(text: str) -> list[str] | None:
    """The SMILES in a model's answer, not yet judged; None if the answer is not the JSON that was asked for."""
    try:
        return msgspec.json.decode(text, type=_Reply).molecules
    except msgspec.DecodeError:
        return None


def _lines(items: Iterable[str]) -> str:
    return "\n".join(items)
