"""Looking back: who did what, whether that can be trusted, and a run told as an incident."""

from bot.verbs.verb import Verb

AUDIT = (
    Verb(
        "audit",
        "audit [verify|PIPELINE|RUN|PERSON]",
        "who did what, where and with which outcome (with PERSON also what they only looked at); "
        "or whether all of it is as it was written",
        "audit hello",
        most=1,
    ),
    Verb(
        "timeline",
        "timeline RUN",
        "a run as an incident report, to read and to paste",
        "timeline hello-2",
        least=1,
        most=1,
    ),
)
