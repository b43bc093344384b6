"""What a charter says of a call."""

from __future__ import annotations

import msgspec
import pytest

from bailiwick.charter import Approval, Charter, Preference, Rule, compile_charter
from bailiwick.effects import Cost, EffectClass, Kind
from bailiwick.errors import BadInput
from bailiwick.grants import Budget
from tests.unit.charter.calls import ALLOW, ASK, DENY, EVERYTHING, call, decide, denying, labelled


def test_deny_wins_and_names_the_permission_that_disagreed() -> None:
    charter = Charter(allow=(Rule(tool="p*", name="buying"),), deny=(Rule(tool="x"), Rule(tool="pay", reason="Ann pays herself")))
    assert decide(charter, call()) == (DENY, "deny 2", "Ann pays herself", (), ("buying",))


def test_what_nothing_allows_is_denied() -> None:
    assert decide(Charter(), call())[:3] == (DENY, "", "no rule of the charter allows it")
    assert decide(Charter(allow=()), call("look", EffectClass.PURE)).answer is DENY
    with pytest.raises(BadInput, match="no charter"):
        compile_charter()


def test_discretion_allows_what_nothing_forbids() -> None:
    charter = Charter(allow=(), discretion=("draft_*",), deny=(Rule(tool="draft_law"),))
    assert decide(charter, call("draft_letter"))[:2] == (ALLOW, "discretion 1")
    assert decide(charter, call("draft_law")).answer is DENY


@pytest.mark.parametrize(
    ("usd", "answer"), [(100, ALLOW), (100.0, ALLOW), (100.5, ASK), (101, ASK), (1_000, ASK), (1_000.0001, DENY), (1_001, DENY)]
)
def test_conditions_compare_whole_numbers_and_fractions(usd: float, answer: str) -> None:
    charter = Charter(
        allow=(Rule(tool="pay", when="context.arguments.usd <= 1000"),),
        approvals=(Approval(tool="pay", when="context.arguments.usd > 100", ask=("bob",)),),
    )
    decision = decide(charter, call(usd=usd))
    assert decision.answer is answer
    assert decision.approvals == ((charter.approvals[0],) if answer is ASK else ())


def test_all_approvals_that_apply_are_wanted() -> None:
    charter = Charter(
        allow=EVERYTHING, approvals=(Approval(ask=("bob",), tool="pay"), Approval(when="context.arguments.usd > 5", ask=("eve",)))
    )
    assert [approval.ask for approval in decide(charter, call(usd=6)).approvals] == [("bob",), ("eve",)]
    assert [approval.ask for approval in decide(charter, call(usd=5)).approvals] == [("bob",)]


def test_a_policy_in_cedar_that_wants_approval_asks() -> None:
    text = """@id("big") @reason("it is much")
        forbid(principal, action, resource == Tool::"pay") when { context.arguments.usd > 5 } unless { context.approved };"""
    charter = Charter(allow=EVERYTHING, cedar=text)
    assert decide(charter, call(usd=6))[:3] == (ASK, "big", "it is much")
    assert decide(charter, call(usd=5)).answer is ALLOW
    assert decide(charter, call("other")).answer is ALLOW


def test_what_is_planned_is_another_action_than_what_is_executed() -> None:
    charter = Charter(allow=(), cedar='permit(principal, action == Action::"plan", resource);')
    assert decide(charter, call()._replace(planning=True)).answer is ALLOW
    compiled = compile_charter(charter)
    assert [compiled.decide(call()._replace(planning=planning)).answer for planning in (True, False, True)] == [ALLOW, DENY, ALLOW]


def test_conditions_see_labels_estimate_class_and_principal() -> None:
    web = denying('context.labels.to.contains("web")')
    assert decide(web, labelled(call(to="x"), to="web")).answer is DENY
    assert decide(web, labelled(call(to="x"), body="web")).answer is ALLOW
    assert decide(web, call()).answer is ALLOW, "what is not there came from nowhere"
    assert decide(denying('context.tainted.contains("web")'), labelled(call(to="x"), body="web")).answer is DENY
    assert decide(denying("context.estimate.usd > 1"), call()._replace(estimate=Cost(usd=1.5))).answer is DENY
    assert decide(denying('context.agent_class == "Buyer"'), call()).answer is DENY
    assert decide(denying('context.principal == "bob"'), call()).answer is ALLOW
    assert decide(denying('context.effect == "irreversible"'), call()).answer is DENY


@pytest.mark.parametrize("kind", [Kind.ASK, Kind.SPAWN, Kind.UNDO])
def test_what_stays_inside_needs_no_permission_and_is_denied_by_name(kind: Kind) -> None:
    message = call("Bank.pay", kind=kind, usd=500)
    assert decide(Charter(allow=()), message)[:2] == (ALLOW, "")
    assert decide(Charter(deny=(Rule(tool="Bank.*"),)), message).answer is DENY
    assert decide(Charter(deny=(Rule(),)), message).answer is DENY
    assert decide(Charter(deny=(Rule(effect=EffectClass.IRREVERSIBLE),)), message).answer is ALLOW
    assert decide(denying("context.arguments.missing > 1"), message).answer is ALLOW
    assert decide(denying("context.arguments.usd > 1", "Bank.pay"), message).answer is DENY
    assert decide(Charter(approvals=(Approval(),)), message).answer is ALLOW
    assert decide(Charter(approvals=(Approval(tool="Bank.pay"),)), message).answer is ASK


