"""The composition root: settings, and everything put together."""

from bailiwick.bailiff.amending import amend
from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.branches import Branched, branch_named, branches, go_live, remove, simulate
from bailiwick.bailiff.branching import Part, fork, read_assumption, read_change
from bailiwick.bailiff.compose import open_bailiwick, session
from bailiwick.bailiff.cues import Step
from bailiwick.bailiff.deciding import approval_duties, case_of, decide, pending
from bailiwick.bailiff.desk import ask_desk, desk, desk_path
from bailiwick.bailiff.housekeeping import Extent, Holdings, erase, extent, plan_compaction, plan_erasure, rotate
from bailiwick.bailiff.migrating import Migration, migrate, plan_migration
from bailiwick.bailiff.opening import read_ledger
from bailiwick.bailiff.recording import Recording, question
from bailiwick.bailiff.records import Branch, Decide, Decided, ListWaiting, Pending, Waiting
from bailiwick.bailiff.replaying import Replayed, replay
from bailiwick.bailiff.revoking import revoke
from bailiwick.bailiff.root import Main, arguments_of, last_root
from bailiwick.bailiff.settings import Settings, load, load_charter
from bailiwick.bailiff.settling import Finding, check_unsettled, settle, settled, writing_process
from bailiwick.bailiff.signing import Vouching, vouching
from bailiwick.bailiff.vouch import Vouched, vouch

__all__ = [
    "Bailiwick",
    "Branch",
    "Branched",
    "Decide",
    "Decided",
    "Extent",
    "Finding",
    "Holdings",
    "ListWaiting",
    "Main",
    "Migration",
    "Part",
    "Pending",
    "Recording",
    "Replayed",
    "Settings",
    "Step",
    "Vouched",
    "Vouching",
    "Waiting",
    "amend",
    "approval_duties",
    "arguments_of",
    "ask_desk",
    "branch_named",
    "branches",
    "case_of",
    "check_unsettled",
    "decide",
    "desk",
    "desk_path",
    "erase",
    "extent",
    "fork",
    "go_live",
    "last_root",
    "load",
    "load_charter",
    "migrate",
    "open_bailiwick",
    "pending",
    "plan_compaction",
    "plan_erasure",
    "plan_migration",
    "question",
    "read_assumption",
    "read_change",
    "read_ledger",
    "remove",
    "replay",
    "revoke",
    "rotate",
    "session",
    "settle",
    "settled",
    "simulate",
    "vouch",
    "vouching",
    "writing_process",
]
