"""Pipelines: what there is, and how it is written."""

from bot.verbs.verb import Verb

PIPELINES = (
    Verb("list", "list", "every pipeline, and how its last run went", "list", most=2),
    Verb("show", "show PIPELINE", "a pipeline: its stages, variables and people", "show hello", least=1, most=1),
    Verb(
        "define",
        "define YAML",
        "make or change a pipeline from its definition",
        "define (then the YAML)",
        "act",
        text=True,
    ),
    Verb(
        "edit", "edit PIPELINE", "change a pipeline: a form, or its definition to send back", "edit hello", "look", 1, 1
    ),
    Verb(
        "check",
        "check YAML",
        "every complaint about a definition, without keeping it",
        "check (then the YAML)",
        text=True,
    ),
    Verb(
        "export",
        "export PIPELINE [VERSION]",
        "a pipeline's definition as it was written",
        "export hello",
        least=1,
        most=2,
    ),
    Verb("delete", "delete PIPELINE", "take a pipeline away, after DELETE is typed", "delete hello", "act", 1, 1),
)
