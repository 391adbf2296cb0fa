"""What is left out of a stored run because it has its default must never change its meaning."""

from dataclasses import MISSING, fields
from datetime import timedelta

from engine.model import Mode, OnError, StageRule, StageRun, StageState


def _defaults(kind: type[StageRule] | type[StageRun]) -> dict[str, object]:
    made = {field.name: field.default_factory() for field in fields(kind) if field.default_factory is not MISSING}
    return made | {field.name: field.default for field in fields(kind) if field.default is not MISSING}


def test_the_defaults_of_a_stored_stage_are_those_of_the_first_version() -> None:
    assert _defaults(StageRun) == {
        "state": StageState.PENDING,
        "attempt": 0,
        "started_at": None,
        "ended_at": None,
        "reason": "",
        "note": "",
        "outputs": {},
        "conditions": (),
        "deadline": None,
        "fingerprint": "",
        "votes": (),
        "deputies_from": None,
        "is_escalated": False,
    }


def test_the_defaults_of_a_stored_rule_are_those_of_the_version_that_first_had_them() -> None:
    assert _defaults(StageRule) == {
        "on_error": OnError.STOP,
        "hold": timedelta(hours=1),
        "conditions": (),
        "mode": Mode.ALL,
        "reviewers": (),
        "votes_needed": Mode.ANY,
        "take_back_on_refusal": True,
        "deadline": None,
        "pass_on_deadline": False,
        "keep_on_deadline": False,
        "at_least": 0,
        "no_self_approval": False,
        "deputies": (),
        "escalate_after": None,
        "remind_after": None,
        "remind_every": None,
    }
