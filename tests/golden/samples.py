"""One value of each wire type, with every field set to something other than its default, so that each shows in the bytes."""

from __future__ import annotations

import msgspec

from bailiwick.bailiff.records import (
    Amend,
    Amended,
    Amendment,
    Branch,
    Change,
    Decide,
    Decided,
    ListWaiting,
    Pending,
    Problem,
    Revoke,
    Revoked,
    Waiting,
)
from bailiwick.charter import Answer as Verdict
from bailiwick.charter import Approval, Charter, Example, Goal, OnTimeout, Preference, Rule, SafetyEnvelope, Screening
from bailiwick.charter.envelopes.records import KeptEnvelope, KeptMonitors, KeptStep, KeptWatch
from bailiwick.charter.firewall.records import FastRule, FirewallState, Heard, LabelsState, Origin, PlanState, Remembered, Term
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
    Planned,
    Reentry,
    Request,
    Revocation,
    Ruling,
    RulingVerdict,
    Seal,
    Settlement,
    Settler,
    Status,
)
from bailiwick.gateway.records import May, Milestone, Parked, Ruled, Terms
from bailiwick.grants import Budget, KeptHold, KeptPurse, Narrowing, Presented, PurseTree, SliceExpired, SliceGranted, SliceReturned
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
EXAMPLE = Example(tool="pay", effect=EffectClass.COMPENSABLE, arguments={"usd": 500}, labels={"to": ("web",)}, covered=False)
RULE = Rule(
    tool="pay", effect=EffectClass.IRREVERSIBLE, when="context.arguments.usd > 100", name="large", reason="too much", examples=(EXAMPLE,)
)
APPROVAL = Approval(
    tool="pay",
    effect=EffectClass.IRREVERSIBLE,
    when="context.arguments.usd > 10",
    name="four eyes",
    reason="money",
    examples=(EXAMPLE,),
    ask=("ada", "bob"),
    need=2,
    within_s=600.0,
    on_timeout=OnTimeout.HOLD,
    escalate_to=("eve",),
)
GOAL = Goal(name="rank", text="rank the pool", needs=(EXAMPLE,), calls={"ionisation_energy": 100})
PREFERENCE = Preference(name="cheap", text="cheap first", when="context.arguments.usd < 1", weight=2.5)
PARKED = Parked(entries=[41, 43], used={EFFECT: {CAUSE: 1}}, ended={RUN: "ada@analytical ended it"})
SAFETY_ENVELOPE = SafetyEnvelope(name="few", property="at most 2 pay per 1h", reason="by contract", scope="all")
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
    asked="a5" * 32,
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
KEPT_PURSE = KeptPurse(
    owner=ASKED,
    above=ASKER,
    budget=Budget(usd=2.5, node_hours=4.5, calls={"send_*": 5}, depth=2, tokens_per_min=6_000),
    spent={"usd": 1_250_000_000},
    calls={"send_mail": 3},
    counts={"irreversible": 3},
)
KEPT_HOLD = KeptHold(effect=EFFECT, owner=ASKED, tool="send_mail", estimate=COST, irreversible=True)
SLICE = "grt_019b00000000" + "07" * 10

PLANNED = Planned(tool="pay", digest="9f" * 32, given=b"\x81\xa6amount\x91\x07", times=3)
REQUEST = Request(
    id=EFFECT,
    action="9f" * 32,
    charter="c0de" * 4,
    intent=INTENT,
    principal="ada@analytical",
    asked=("ada@analytical", "bob@analytical"),
    need=2,
    agreed=("bob@analytical",),
    number=2,
    origin="5a" * 32,
    expires_ns=AT_NS + 86_400_000_000_000,
    holds=True,
    escalate_to=("cfo@analytical",),
    why="big payments: over 100 EUR",
    plan=(PLANNED,),
    at_ns=AT_NS,
)
RULING = Ruling(
    id=EFFECT,
    action="9f" * 32,
    charter="c0de" * 4,
    number=2,
    who="ada@analytical",
    verdict=RulingVerdict.MODIFY,
    arguments=b"\x81\xa6amount\x07",
    why="half now",
    at_ns=AT_NS,
)
RULED = Ruled(id=EFFECT, state="waiting", agreed=("bob@analytical",), missing=1)
PENDING = Pending(requests=(REQUEST,), rulings=(RULING,), seq=41, cut=True)

KEPT_STEP = KeptStep(id=EFFECT, fact=5, at_ns=AT_NS, open=True, broken=True)
KEPT_WATCH = KeptWatch(
    now_ns=AT_NS,
    cells=((AT_NS, CAUSE),),
    steps=(KEPT_STEP,),
    reported=CAUSE,
    times=(AT_NS,),
    amounts=(0.25,),
    settled=1.5,
    pending=((EFFECT, AT_NS, 0.5),),
    recent=(CAUSE,),
)
KEPT_ENVELOPE = KeptEnvelope(name="spend", property="total usd of pay at most 100 per 1d", scope="agent", watches={ASKER: KEPT_WATCH})

