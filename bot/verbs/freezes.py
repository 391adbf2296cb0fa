"""Freeze windows: when nothing begins, and how two people let something through."""

from bot.verbs.verb import MANY, Verb

FREEZES = (
    Verb(
        "freeze",
        "freeze PIPELINE|GROUP|WORKLOAD|all WHEN REASON",
        "let nothing of it begin: for 4h, until mon 08:00, or every week fri 16:00 - mon 08:00 Europe/Berlin",
        "freeze shop fri 16:00 - mon 08:00 Europe/Berlin nobody is on call",
        "act",
        2,
        MANY,
    ),
    Verb(
        "unfreeze",
        "unfreeze FREEZE|PIPELINE|GROUP|WORKLOAD|all [REASON]",
        "take a freeze away; one of somebody else that holds now needs a reason and a second person",
        "unfreeze f3",
        "act",
        1,
        MANY,
    ),
    Verb("freezes", "freezes", "every freeze, and what waits for a second person", "freezes"),
    Verb(
        "override",
        "override PIPELINE|RUN REASON",
        "ask that one start, or a run that is frozen, is let through; somebody else confirms it",
        "override shop the checkout is broken",
        "act",
        2,
        MANY,
    ),
    Verb(
        "confirm",
        "confirm OVERRIDE",
        "confirm what somebody else has asked for",
        "confirm o2",
        "act",
        1,
        1,
    ),
)
