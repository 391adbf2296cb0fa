"""Software packages: what is kept, and how it comes and goes."""

from bot.verbs.verb import MANY, Verb

PACKAGES = (
    Verb("packages", "packages [SEARCH]", "software packages, all of them or those that match", "packages api", most=9),
    Verb(
        "package",
        "package PATH | package create|upload|get|delete PATH | package token NAME ORGANIZATION [read|write|delete] "
        "[DAYS] | package tokens | package revoke TOKEN",
        "a software package, ORG/REPO/PACKAGE[/VERSION[/FILE]]: look, make, put a file there that is sent along, get; "
        "delete, after DELETE is typed; tokens for machines",
        "package acme/shop/api/1.0",
        "act",
        0,
        MANY,
    ),
)