FIREWALL_TERM = Term(kind="shape", argument="to", values=("@",), low=-1.5, high=48.0)
FIREWALL_ORIGIN = Origin(by="judge", calls=("9f" * 8,), labels=("web",), replaces="fw_" + "07" * 8)
FIREWALL_RULE = FastRule(
    id="fw_" + "5a" * 8,
    action="allow",
    tool="send_mail",
    terms=(FIREWALL_TERM,),
    closed=True,
    reason="like calls that were judged benign",
    origin=FIREWALL_ORIGIN,
    created_ns=AT_NS,
    expires_ns=AT_NS + 1,
    shadow=True,
    pinned=True,
    agreed=2,
    hits=7,
)
SCREENING = Screening(
    policy="ask", sources={"fetch_*": ("web",)}, sinks={"pay": ("to",)}, trusted=("ada@lab.example",), rules=(FIREWALL_RULE,)
)
REVOCATION = Revocation(
    grant="grt_019b00000000" + "07" * 10, block="5a" * 64, agent=ASKED, who="ada@analytical", why="it was lost", at_ns=AT_NS
)
CHARTER = Charter(
    principal="ada@analytical",
    goals=(GOAL,),
    preferences=(PREFERENCE,),
    allow=(RULE,),
    deny=(RULE,),
    approvals=(APPROVAL,),
    envelopes=(SAFETY_ENVELOPE,),
    discretion=("read_*",),
    cedar="permit (principal, action, resource);",
    budget=Budget(usd=5.0),
    firewall=SCREENING,
)
FIREWALL_REMEMBERED = Remembered(
    digest="9f" * 8,
    tool="send_mail",
    effect=EffectClass.IRREVERSIBLE,
    arguments={"to": "ada@analytical"},
    labels={"to": ("web",)},
    benign=1,
    attack=2,
    at_ns=AT_NS,
    contested=True,
)
HEARD = Heard(effect=EFFECT, labels=("web",), text="forwardeverything", words=("eveexample",))

SAMPLES: tuple[msgspec.Struct, ...] = (
    FIREWALL_TERM,
    FIREWALL_ORIGIN,
    FIREWALL_RULE,
    FIREWALL_REMEMBERED,
    HEARD,
    FirewallState(
        rules=(FIREWALL_RULE,),
        remembered=(FIREWALL_REMEMBERED,),
        revoked=("fw_" + "07" * 8,),
        installs_ns=(AT_NS,),
        labelled_ns=(AT_NS,),
        doubts=("9f" * 8,),
    ),
    LabelsState(heard=(HEARD,), trusted=("mail it to ada",), tails={"send_mail\x00to": "adaanalytical"}, forgot=True),
    PlanState(tools=("send_mail",), sinks={"send_mail": {"to": ("ada@analytical",)}}),
    msgspec.structs.replace(COST, node_s=3_600.0),
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
        spent_by={ASKED: {"assay": (3, COST)}},
        payers={ASKED: ASKED},
        parked=PARKED,
        amended=b"\x80",
        monitors={"": [b"\x80"]},
        revoked=[REVOCATION],
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
    KEPT_PURSE,
    KEPT_HOLD,
    PurseTree(purses=(KEPT_PURSE,), held=(KEPT_HOLD,)),
    SliceGranted(id=SLICE, host="hst_1", amounts={"usd": 1_000_000_000, "calls.send_*": 2}, lease_s=30.0, at_ns=AT_NS),
    SliceReturned(id=SLICE, host="hst_1", spent={"usd": 250_000_000}, at_ns=AT_NS, who="ada@analytical"),
    SliceExpired(id=SLICE, host="hst_1", at_ns=AT_NS),
    REVOCATION,
    Presented(token=b"\x12\x01", signature=b"\x02" * 64, nonce=b"\x03" * 16, at_ns=AT_NS),
    PLANNED,
    REQUEST,
    RULING,
    PARKED,
    RULED,
    ListWaiting(only=EFFECT, after=41),
    Decide(rulings=(RULING,)),
    PENDING,
    Waiting(pending=(PENDING,), more=True),
    Decided(ruled=(RULED,)),
    Problem(failure=FAILURE),
    KEPT_STEP,
    KEPT_WATCH,
    KEPT_ENVELOPE,
    KeptMonitors(envelopes=(KEPT_ENVELOPE,)),
    EXAMPLE,
    RULE,
    APPROVAL,
    GOAL,
    PREFERENCE,
    SAFETY_ENVELOPE,
    CHARTER,
    Terms(charter=CHARTER, budget=Budget(usd=1.0), grant=Narrowing(tools=("pay",), uses=2)),
    SCREENING,
    Revoke(revocation=REVOCATION),
    Revoked(revocation=REVOCATION, grants=("grt_019b00000000" + "07" * 10,)),
    Amend(charter=CHARTER, who="ada@analytical", why="a new instrument"),
    Amended(replaced=CHARTER),
    May(answer=Verdict.ASK, why="ada must agree", ask=("ada",)),
    Amendment(charter=CHARTER, instead_of="4f5bfe2ac80de191", who="ada@analytical", why="a new instrument"),
)
