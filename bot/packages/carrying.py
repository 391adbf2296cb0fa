"""Files that people send along in a chat: asked about first, fetched then, and put into the store of packages.

The danger is a file that does not come, or that a stranger makes Sluice fetch. So what is kept and acknowledged is an
update that says `package upload PATH` and only names the file. When the core has nothing against that, its answer is
not shown: the file is fetched in its place, into a draft whose name nobody can guess: whoever knows it has the file.
What follows is an update of its own, with the draft in its line, or with why it could not be had: one file has one
effect and one answer, as that update's key is made of the first one's. A draft that no line names is tidied away.
The first update counts as answered when the second is kept, so a fetching that Sluice's end cuts off begins anew with
the next start. Until then it has a room of its own, below the one that it came from: a room is written to by one task,
and no other room's cards wait for a file.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from bot.cards import Tone
from bot.chat import Answer, Update
from bot.onward import Onward, fetched
from engine.errors import Refused
from engine.model import RoomId
from engine.packages import parse
from storage.package_files import PackageFiles
from storage.package_refusals import size_of

MIB = 1024 * 1024
CARRIED = {"telegram": 49 * MIB, "slack": 49 * MIB}
"""How large a file may be that a chat carries to people, in bytes. Telegram's bots may send 50 MB."""
FETCHED = {"telegram": 20 * MIB, "slack": 100 * MIB}
"""How large a file may be that is fetched from a chat, in bytes. Telegram's bots are given 20 MB."""
_LINE = re.compile(r"(?:/?sluice\s+)?/?package\s+upload\s+(\S+)\s*", re.IGNORECASE)
_ROOM, _ALONE, _FILE, _NAME = "package_room", "package_alone", "package_file", "package_name"
_AGAIN = "Send it again, or use `sluice package push` or HTTP."
_WITHOUT_A_FILE = 4
"""Parts of a path that names no file."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file that came along in a chat: the chat's name for it, what it is called there, and its size if known."""

    file: str
    name: str
    size: int = 0


class NotCarried(Refused):
    """A chat does not give a file that somebody sent."""

    def __init__(self, name: str, why: str, hint: str = _AGAIN) -> None:
        super().__init__(f"The file {name[:80]!a} could not be fetched. {why}", hint or _AGAIN)


def is_meant(line: str) -> bool:
    """Whether a line with a file says where in the store the file is to go."""
    return _LINE.fullmatch(line) is not None


def _path_in(line: str) -> str:
    match = _LINE.fullmatch(line)
    return match[1] if match else ""


def asking(update: Update, parcel: Parcel) -> Update:
    """Return the update as one that asks whether its file may come, in a room of its own. Its line `is_meant`."""
    path = _path_in(update.line)
    if path.count("/") == _WITHOUT_A_FILE - 1:
        path = f"{path}/{parcel.name}"
    about = {_ROOM: str(update.room), _ALONE: "yes" if update.is_alone else "", _FILE: parcel.file, _NAME: parcel.name}
    room = RoomId(f"{update.room}/{hashlib.sha256(update.key.encode()).hexdigest()[:16]}")
    line = f"package upload {path}"
    return replace(update, line=line, room=room, is_alone=False, context={**update.context, **about})


def unfit(chat: str, line: str, parcel: Parcel) -> Refused | None:
    """Return what is said of a file that the chat does not give, or whose name is none; None when it may come."""
    try:
        path = parse(_path_in(line), _WITHOUT_A_FILE, _WITHOUT_A_FILE + 1)
        if not path.file:
            path.with_file(parcel.name)
    except Refused as error:
        return error
    most = FETCHED[chat]
    if parcel.size <= most:
        return None
    hint = "Use `sluice package push FILE PATH`, or PUT it by HTTP: `package` says how."
    return NotCarried(parcel.name, f"It has {size_of(parcel.size)}, and from here {size_of(most)} is the most.", hint)


def names_a_parcel(update: Update) -> bool:
    """Whether the update asks whether its file may come."""
    return _FILE in update.context


def is_let(update: Update, answer: Answer) -> bool:
    """Whether this answer says that the update's file may be fetched: whoever may not is refused."""
    return names_a_parcel(update) and answer.card.tone is not Tone.BAD


def as_it_came(update: Update) -> Update:
    """Return the update in the room that it came from, without what is about its file."""
    if not names_a_parcel(update):
        return update
    about = (_ROOM, _ALONE, _FILE, _NAME)
    context = {name: said for name, said in update.context.items() if name not in about}
    return replace(update, room=RoomId(update.context[_ROOM]), is_alone=bool(update.context[_ALONE]), context=context)


@dataclass(slots=True)
class Carrier:
    """Fetches files with `fetch`, which gives their content, each for so many `seconds` at most.

    `refused` makes an update one that is answered with a refusal, as the chat does it.
    """

    files: PackageFiles
    fetch: Callable[[str, int], Awaitable[bytes]]
    refused: Callable[[Update, Refused], Update]
    most: int
    seconds: float = 120.0
    onward: Onward = field(default_factory=Onward)

    async def hand_on(self, update: Update) -> None:
        """Fetch what an update names and hand it on. Raises `Interrupted` or `Broken` when it could not be kept."""
        await self.onward.accept(await self._whole(update))

    async def _whole(self, update: Update) -> Update:
        said = replace(as_it_came(update), key=f"{update.key}:file")
        draft, (file, name) = secrets.token_hex(16), (update.context[_FILE], update.context[_NAME])
        try:
            content = await fetched(
                lambda: self.fetch(file, self.most), self.seconds, lambda why, hint: NotCarried(name, why, hint)
            )
            await asyncio.to_thread(self._write, draft, content)
        except Refused as refusal:
            return self.refused(said, refusal)
        return replace(said, line=f"{update.line} {draft}")

    def _write(self, draft: str, content: bytes) -> None:
        self.files.append(draft, content)
        self.files.sync(draft)
