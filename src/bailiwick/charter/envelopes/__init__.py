"""Envelopes: safety properties over what happened so far, watched while it happens and checked on what is on record.

The language::

    property  = "never" formula
              | "always" formula
              | "never" event ["within" duration] "after" event ["unless" event]
              | event "only after" event ["within" duration]
              | "at most" whole event ["per" duration]
              | "total" term "of" event "at most" number ["per" duration] ["expecting" number]
              | "risk" term "of" event "at most" number
              | "regret of" ["highest" | "lowest"] term "of" event "at most" number ["expecting" number]
              | "every" event "followed by" event "within" duration ["or stop"]
    formula   = formula "or" formula | formula "and" formula | formula "since" [bound] formula | "not" formula
              | "once" [bound] formula | "historically" [bound] formula | "previously" formula | "(" formula ")" | event
    bound     = "[<=" duration "]"
    event     = ["attempted" | "done" | "failed" | "refused" | "cancelled"]
                ["pure" | "read" | "idempotent" | "compensable" | "irreversible"]
                ["tool" | "ask" | "spawn" | "run" | "undo"] [pattern] ["where" condition]
    pattern   = a tool's name with shell wildcards, in quotes where it is a word of this language
    condition = term ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "like") term | name
              | condition "and" condition | condition "or" condition | "not" condition | "(" condition ")"
    term      = number | "text" | true | false | none | "[" term, … "]" | name
    name      = argument, argument.key | arguments.argument | cost.usd | value, value.key | status | labels, labels.argument
              | agent | agent_class | principal
    duration  = 500ms | 30s | 10m | 2h | 1d | 1w

Meaning:

* *What there is.* For each property its own events, and nothing else, in the order of the record: an effect that it speaks of by
  tool, class and kind stands where it was admitted, where it ended, or both. `previously` means the event before among those. Time
  never goes back: an event with an earlier time than the one before it has the same.
* *Against and for.* An event under an even number of `not` counts against: it stands where the effect was admitted, and counts at
  once, in flight too, until the outcome says that it is none: it was refused, or failed with an error that says that nothing was
  done. An event under an odd number of `not`, behind `only after` or `unless`, or that answers, counts for: it stands where the
  effect ended, if it was *done*. So two effects in flight never both take the last place, and nothing is allowed by what may fail.
* *What cannot be evaluated* breaks the property: a condition on something that is missing, of another type or NaN is true where it
  counts against and false where it counts for; an amount that is no number, or negative, is more than any bound.
* *What was taken back* by an undo has happened all the same. The undo is an event of its own: ``undo pay``.
* *Windows* are open at their beginning: with `per 1h`, what was exactly one hour ago does not count any more. A bound of an operator
  and the deadline of an answer include their end.
* *Known only afterwards.* An estimate stands for the cost until it is measured, and ``expecting`` (0 without it) for what is read from
  ``value``: such a total can be passed by what is in flight, and is told then.
* *Answers.* That something does not happen cannot be kept by refusing. It is told when the deadline passes (`Monitors.overdue`);
  with ``or stop`` nothing but the answer is let through from then on. The oldest trigger without an answer is the one that is told.

Memory does not grow with the record: a fixed state for each run, agent, or all, and at most 1,024 events of which some are in flight;
of more, the oldest count as they are. A count in a window keeps its newest times and is exact; a total in a window is exact up to
1,024 amounts, and never too small beyond.
"""

from bailiwick.charter.envelopes.audit import audit, needs_labels, violations
from bailiwick.charter.envelopes.breach import Breach, Violation
from bailiwick.charter.envelopes.monitors import Monitors
from bailiwick.charter.envelopes.reading import parse_property

__all__ = ["Breach", "Monitors", "Violation", "audit", "needs_labels", "parse_property", "violations"]
