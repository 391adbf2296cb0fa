"""Templates, and pipelines made from them by answering questions."""

from bot.verbs.verb import MANY, Verb

TEMPLATES = (
    Verb("templates", "templates", "what pipelines can be made from: shipped, and your own", "templates"),
    Verb(
        "template",
        "template NAME | template export PIPELINE NAME | template delete NAME",
        "look at a template; make one of your own from a pipeline; take one away",
        "template build-and-gray",
        "act",
        1,
        3,
    ),
    Verb(
        "create",
        "create [TEMPLATE]",
        "make a pipeline by answering a few questions",
        "create build-and-gray",
        "act",
        most=1,
    ),
    Verb(
        "answer",
        "answer WORDS",
        "answer what `create` asks; back goes one back, cancel leaves",
        "answer shop-api",
        "act",
        1,
        MANY,
    ),
)
