"""What machines tell Sluice, and what Sluice tells others."""

from bot.verbs.verb import Verb

TELLING = (
    Verb(
        "hooks",
        "hooks PIPELINE",
        "its hooks and their last calls; to whoever manages it, alone, also their addresses",
        "hooks hello",
        least=1,
        most=1,
    ),
    Verb(
        "hook",
        "hook rotate PIPELINE NAME",
        "give a hook a new address; the old one is good for nothing then",
        "hook rotate hello nightly",
        "act",
        3,
        3,
    ),
    Verb(
        "triggers",
        "triggers [PIPELINE]",
        "what hooks and channels have started and met, and what was refused",
        "triggers hello",
        most=1,
    ),
    Verb(
        "notifications",
        "notifications [PIPELINE|RUN]",
        "who was told what, and what has not arrived yet",
        "notifications hello",
        most=1,
    ),
)
