"""What agents may do, declared: allow and deny by tool and effect class. Deny wins; what nothing allows is denied (invariant 7)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from bailiwick import codec
from bailiwick.effects import EffectClass


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Covers the effects whose tool matches ``tool`` and whose class is ``effect`` (absent: every class).

    ``tool`` is a name with shell wildcards (``send_*``). For a message to an agent the name is ``Class.action``.
    """

    tool: str = "*"
    effect: EffectClass | None = None

    def covers(self, tool: str, effect: EffectClass | None) -> bool:
        """Whether this rule speaks of such an effect; with None for its class, only a rule for every class does."""
        return (self.effect is None or self.effect is effect) and fnmatchcase(tool, self.tool)

    def __str__(self) -> str:
        return f'tool "{self.tool}"' + (f", effect {self.effect}" if self.effect else "")


class Verdict(NamedTuple):
    """What a charter says of one effect, and which rule made it say so."""

    allowed: bool
    rule: Rule | None
    """The deny that won, or the allow that let it through; None where nothing allows it."""


REVERSIBLE = tuple(Rule(effect=effect) for effect in EffectClass if effect is not EffectClass.IRREVERSIBLE)
"""What an agent may do where nobody wrote a charter: everything but the irreversible."""


class Charter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules by which effects are allowed and denied. The order of rules means nothing."""

    allow: tuple[Rule, ...] = REVERSIBLE
    deny: tuple[Rule, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex digits: the same for the same rules in the same order. Records name a rule by its number in the charter of
        this digest."""
        return codec.digest(codec.encode(self))[:16]

    def verdict(self, tool: str, effect: EffectClass | None) -> Verdict:
        """Denied if any deny rule covers it, else allowed if any allow rule does, else denied."""
        for rule in self.deny:
            if rule.covers(tool, effect):
                return Verdict(False, rule)
        for rule in self.allow:
            if rule.covers(tool, effect):
                return Verdict(True, rule)
        return Verdict(False, None)
