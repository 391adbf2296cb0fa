"""The ways on which messages go out. A lane sends one message once; trying again is the courier's affair."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from threading import Semaphore, Thread
from typing import Protocol
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from bot.chat import Chat, Messenger, RoomLost, RoomMoved, Slower, Undeliverable
from bot.heralds.faults import Away, NotEver, NotNow, NotSetUp, Unanswered
from bot.heralds.letters import letter, short_of, subject_of
from bot.heralds.mail_server import MailServer
from bot.heralds.parcels import ACCOUNT, PHONE, Note, note_of, request_of
from bot.secrecy.kept import KeptSecrets
from engine.errors import Broken, Interrupted
from engine.model import RoomId
from engine.ports import Clock
from engine.web_call import host_of
from storage.outbox import Parcel
from storage.store import SqlStore
from storage.vault import Vault

IDEMPOTENCY = "Idempotency-Key"
DEPTH = "Sluice-Depth"
AGENT = "Sluice"
SECONDS = 15.0
"""How long one try of a webhook may take."""
GATEWAY_SECONDS = 60.0
"""How long one of a gateway may take, which asks others in turn: less than the courier's lease."""
GATEWAYS_AT_ONCE = 4
_IN_A_ROW = 3
_MORE = 5.0
_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_LONGEST_WAIT = 8 * 3600


class Lane(Protocol):
    """One way. Raises `NotNow` or `Away` when it may work later, and `Refused` or `Broken` when it will not."""

    async def send(self, parcel: Parcel) -> None:
        """Send one message."""
        ...


@dataclass(frozen=True, slots=True)
class WebLane:
    """Webhooks. What a receiver answers is read no further than its status."""

    vault: Vault
    client: httpx.AsyncClient
    secrets: KeptSecrets | None = None

    async def send(self, parcel: Parcel) -> None:
        """Send the request; 2xx says that it has arrived."""
        request = request_of(self.vault, parcel.sealed)
        call, host = request.call, host_of(request.call.url)
        if self.secrets is not None:
            call = await self.secrets.call(parcel.pipeline, call)
        own = {IDEMPOTENCY: parcel.key, DEPTH: str(request.depth), "User-Agent": AGENT}
        headers = [(name.encode(), value.encode()) for name, value in {**call.headers, **own}.items()]
        content = call.body.encode() if call.body else None
        try:
            async with (
                asyncio.timeout(SECONDS),
                self.client.stream(call.method, call.url, headers=headers, content=content) as answer,
            ):
                _judge(answer, host)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
            raise NotEver(f"The address or a header cannot be sent ({type(error).__name__}).") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise NotNow(f"{host} cannot be reached ({type(error).__name__}).") from error


def _judge(answer: httpx.Response, host: str) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if answer.is_redirect or answer.has_redirect_location:
        raise NotEver(f"{host} answered {status}, a redirect, which is not followed.")
    if status in _AGAIN or answer.is_server_error:
        raise NotNow(f"{host} answered {status}.", _asked(answer.headers.get("retry-after", "")))
    raise NotEver(f"{host} answered {status}.")


def _asked(written: str) -> timedelta | None:
    is_number = written.isascii() and written.isdecimal() and len(written) < 7  # noqa: PLR2004 - digits of seconds
    return timedelta(seconds=min(int(written), _LONGEST_WAIT)) if is_number else None


@dataclass(frozen=True, slots=True)
class MailLane:
    """E-mail from `sender`."""

    vault: Vault
    clock: Clock
    server: MailServer
    sender: str

    async def send(self, parcel: Parcel) -> None:
        """Send one mail."""
        note = note_of(self.vault, parcel.sealed)
        now = self.clock.now()
        try:
            mail = letter(note.card, note.link, key=parcel.key, sender=self.sender, to=note.to, now=now)
        except ValueError as error:
            raise NotEver("The address is none that a mail can be sent to.") from error
        await self.server.send(mail)


