"""Groups: who may do what."""

from bot.verbs.verb import Verb

GROUPS = (
    Verb("groups", "groups", "the groups that you see, and what you may do in each", "groups"),
    Verb(
        "group",
        "group GROUP | group create GROUP | group delete GROUP [to GROUP]",
        "who may do what in a group; make one of your own; delete one, after DELETE is typed",
        "group shop",
        "act",
        1,
        4,
    ),
    Verb(
        "grant",
        "grant PERSON read|edit|manage on GROUP",
        "let somebody see and start; or also make pipelines; or also change, delete and grant",
        "grant bob read on shop",
        "act",
        4,
        4,
    ),
    Verb(
        "revoke",
        "revoke PERSON on GROUP",
        "take away what somebody may do in a group, after DELETE is typed",
        "revoke bob on shop",
        "act",
        3,
        3,
    ),
)
