"""What the agents of the campaign tell each other."""

from __future__ import annotations

import msgspec

from bailiwick import Fidelity
from molecular_design.findings import Span


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one campaign: with the same ones, and without a model, it ends the same."""

    seed: int = 0
    budget: int = 100
    """How many molecules may be computed."""
    batch: int = 10
    workers: int = 2
    exploration: float = 2.0
    """How many standard deviations the upper confidence bound adds to the mean."""
    verify_share: float = 0.05
    pool: str = ""
    """A file of candidates; empty: those inside RDKit."""
    model_url: str = ""
    """An OpenAI-compatible server that proposes molecules; empty: the surrogate alone chooses."""
    model_name: str = ""
    reports: str
    """The directory for the report."""

    def __post_init__(self) -> None:
        if min(self.budget, self.batch, self.workers) < 1:
            raise ValueError("budget, batch and workers are 1 or more")
        if self.seed < 0 or not 0 <= self.verify_share <= 1:
            raise ValueError("seed is 0 or more, verify_share between 0 and 1")


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One molecule's ionisation energy, or why there is none. Paired with its molecule by ``id``, never by order of arrival."""

    id: str
    smiles: str
    energy_ev: float | None
    failure: str = ""
    effect: str
    """Where it stands on the record."""
    agent: str
    fidelity: Fidelity
    cpu_s: float
    started_ns: int
    ended_ns: int


class Proposals(msgspec.Struct, frozen=True, kw_only=True):
    """What a model proposed over the whole campaign, and what became of it."""

    asked: int = 0
    """How often it was asked."""
    unanswered: int = 0
    """How often no answer came; the record has the reasons."""
    verdicts: dict[str, int] = {}
    """How many proposals the surrogate judged how; "eligible" are those that could be computed."""
    taken: int = 0


class RecordView(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a campaign at the moment its report is made."""

    effects: int
    head: str
    """The hash of its newest entry."""
    spans: list[Span]


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the final table."""

    rank: int
    id: str
    smiles: str
    energy_ev: float
    fidelity: Fidelity
    effect: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How a campaign ended."""

    candidates: int
    evaluated: int
    best: list[Ranked]
    failed: dict[str, str]
    """Reason by molecule."""
    checked: int
    disagreements: list[str]
    proposals: Proposals
    report: str
    """Where the page is."""
