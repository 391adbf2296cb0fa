"""Asks every check, beside each other, and says what came of it: a line each.

It ends within 15 seconds or so, whatever is asked does or does not do: the database has five, since it tells which
rooms and namespaces to look at; then a chat is asked twice at most, one call after the other, and a cluster has ten.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.doctor import database
from bot.doctor.clusters import clusters
from bot.doctor.code import code
from bot.doctor.docker import docker
from bot.doctor.finding import Finding, Health, well
from bot.doctor.machine import home, programs
from bot.doctor.outside import outside
from bot.doctor.rooms import lost
from bot.doctor.slack import slack
from bot.doctor.telegram import telegram
from bot.doctor.variables import unknown
from bot.settings import Settings
from engine.model import RoomId

PATIENCE = 5.0
MARKS = {Health.WELL: "ok", Health.ODD: "look", Health.ILL: "MEND"}
CHANNELS = 20
LONGEST = 300
"""Letters of a sentence; what another program says in a chat's place may have no end."""
_SHORTEST = 8
"""Letters of a secret that is looked for in findings; a shorter one is part of ordinary words."""


async def examine(settings: Settings, patience: float = PATIENCE, variables: Iterable[str] = ()) -> list[Finding]:
    """Everything that was found, in the order of the checks. Each call waits `patience` seconds at most.

    `variables` are the names of those in the environment.
    """
    in_database, seen = await database.look(settings, patience)
    channels = [channel for room in seen.rooms if (channel := _channel(room))][:CHANNELS]
    groups = list(dict.fromkeys(group for room in seen.rooms if (group := _group(room))))[:CHANNELS]
    at_home, of_programs, *others, of_slack, of_telegram = await asyncio.gather(
        home(settings),
        programs(settings),
        clusters(settings, seen.definitions, patience),
        docker(settings, seen.definitions, patience),
        outside(settings, seen.definitions, patience),
        code(settings, seen, patience),
        slack(settings, channels, patience),
        telegram(settings, groups, patience),
    )
    found = [
        *unknown(variables),
        *at_home,
        *in_database,
        *of_programs,
        *(finding for findings in others for finding in findings),
    ]
    found += [*of_slack, *of_telegram, *lost(seen.lost)]
    if not of_slack and not of_telegram:
        found.append(well("chats", "none is set up; the console and the terminal need none"))
    return [_shown(one, _secrets(settings)) for one in found]


def lines(found: Sequence[Finding]) -> list[str]:
    """One line for each finding: its mark, what it is, how it is, and what mends it."""
    width = max((len(one.what) for one in found), default=0)
    said = [f"{MARKS[one.health]:<5} {one.what:<{width}}  {one.sentence}" for one in found]
    return [f"{line}  →  {one.cure}" if one.cure else line for line, one in zip(said, found, strict=True)]


def _channel(room: RoomId) -> str:
    """The channel's id; empty for a direct message and for other chats' rooms."""
    name = room.rpartition("/")[2]
    return name if room.startswith("slack:") and name[:1] in ("C", "G") else ""


def _group(room: RoomId) -> str:
    """The number of a group or a channel; empty for a chat with one person and for other chats' rooms."""
    name = room.partition(":")[2].partition("/")[0]
    return name if room.startswith("telegram:-") else ""


def _secrets(settings: Settings) -> list[str]:
    values = (value.get_secret_value().strip() for value in settings.secrets)
    return [value for value in values if len(value) >= _SHORTEST]


def _shown(one: Finding, secrets: Sequence[str]) -> Finding:
    """Return the finding without what the other side may have quoted of ours."""
    sentence, cure = one.sentence, one.cure
    for secret in secrets:
        sentence, cure = sentence.replace(secret, "..."), cure.replace(secret, "...")
    return replace(one, sentence=sentence if len(sentence) <= LONGEST else f"{sentence[:LONGEST]}…", cure=cure)
