"""Secret variables: giving them values, which nobody is shown."""

from bot.verbs.verb import Verb

SECRETS = (
    Verb(
        "secret",
        "secret list|set|remove PIPELINE [NAME]",
        "the secret variables of a pipeline: which have a value, giving one, alone with me, and taking it away",
        "secret set hello token",
        "act",
        2,
        10_000,
    ),
)
