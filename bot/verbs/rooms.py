"""Rooms and people: who is told what, and who is who."""

from bot.verbs.verb import Verb

ROOMS = (
    Verb("help", "help [TOPIC|COMMAND]", "what you can say", "help run", most=1),
    Verb(
        "subscribe",
        "subscribe PIPELINE [on success|failure|both|everything]",
        "tell this room how the pipeline's runs end, or show it every run",
        "subscribe hello on failure",
        "act",
        1,
        3,
    ),
    Verb(
        "unsubscribe", "unsubscribe PIPELINE", "tell this room nothing of it any more", "unsubscribe hello", "act", 1, 1
    ),
    Verb("subscriptions", "subscriptions", "what this room is told about", "subscriptions"),
    Verb("whoami", "whoami", "who you are here, your accounts, and what waits for you", "whoami"),
    Verb(
        "link",
        "link [CODE]",
        "get a code that makes another chat's account yours; or type it there",
        "link",
        "act",
        most=1,
    ),
    Verb("unlink", "unlink [ACCOUNT]", "make an account of yours nobody's", "unlink", "act", most=1),
    Verb("yes", "yes", "do what was just asked about", "yes", "act", most=1),
    Verb("no", "no", "leave it", "no", "act", most=1),
)