@dataclass(frozen=True, slots=True)
class GatewayLane:
    """SMS and every other service that Apprise speaks to: by a template of the settings, with `{to}` in it.

    Apprise waits in threads; they are of the lane's own, so that nothing else waits for a gateway, and Sluice ends
    without them. A thread cannot be ended: what one has begun and not ended in time may arrive, so it is not tried
    again. Apprise says no more than whether a message was taken: one number that is not is the number's fault; two in
    a row are the gateway's, or may be when it has taken nothing between three tries of one.
    """

    vault: Vault
    templates: Mapping[str, SecretStr]
    within: float = GATEWAY_SECONDS
    _free: Semaphore = field(default_factory=lambda: Semaphore(GATEWAYS_AT_ONCE), repr=False, compare=False)
    _refused: dict[str, deque[str]] = field(default_factory=dict, repr=False, compare=False)

    async def send(self, parcel: Parcel) -> None:
        """Send a few words."""
        note = note_of(self.vault, parcel.sealed)
        name = PHONE if parcel.way == PHONE else note.to
        template = self.templates.get(name)
        if template is None:
            raise NotSetUp(f"No gateway called {name} is set up.", "Whoever runs Sluice names it in SLUICE_GATEWAYS.")
        number = "".join(sign for sign in note.to if sign.isdecimal() or sign == "+")
        address = template.get_secret_value().replace("{to}", quote(number, safe="+"))
        message = (address, subject_of(note.card), short_of(note.card, note.link), self.within + _MORE)
        if await self._asked(name, message):
            self._refused[name] = deque(maxlen=_IN_A_ROW)
            return
        is_away = "{to}" not in template.get_secret_value() or self._refuses(name, number, parcel.attempts)
        raise (Away if is_away else NotNow)(f"Gateway {name} did not take the message.")

    def _refuses(self, name: str, number: str, attempts: int) -> bool:
        """Whether it is the gateway that takes nothing. Tries of before this Sluice began count, too."""
        row = self._refused.setdefault(name, deque([number] * (attempts - 1), _IN_A_ROW))
        row.append(number)
        return len(row) == _IN_A_ROW or len(set(row)) > 1

    async def _asked(self, name: str, message: tuple[str, str, str, float]) -> bool:
        """Whether the gateway took the message."""
        asking: Future[bool] = Future()
        work = partial(_apprise, name, *message)
        Thread(target=_work, args=(self._free, asking, work), name="sluice-gateway", daemon=True).start()
        answer = asyncio.wrap_future(asking)
        try:
            done, _ = await asyncio.wait([answer], timeout=self.within)
        finally:
            asking.cancel()
            answer.cancel()
        if done:
            return asking.result()
        if asking.cancelled():
            raise Away(f"Gateway {name} still works on messages before this one after {self.within:g} seconds.")
        raise Unanswered(
            f"Gateway {name} takes longer than {self.within:g} seconds.",
            "The message may have arrived, so it is not sent again.",
        )


def _work(free: Semaphore, asking: "Future[bool]", work: Callable[[], bool]) -> None:
    """Do it when a place is free, unless nobody waits for it any more."""
    with free:
        if asking.set_running_or_notify_cancel():
            try:
                asking.set_result(work())
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                asking.set_exception(error)


def _apprise(name: str, address: str, title: str, body: str, patience: float) -> bool:
    """Hand a message to Apprise; whether it was taken. Loaded when it is needed: it is large.

    Apprise itself would wait four seconds for an answer, and then say of a message that has arrived that it has not;
    and a minute for a service, in threads of its own that keep Sluice from ending.
    """
    import apprise  # noqa: PLC0415 - eighty services that most never use

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would write addresses, which hold passwords
    service = apprise.Apprise(asset=apprise.AppriseAsset(service_timeout=0))
    if not service.add(address):
        raise NotSetUp(f"The address of gateway {name} is none that Apprise knows.", "SLUICE_GATEWAYS holds it.")
    for one in service:
        one.socket_read_timeout = patience
    return bool(service.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


@dataclass(frozen=True, slots=True)
class ChatLane:
    """Rooms and people in chats."""

    vault: Vault
    store: SqlStore
    chats: Mapping[str, Chat]

    async def send(self, parcel: Parcel) -> None:
        """Post a card."""
        note = note_of(self.vault, parcel.sealed)
        chat = self.chats.get(note.to.partition(":")[0])
        if chat is None:
            raise NotEver(f"No chat of this Sluice has a room {note.to}.")
        try:
            await self._post(chat, parcel, note)
        except Slower as error:
            raise NotNow(str(error), error.after) from error
        except (RoomLost, Undeliverable) as error:
            raise NotEver(str(error)) from error
        except (Interrupted, Broken) as error:
            raise NotNow(str(error)) from error

    async def _post(self, chat: Chat, parcel: Parcel, note: Note) -> None:
        room = await self._direct(chat, note.to) if parcel.way == ACCOUNT else RoomId(note.to)
        try:
            await chat.post(room, note.card)
        except RoomMoved as moved:
            await chat.post(moved.new, note.card)

    async def _direct(self, chat: Chat, account: str) -> RoomId:
        found = await self.store.read(lambda book: book.accounts.find(account))
        if found is None:
            raise NotEver(f"{account} is nobody's account any more.")
        if found.direct or not isinstance(chat, Messenger):
            return found.direct
        return await chat.direct(account)
