"""Forms that were sent: each sending is carried out once, and answered alike as often as it arrives.

A form sent again is one of two things. The same sending, delivered twice or repeated because its answer got lost: it
must have no second effect. Or a new try after a complaint, perhaps with the same words, because what was complained
about lay elsewhere: it must not be taken for the first. Slack marks neither: pressing again is a new trigger both
times, and a complaint changes nothing in the form. So a sending is named by its form, what was filled in, and how often
just that was refused; and whoever arrives while it is carried out gets the same answer.

How often it was refused is known until the bot ends. After that, a sending that was kept before may have been carried
out or refused: then nothing is done, and its sender is told so at the form, with what to do if nothing came of it.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Acknowledgement = Mapping[str, Any]
REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sending is answered with; `is_refused`: the same once more is a new try."""

    acknowledgement: Acknowledgement
    is_refused: bool = False


@dataclass(slots=True)
class Submissions:
    """Remembers what the latest sendings were answered with."""

    _answers: OrderedDict[str, "asyncio.Task[Sent]"] = field(default_factory=OrderedDict)
    _refused: OrderedDict[str, int] = field(default_factory=OrderedDict)

    async def once(self, view: Mapping[str, Any], carry_out: Callable[[str], Awaitable[Sent]]) -> Acknowledgement:
        """Carry a sending out, unless it was; `carry_out` gets its key. Errors are for whoever waits for it now."""
        name = _name(view)
        key = f"{name}:{self._refused.get(name, 0)}"
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(_done(carry_out, key))
            task.add_done_callback(lambda done: self._keep(name, key, done))
        return (await asyncio.shield(task)).acknowledgement

    async def end(self) -> None:
        """Leave what is under way; what was kept is carried out after the next start."""
        tasks = list(self._answers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep(self, name: str, key: str, done: "asyncio.Task[Sent]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._answers.pop(key, None)
        elif done.result().is_refused:
            self._refused[name] = self._refused.get(name, 0) + 1
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        while len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)


async def _done(carry_out: Callable[[str], Awaitable[Sent]], key: str) -> Sent:
    return await carry_out(key)


def _name(view: Mapping[str, Any]) -> str:
    filled = json.dumps(view["state"]["values"], sort_keys=True).encode()
    return f"{view['id']}:{view.get('hash', '')}:{hashlib.sha256(filled).hexdigest()[:16]}"
