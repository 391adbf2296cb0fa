"""Who may vote on a review, how many have to pass it, and whether anybody can. Pure.

The danger is one person who asks for a release and lets it through alone, and a review that waits for a week for votes
that nobody may give. The promise: whoever asked for a run does not pass it where the definition says so, a push
counting as asking; deputies vote from their time on and not before; and a review that nobody could pass is told of when
the run is asked for, or at the latest when it gets there.

A deputy's vote counts like a reviewer's. Where everybody has to pass, that is everybody who may: as many votes as there
are reviewers without whoever asked, and at least one.
"""

from collections.abc import Collection

from engine import commands as c
from engine.errors import Refused
from engine.model import Mode, PersonId, Run, StageKind, StageRule, Verdict


def is_barred(rule: StageRule, person: PersonId, requested_by: PersonId) -> bool:
    """Whether this person may not pass a review of what they have asked for."""
    return rule.no_self_approval and person == requested_by


def voters(run: Run, number: int) -> tuple[PersonId, ...]:
    """List who may pass the review at this stage now: reviewers, and deputies once their time has come."""
    rule = run.rules[number]
    people = (*rule.reviewers, *(rule.deputies if run.stages[number].is_escalated else ()))
    return tuple(person for person in people if not is_barred(rule, person, run.requested_by))


def asked_at_first(run: Run, number: int) -> tuple[PersonId, ...]:
    """List the reviewers who may pass the review at this stage: those who are asked when it opens."""
    rule = run.rules[number]
    return tuple(person for person in rule.reviewers if not is_barred(rule, person, run.requested_by))


def missing(run: Run, number: int) -> tuple[PersonId, ...]:
    """List who may vote on the review at this stage and has not."""
    voted = {vote.person for vote in run.stages[number].votes}
    return tuple(person for person in voters(run, number) if person not in voted)


def needed(rule: StageRule, requested_by: PersonId) -> int:
    """Tell how many have to pass a review of what this person has asked for."""
    if rule.at_least:
        return rule.at_least
    if rule.votes_needed is Mode.ANY:
        return 1
    return max(1, sum(not is_barred(rule, person, requested_by) for person in rule.reviewers))


def is_passed(run: Run, number: int) -> bool:
    """Whether enough have passed the review at this stage."""
    passed = {vote.person for vote in run.stages[number].votes if vote.verdict is Verdict.APPROVE}
    return len(passed.intersection(voters(run, number))) >= needed(run.rules[number], run.requested_by)


def dead_end(rule: StageRule, requested_by: PersonId, known: Collection[PersonId] | None = None) -> str:
    """Say why nobody could ever pass this review of what this person has asked for; empty when it can be passed.

    Only those who are `known` can vote; None: it is not known who is.
    """
    if rule.kind is not StageKind.REVIEW or rule.pass_on_deadline:
        return ""
    people = (*rule.reviewers, *(rule.deputies if rule.escalate_after else ()))
    strangers = strangers_in(rule, known)
    able = [person for person in people if not is_barred(rule, person, requested_by) and person not in strangers]
    wanted = needed(rule, requested_by)
    if len(able) >= wanted:
        return ""
    votes = "1 vote" if wanted == 1 else f"{wanted} votes"
    reasons = [f"{listed(strangers)} {'is' if len(strangers) == 1 else 'are'} not known here"] if strangers else []
    if not strangers or (rule.no_self_approval and requested_by in people):
        reasons.append(f"{requested_by} asks for the run")
    return f"Nobody could pass {rule.name}: it needs {votes} of {listed(people)}, and {' and '.join(reasons)}."


def strangers_in(rule: StageRule, known: Collection[PersonId] | None) -> tuple[PersonId, ...]:
    """List who would be asked by a review and is not known any more."""
    people = (*rule.reviewers, *(rule.deputies if rule.escalate_after else ()))
    return () if known is None else tuple(person for person in people if person not in known)


def way_back_for(stranger: PersonId) -> str:
    """Say what can be done about a reviewer who is not known any more."""
    add = f"`sluice person add {stranger}`, on Sluice's machine, makes {stranger} known"
    return f"{add}; or `define` who is asked instead."


WAY_OUT_OF_A_DEAD_END = "Somebody else asks for it, or the definition gives the review more reviewers or `deputies`."


def check_dead_ends(
    rules: tuple[StageRule, ...], requested_by: PersonId, known: Collection[PersonId] | None = None
) -> None:
    """Refuse a run that has a review nobody could pass, as far as it is known who is `known`."""
    for rule in rules:
        if sentence := dead_end(rule, requested_by, known):
            strangers = strangers_in(rule, known)
            raise Refused(sentence, way_back_for(strangers[0]) if strangers else WAY_OUT_OF_A_DEAD_END)


def check_vote(run: Run, command: c.CastVote) -> None:
    """Refuse the vote of somebody who may not give it now, and one that is counted already."""
    stage, rule, who = run.stage, run.rule, command.by
    if who in rule.deputies and not stage.is_escalated:
        when = f" from {stage.deputies_from:%d %B, %H:%M} UTC on" if stage.deputies_from else " later"
        raise Refused(f"{who} is a deputy for {stage.name} of run {run.id}, and may decide{when}.")
    if who not in (*rule.reviewers, *rule.deputies):
        people = (*rule.reviewers, *(rule.deputies if stage.is_escalated else ()))
        raise Refused(f"Only {listed(people)} can decide about {stage.name} of run {run.id}.")
    if command.verdict is Verdict.APPROVE and is_barred(rule, who, run.requested_by):
        others = listed(voters(run, run.position))
        hint = f"{others} can. You may still refuse it." if others else "You may still refuse it."
        raise Refused(f"You asked for run {run.id} yourself, so somebody else has to pass {stage.name}.", hint)
    if any(vote.person == who and vote.verdict is command.verdict for vote in stage.votes):
        raise Refused(f"You have already said {command.verdict} to {stage.name} of run {run.id}; it is counted once.")


def listed(people: tuple[PersonId, ...]) -> str:
    """Name people one after another."""
    return " and ".join(people) if len(people) < 3 else ", ".join(people)  # noqa: PLR2004 - a list reads so