def test_preferences_add_up_and_decide_nothing() -> None:
    cheap, quiet = (
        Preference(name="cheap", when="context.arguments.usd < 5", weight=2.5),
        Preference(name="quiet", when='context.tool == "mail"'),
    )
    compiled = compile_charter(Charter(allow=EVERYTHING, preferences=(cheap, quiet, Preference(name="words only"))))
    assert [compiled.preferred(made) for made in (call(usd=1), call("mail", usd=1), call(usd=9), call())] == [2.5, 3.5, 0, 0]
    assert compiled.decide(call(usd=9)).answer is ALLOW


def test_layers_narrow_one_another() -> None:
    fleet = Charter(allow=(Rule(tool="p*"),), budget=Budget(usd=10, calls={"pay": 5}))
    site = Charter(allow=EVERYTHING, approvals=(Approval(tool="pay"),), budget=Budget(usd=20, tokens=7, calls={"pay": 9, "print": 1}))
    agent = Charter(allow=(Rule(tool="pay"), Rule(tool="look")), deny=(Rule(tool="pay", when='context.arguments.to == "eve"'),))
    compiled = compile_charter(fleet, site, agent)
    assert compiled.decide(call(to="bob"))[:2] == (ASK, "site.approval 1")
    assert compiled.decide(call(to="eve"))[:2] == (DENY, "agent.deny 1")
    assert compiled.decide(call("look")).answer is DENY
    assert compiled.decide(call("print")).answer is DENY
    assert compiled.budget == Budget(usd=10, tokens=7, calls={"pay": 5, "print": 1})
    with pytest.raises(BadInput, match="different names"):
        compile_charter(fleet, site, names=("a", "a"))


def test_the_digest_changes_with_the_meaning_and_with_nothing_else() -> None:
    charter = Charter(deny=(Rule(tool="pay"),))
    same = Charter(deny=(Rule(tool="pay", reason="why not"),))
    assert compile_charter(charter).digest == charter.digest == same.digest
    others = [
        msgspec.structs.replace(charter, deny=(Rule(tool="pay", when="true"),)),
        msgspec.structs.replace(charter, budget=Budget(usd=1)),
        msgspec.structs.replace(charter, cedar="permit(principal, action, resource);"),
        msgspec.structs.replace(charter, approvals=(Approval(need=2),)),
    ]
    assert len({charter.digest, *(other.digest for other in others)}) == 5
    assert compile_charter(charter, charter).digest != charter.digest


def test_a_key_holds_what_the_rules_look_at_and_no_more() -> None:
    compiled = compile_charter(denying("context.arguments.usd > 5", "pay"))
    assert compiled.reads("pay", EffectClass.READ) == ("arguments.usd",)
    assert compiled.reads("look", EffectClass.READ) == ()
    assert compiled.key(call(usd=1, to="a")) == compiled.key(call(usd=1, to="b")) != compiled.key(call(usd=2))
    assert compiled.key(call(usd=1)) != compiled.key(call(usd=True)) != compiled.key(call(usd=1.0))
    assert compiled.key(call(usd=2**70)) is None


def test_a_refusal_says_what_would_be_allowed_and_whom_to_ask() -> None:
    compiled = compile_charter(Charter(principal="ann", allow=(Rule(tool="look"),), deny=(Rule(tool="rm", reason="files are kept"),)))
    told = compiled.explain(call("rm"), compiled.decide(call("rm")))
    assert told == (
        '`rm` (irreversible) was not done: files are kept (deny 1); allowed are: tool "look". ann may change the charter: '
        "take deny 1 out, or narrow it with `when`"
    )
    assert 'add [[allow]] tool = "pay"' in compiled.explain(call(), compiled.decide(call()))
    asking = compile_charter(Charter(allow=EVERYTHING, approvals=(Approval(ask=("bob", "eve")),)))
    assert asking.explain(call(), asking.decide(call())).startswith("`pay` (irreversible) waits until bob, eve agree")


def test_rules_in_a_file_are_the_rules_in_python() -> None:
    table = {
        "allow": [{"tool": "pay", "when": "context.arguments.usd < 5"}],
        "approvals": [{"tool": "pay", "ask": ["bob"]}],
        "budget": {"usd": 1.5},
    }
    charter = Charter(
        allow=(Rule(tool="pay", when="context.arguments.usd < 5"),), approvals=(Approval(tool="pay", ask=("bob",)),), budget=Budget(usd=1.5)
    )
    assert msgspec.convert(table, Charter) == charter
    assert msgspec.convert(table, Charter).digest == charter.digest
