"""Who is named as a reviewer: they see what they are asked about, and decide about it, without any grant. Pure."""

from functools import lru_cache

from engine.complaints import Complaints
from engine.model import PersonId, Run
from engine.pipeline import parse


def asks(run: Run, person: PersonId) -> bool:
    """Whether one of the run's reviews asks the person."""
    return any(person in (*rule.reviewers, *rule.deputies) for rule in run.rules)


def asks_in(text: str, person: PersonId) -> bool:
    """Whether a definition names the person as a reviewer. One that this version does not take names nobody."""
    return person in text and person in _asked(text)


@lru_cache(maxsize=1024)
def _asked(text: str) -> frozenset[str]:
    try:
        stages = parse(text).pipeline.stages
    except Complaints:
        return frozenset()
    reviews = [stage.review for stage in stages if stage.review is not None]
    return frozenset(name for review in reviews for name in (*review.reviewers, *review.deputies))
