"""Who decides about a run, for its card: how many have to pass, who has voted, who is missing, who may not. Pure."""

from collections.abc import Iterator

from bot.cards import Ballot, Field
from engine.model import Mode, PersonId, Run, StageKind, StageRule, StageRun, StageState, Verdict
from engine.voting import is_barred, missing, needed, voters

S = StageState


def ballot_of(run: Run) -> Ballot | None:
    """Return who has voted and who is missing, while the review is open and after it."""
    number = _latest_review(run)
    if number is None:
        return None
    stage, rule = run.stages[number], run.rules[number]
    is_open = stage.state is S.AWAITING_REVIEW
    return Ballot(
        needed=_needed(run, number),
        passed=_voted(stage, Verdict.APPROVE),
        refused=_voted(stage, Verdict.REJECT),
        missing=missing(run, number) if is_open else (),
        until=_until(stage, rule) if is_open and stage.deadline else "",
    )


def _voted(stage: StageRun, verdict: Verdict) -> tuple[tuple[str, str], ...]:
    return tuple((vote.person, vote.reason) for vote in stage.votes if vote.verdict is verdict)


def _latest_review(run: Run) -> int | None:
    """Return which review is open, or was voted on last."""
    for number in range(min(run.position, len(run.stages) - 1), -1, -1):
        stage = run.stages[number]
        if stage.kind is StageKind.REVIEW and (stage.state is S.AWAITING_REVIEW or stage.votes):
            return number
    return None


def _needed(run: Run, number: int) -> str:
    """Say how many have to pass, and how many more that are while the review is open."""
    rule, stage = run.rules[number], run.stages[number]
    is_plain = not rule.at_least and not rule.no_self_approval and not stage.is_escalated
    if is_plain:
        return "Everybody must pass" if rule.votes_needed is Mode.ALL else "One of them is enough"
    wanted = needed(rule, run.requested_by)
    able = len(voters(run, number))
    said = f"{wanted} of {able} must pass" if wanted == able else f"At least {wanted} of {able} must pass"
    if wanted == 1:
        said = "One of them is enough" if able > 1 else "Must pass"
    left = wanted - sum(vote.verdict is Verdict.APPROVE for vote in stage.votes)
    return f"{said}; {left} more" if stage.state is S.AWAITING_REVIEW and 0 < left < wanted else said


def about_voters(run: Run) -> Iterator[Field]:
    """Say who may not pass the review, and since when or from when on deputies may."""
    number = _latest_review(run)
    if number is None:
        return
    stage, rule = run.stages[number], run.rules[number]
    people = (*rule.reviewers, *rule.deputies)
    barred = [person for person in people if is_barred(rule, person, run.requested_by)]
    if barred:
        yield Field("May not pass it", f"{barred[0]}, who asked for the run")
    elif rule.no_self_approval and is_unbound(run.requested_by):
        unknown = "no person whom Sluice knows has that login, so nobody is kept from passing it"
        yield Field("Pushed by", f"{run.requested_by}; {unknown}")
    if rule.deputies and stage.deputies_from is not None and stage.state is S.AWAITING_REVIEW:
        when = f"{'since' if stage.is_escalated else 'from'} {stage.deputies_from:%d %B, %H:%M} UTC"
        yield Field("Deputies", f"{', '.join(rule.deputies)}, {when}")


def is_unbound(person: PersonId) -> bool:
    """Whether this is a login at a forge (``github:octo``) that no person has said to be theirs."""
    where, colon, _ = person.partition(":")
    return bool(colon) and where != "hook"


def _until(stage: StageRun, rule: StageRule) -> str:
    return f"{stage.deadline:%d %B, %H:%M} UTC" + (", then it passes" if rule.pass_on_deadline else "")
