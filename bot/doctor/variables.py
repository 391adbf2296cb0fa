"""Variables of the environment that look like Sluice's settings and are none: most are misspelt."""

from collections.abc import Iterable, Iterator

from bot.doctor.finding import Finding, odd
from bot.settings import Settings
from engine.complaints import nearest

MOST = 10
_PREFIX = "SLUICE_"
_OTHERS = frozenset(
    {
        "as",
        "die_at",
        "group",
        "instance",
        "log",
        "mark",
        "packages_token",
        "packages_url",
        "release",
        "track",
        "version",
    }
)
"""What is no setting of the bot: read by commands, or given to what Sluice runs."""


def unknown(variables: Iterable[str]) -> Iterator[Finding]:
    """Say of each which setting is likely meant. They are read in any case of letters."""
    known = Settings.model_fields
    names = sorted(one.upper() for one in variables if one.upper().startswith(_PREFIX))
    strange = [one for one in names if one.removeprefix(_PREFIX).lower() not in {*known, *_OTHERS}]
    for name in strange[:MOST]:
        near = nearest(name.removeprefix(_PREFIX), known)
        cure = f"Did you mean {_PREFIX}{near.upper()}?" if near else "Take it away; README lists the settings."
        yield odd("settings", f"{name} is no setting of Sluice's, so nothing reads it.", cure)
