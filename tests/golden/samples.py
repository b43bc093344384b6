"""One value of each wire type, with every field set to something other than its default, so that each shows in the bytes."""

from __future__ import annotations

import msgspec

from bailiwick.bailiff.records import Branch, Change
from bailiwick.effects import (
    Attempt,
    Attestation,
    Cost,
    EffectClass,
    Erasure,
    Failure,
    Fidelity,
    Intent,
    Kind,
    Outcome,
    Reentry,
    Seal,
    Settlement,
    Settler,
    Status,
)
from bailiwick.gateway.records import Milestone
from bailiwick.ids import AgentId, BranchId, EffectId, RunId
from bailiwick.mailboxes import Answer, Ask, Cancel, Envelope, Item, Ping
from bailiwick.models.records import Completion, Message
from bailiwick.tools.records import Call, Code, Deleted, Done, FileState, Moved, Raised, Ready, Start, Written

EFFECT = EffectId("eff_019b00000000" + "5a" * 10)
CAUSE = EffectId("eff_019b00000000" + "6b" * 10)
RUN = RunId("run_019b00000000" + "c3" * 10)
ASKER = AgentId("agt_019b00000000" + "01" * 10)
ASKED = AgentId("agt_019b00000000" + "02" * 10)
AT_NS = 1_767_225_600_123_456_789

COST = Cost(cpu_s=0.25, wall_s=1.5, tokens=1_200, usd=0.003, sent_bytes=65_536)
FAILURE = Failure(
    code="tool_failed",
    type="builtins:ValueError",
    message="no such molecule: ünknown",
    arguments=b"\x91\xa7unknown",
    facts=b"\x81\xa4type\xaaValueError",
    traceback='Traceback (most recent call last):\n  File "assay.py", line 7, in ionise\nValueError: no such molecule\n',
)
INTENT = Intent(
    id=EFFECT,
    run=RUN,
    agent=ASKER,
    position="2/1",
    kind=Kind.ASK,
    tool="Assay.measure",
    effect=EffectClass.IDEMPOTENT,
    arguments=b"\x81\xa6smiles\xa3CCO",
    target=ASKED,
    at_ns=AT_NS,
    caused_by=(CAUSE,),
    undoes=CAUSE,
    oneway=True,
    path="bailiwick.tools.files:write_file",
    rule="allow 2",
    key="5a" * 16,
    principal="ada@analytical",
    grant="grt_019b00000000" + "07" * 10,
    charter="9f" * 8,
    code="c0de" * 4,
)
SETTLEMENT = Settlement(by=Settler.PERSON, who="ada@analytical", why="the invoice is paid")
OUTCOME = Outcome(
    id=EFFECT,
    status=Status.FAILED,
    value=b"\xcb@(ffffff",
    failure=FAILURE,
    fidelity=Fidelity.APPROXIMATE,
    cost=COST,
    started_ns=AT_NS + 1_000,
    ended_ns=AT_NS + 2_000,
    settlement=SETTLEMENT,
)
REENTRY = Reentry(asked=57, tasks=2, step=9, generation=1)
FILE = FileState(mode=0o640, mtime_ns=AT_NS, size_bytes=48_213, digest="9f" * 32)
CODE = Code(module="__main__", import_as="campaign", qualname="Assay.measure", path="campaign.py")
ASK = Ask(intent=INTENT, reply_to="hst_1", items_to="hst_2", deadline_ns=AT_NS + 30_000_000_000)

BRANCH_CHANGE = Change(effect=EFFECT, run=RUN, position="2/1", value=b"\xa4down")

SAMPLES: tuple[msgspec.Struct, ...] = (
    COST,
    FAILURE,
    INTENT,
    OUTCOME,
    SETTLEMENT,
    REENTRY,
    Attempt(id=EFFECT, number=2, failure=FAILURE, settlement=SETTLEMENT, begun=False, at_ns=AT_NS),
    Seal(agent=ASKED, state=b"\x81\xa4done\x07", ticks={"heartbeat": 3}, at_ns=AT_NS, runs={RUN: REENTRY}),
    Attestation(seq=7, hash=b"\x9f" * 32, key=b"\x01" * 32, signature=b"\x02" * 64, at_ns=AT_NS),
    Erasure(seqs=(3, 5), who="ada@analytical", why="asked for by who it is about", at_ns=AT_NS),
    ASK,
    Answer(id=EFFECT, outcome=OUTCOME, failure=FAILURE),
    Item(id=EFFECT, value=b"\x07"),
    Cancel(id=EFFECT),
    Ping(id="1", reply_to="hst_1"),
    Envelope(to=ASKED, sender=ASKER, message=ASK, version=2),
    CODE,
    Start(path=["examples"], environment={"OMP_NUM_THREADS": "1"}),
    Call(code=CODE, arguments=b"\x81\xa6smiles\xa3CCO", key=EFFECT, secrets=["made up"]),
    Ready(protocol=1),
    Done(value=b"\x07", fidelity=Fidelity.RECOMPUTED, cost=COST),
    Raised(failure=FAILURE),
    Milestone(
        spent={"019b00000000": {"assay": (3, COST)}},
        unsealed={ASKED: [EFFECT]},
        spawned={ASKER: [CAUSE]},
        posted={ASKED: [EFFECT]},
        roots={"campaign": RUN},
        under_way={RUN: "campaign"},
        undone={"019b00000000": [EFFECT]},
    ),
    Message(role="system", content="Propose molecules."),
    Completion(
        text="N#CCC#N",
        model="small-1",
        asked_model="small",
        finish_reason="stop",
        prompt_tokens=812,
        completion_tokens=7,
        sent_bytes=3_300,
    ),
    FILE,
    Written(path="results/report.html", size_bytes=48_213, digest="9f" * 32, before=FILE),
    Deleted(path="results/report.html", before=FILE),
    Moved(source="results/report.html", target="results/old.html", state=FILE),
    BRANCH_CHANGE,
    Branch(
        id=BranchId("brn_019b000000000123456789abcdef0123"),
        run=RUN,
        name="run:campaign.py",
        base_seq=41,
        base_hash=b"\x9f" * 32,
        seals_until=12,
        changes=(BRANCH_CHANGE,),
        live=True,
        who="ada@analytical",
        at_ns=AT_NS,
    ),
)
