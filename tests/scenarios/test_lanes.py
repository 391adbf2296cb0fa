"""The ways on which messages go out: web addresses, mail, gateways, chats; what each does when it cannot."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bot.cards import Card, Tone
from bot.heralds.faults import Away, NotEver, NotNow, Unanswered
from bot.heralds.lanes import GATEWAYS_AT_ONCE, ChatLane, GatewayLane, MailLane, WebLane
from bot.heralds.mail_server import MailServer
from bot.heralds.parcels import Note, sealed
from engine.addresses import parse_network
from engine.errors import SluiceError
from engine.model import PersonId, RoomId, RunId
from engine.outbound import outbound_client
from storage.accounts import Account
from storage.outbox import Parcel
from storage.vault import Vault, new_key
from tests.support.eventually import eventually
from tests.support.mailbox import Mailbox, mailbox
from tests.support.model_messenger import CHANNEL, ModelMessenger, unreachable
from tests.support.outside import Outside, outside
from tests.support.receiver import Receiver, receiving
from tests.support.store import T0
from tests.support.told import NOTIFIES, TELLS

MINUTE = timedelta(minutes=1)


def parcel(vault: Vault, way: str, to: str, card: Card | None = None, key: str = "shop-1:9:notify-0") -> Parcel:
    content = sealed(
        vault, Note(to, card or Card("shop-1 succeeded", Tone.GOOD, "All <is> well"), "https://c.example.com")
    )
    return Parcel(key, T0, "shop", RunId("shop-1"), "about", way, to, content)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Outside]:
    """A world whose webhooks really go out; loopback is allowed."""
    vault = Vault([new_key()])
    async with outbound_client((parse_network("127.0.0.0/8"),)) as client:
        lane = WebLane(vault, client)
        async with outside(tmp_path, {"webhook": lane}, vault=vault) as world:
            await world.herald.catch_up()
            yield world


def calling(url: str, more: str = "") -> str:
    head, _, rest = TELLS.partition("      - webhook: ")
    return f"{head}      - webhook: {url}\n{more}{rest.partition(chr(10))[2]}".replace("Bearer hidden", "Bearer x")


async def tell(world: Outside, url: str, more: str = "", tag: str = "v1") -> Parcel:
    await world.define(calling(url, more))
    await world.succeed(await world.start("tells", tag=tag))
    await world.tell()
    return (await world.outbox())[-1]


async def test_a_receiver_that_fails_is_called_again_with_the_same_idempotency_key(
    web: Outside, receiver: Receiver
) -> None:
    receiver.statuses = [500, 429, 200]
    assert (await tell(web, receiver.url)).status == "waiting"
    for _ in range(2):
        web.clock.pass_time(MINUTE)
        await web.send()
    (sent,) = await web.outbox()
    assert (sent.status, sent.attempts) == ("sent", 3)
    assert {one.headers["idempotency-key"] for one in receiver.requests} == {sent.key}


async def test_an_answer_that_says_no_is_final(web: Outside, receiver: Receiver) -> None:
    receiver.statuses = [403]
    told = await tell(web, receiver.url)
    assert (told.status, told.attempts) == ("refused", 1)
    assert told.error == f"{receiver.url.removeprefix('http://')} answered 403."


async def test_a_redirect_is_not_followed_and_is_written_down(web: Outside, receiver: Receiver) -> None:
    receiver.statuses, receiver.location = [302], f"{receiver.url}/elsewhere"
    told = await tell(web, f"{receiver.url}/here")
    assert (told.status, "which is not followed" in told.error) == ("refused", True)
    assert [one.path for one in receiver.requests] == ["/here"]


async def test_a_receiver_that_never_answers_is_given_up_and_holds_up_nothing(web: Outside, receiver: Receiver) -> None:
    receiver.silent = asyncio.Event()
    lane = web.courier.lanes["webhook"]
    assert isinstance(lane, WebLane)
    lane.client.timeout = httpx.Timeout(0.05)
    told = await tell(web, receiver.url)
    receiver.silent.set()
    assert (told.status, "cannot be reached" in told.error) == ("waiting", True)
    assert (await web.run("tells-1")).stage.name == "more"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://0x7f000001:1/", "http://2130706433:1/"],
)
async def test_a_private_address_is_refused_and_nothing_is_sent(tmp_path: Path, url: str) -> None:
    vault = Vault([new_key()])
    async with (
        outbound_client() as client,
        outside(tmp_path, {"webhook": WebLane(vault, client)}, vault=vault) as world,
    ):
        await world.herald.catch_up()
        told = await tell(world, url)
        assert (told.status, told.attempts) == ("refused", 1)
        assert "not public" in told.error


@pytest.mark.parametrize(
    "value", ["evil.example.com/", "evil.example.com#", "x@evil.example.com", "a:1/", "a\\b", "%2f"]
)
async def test_a_value_that_would_change_where_an_address_leads_is_refused(web: Outside, value: str) -> None:
    told = await tell(web, "http://${tag}.example.com/hook", tag=value)
    assert (told.status, told.attempts) == ("refused", 0)
    assert "would change where the address leads" in told.error


async def test_a_value_stays_one_value_in_an_address_and_in_a_body(web: Outside, receiver: Receiver) -> None:
    value = 'v1&admin=1#x","admin":true,"y":"'
    more = """        body: '{"tag": "${tag}"}'\n        parameters: {again: tag}\n"""
    told = await tell(web, f"{receiver.url}/a/${{tag}}/b?tag=${{tag}}", more, tag=value)
    assert told.status == "sent", told.error
    (request,) = receiver.requests
    assert request.query == {"tag": value, "again": value}
    assert json.loads(request.body) == {"tag": value}
    assert request.path.count("/") == 3


async def test_a_mail_says_the_outcome_and_is_the_same_mail_when_it_comes_twice(tmp_path: Path) -> None:
    vault = Vault([new_key()])
    async with mailbox() as box, outside(tmp_path) as world:
        lane = mail_lane(vault, world, box)
        for _ in range(2):
            await lane.send(parcel(vault, "email", "team@example.com"))
        first, second = box.mails
        assert (first["Subject"], first["To"], first["From"]) == (
            "shop-1 succeeded",
            "team@example.com",
            "s@example.com",
        )
        assert first["Message-ID"] == second["Message-ID"] == "<shop-1.9.notify-0@example.com>"
        page = first.get_body(("html",))
        assert page is not None
        assert "All &lt;is&gt; well" in page.get_content()


async def test_a_mail_server_that_is_away_is_said_once_and_everything_goes_out_when_it_is_back(tmp_path: Path) -> None:
    vault = Vault([new_key()])
    async with mailbox() as box, outside(tmp_path, vault=vault) as world:
        world.lanes = {"email": mail_lane(vault, world, box)}
        world.start_telling()
        await world.define(NOTIFIES)
        await world.herald.catch_up()
        await box.go()
        for _ in range(3):
            await world.succeed(await world.start("notifies"))
        await world.tell()
        assert [tone for _, tone in world.said] == [Tone.BAD]
        assert "cannot be reached" in world.said[0][0]
        assert world.courier.troubles() == (world.said[0][0],)
        await box.come()
        world.clock.pass_time(MINUTE)
        await world.send()
        assert [tone for _, tone in world.said] == [Tone.BAD, Tone.GOOD]
        assert world.courier.troubles() == ()
        assert len(box.mails) == 3


async def test_an_address_that_the_mail_server_refuses_is_no_trouble_of_the_server(tmp_path: Path) -> None:
    vault = Vault([new_key()])
    async with mailbox() as box, outside(tmp_path, vault=vault) as world:
        world.lanes = {"email": mail_lane(vault, world, box)}
        world.start_telling()
        await world.define(NOTIFIES)
        await world.herald.catch_up()
        box.refuses = {"team@example.com": "550 no such user"}
        await world.succeed(await world.start("notifies"))
        await world.tell()
        (told,) = await world.outbox()
        assert (told.status, world.said) == ("refused", [])
        assert "does not take mail for team@example.com (550)" in told.error
        box.refuses = {"team@example.com": "450 mailbox is busy"}
        await world.succeed(await world.start("notifies"))
        await world.tell()
        assert (await world.outbox())[-1].status == "waiting"


async def test_without_a_mail_server_it_is_said_what_to_set(tmp_path: Path) -> None:
    async with outside(tmp_path) as world:
        lane = MailLane(world.vault, world.clock, MailServer("", 25), "s@example.com")
        world.lanes = {"email": lane}
        world.start_telling()
        await world.define(NOTIFIES)
        await world.herald.catch_up()
        await world.succeed(await world.start("notifies"))
        await world.tell()
        await world.succeed(await world.start("notifies"))
        await world.tell()
        said = "No mail server is set up. Whoever runs Sluice sets SLUICE_SMTP_HOST."
        assert [one.error for one in await world.outbox()] == [said, said]
        assert world.said == [(f"Mail: {said}", Tone.BAD)]


async def test_a_phone_is_told_through_the_gateway_that_the_settings_name(tmp_path: Path, receiver: Receiver) -> None:
    vault = Vault([new_key()])
    address = receiver.url.replace("http://", "json://") + "/sms/{to}"
    lane = GatewayLane(vault, {"phone": SecretStr(address)})
    await lane.send(parcel(vault, "phone", "+49 (30) 1234567"))
    (request,) = receiver.requests
    assert request.path == "/sms/+49301234567"
    assert "shop-1 succeeded" in json.loads(request.body)["message"]


async def test_a_gateway_that_is_not_set_up_is_refused_and_one_that_fails_is_tried_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    async with outside(tmp_path) as world:
        address = receiver.url.replace("http://", "json://secret-user:secret-word@")
        lane = GatewayLane(world.vault, {"pager": SecretStr(address)})
        world.lanes = {"gateway": lane, "phone": lane}
        world.start_telling()
        await world.define(NOTIFIES)
        await world.herald.catch_up()
        await world.fail(await world.start("notifies"))
        await world.tell()
        told = {one.way: one for one in await world.outbox()}
        assert told["phone"].error.startswith("No gateway called phone is set up.")
        assert (told["gateway"].status, told["gateway"].error) == ("waiting", "Gateway pager did not take the message.")
        assert "secret" not in f"{told} {world.said}"


async def test_a_gateway_that_does_not_answer_in_time_is_not_asked_twice(tmp_path: Path, receiver: Receiver) -> None:
    receiver.silent = asyncio.Event()
    async with outside(tmp_path) as world:
        lane = GatewayLane(world.vault, {"pager": SecretStr(receiver.url.replace("http://", "json://"))}, within=0.5)
        world.lanes = {"gateway": lane}
        world.start_telling()
        await world.define(NOTIFIES)
        await world.herald.catch_up()
        await world.fail(await world.start("notifies"))
        await world.tell()
        receiver.silent.set()
        world.clock.pass_time(MINUTE)
        await world.send()
        (told,) = [one for one in await world.outbox() if one.way == "gateway"]
        assert (told.status, told.attempts, len(receiver.requests)) == ("refused", 1, 1)
        assert told.error.startswith("Gateway pager takes longer than 0.5 seconds. The message may have arrived")


async def test_a_gateway_that_does_not_answer_in_time_is_said_once_and_that_it_works_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.silent = asyncio.Event()
    async with outside(tmp_path) as world:
        lane = GatewayLane(world.vault, {"pager": SecretStr(receiver.url.replace("http://", "json://"))}, within=0.5)
        world.lanes = {"gateway": lane}
        world.start_telling()
        await world.define(NOTIFIES)
        await world.herald.catch_up()
        for _ in range(2):
            await world.fail(await world.start("notifies"))
            await world.tell()
        ((sentence, tone),) = world.said
        assert (tone, world.courier.troubles()) == (Tone.BAD, (sentence,))
        assert sentence.startswith("Gateway pager: Gateway pager takes longer than 0.5 seconds. The message may have")
        assert "tried again" not in sentence
        receiver.silent.set()
        await world.fail(await world.start("notifies"))
        await world.tell()
        assert world.said[1:] == [("Gateway pager: messages go out again.", Tone.GOOD)]


ASKS = """
import asyncio, sys
from bot.heralds.lanes import GatewayLane
from pydantic import SecretStr
from storage.vault import Vault, new_key
from tests.scenarios.test_lanes import parcel

async def ask():
    vault = Vault([new_key()])
    lane = GatewayLane(vault, {"pager": SecretStr(sys.argv[1])})
    sending = asyncio.create_task(lane.send(parcel(vault, "gateway", "pager")))
    await asyncio.to_thread(sys.stdin.readline)
    sending.cancel()
    await asyncio.wait([sending])

asyncio.run(ask())
"""


async def test_no_end_of_sluice_waits_for_a_gateway_that_does_not_answer(receiver: Receiver) -> None:
    receiver.silent = asyncio.Event()
    address = receiver.url.replace("http://", "json://")
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ASKS, address, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        await eventually(lambda: len(receiver.requests) == 1, "the gateway is asked", within=40)
        async with asyncio.timeout(20):
            _, said = await asking.communicate(b"\n")
        assert (asking.returncode, said) == (0, b"")
    finally:
        receiver.silent.set()
        if asking.returncode is None:
            asking.kill()
            await asking.wait()


async def test_a_gateway_is_away_while_all_its_threads_wait_and_what_it_was_not_told_is_told_later(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.silent = asyncio.Event()
    vault = Vault([new_key()])
    lane = GatewayLane(vault, {"pager": SecretStr(receiver.url.replace("http://", "json://"))}, within=0.5)
    sending = [lane.send(parcel(vault, "gateway", "pager")) for _ in range(GATEWAYS_AT_ONCE + 1)]
    ends = await asyncio.gather(*sending, return_exceptions=True)
    receiver.silent.set()
    assert [type(one) for one in ends] == [Unanswered] * GATEWAYS_AT_ONCE + [Away]


async def test_one_number_that_is_not_taken_is_no_trouble_of_the_gateway_and_two_in_a_row_are(
    tmp_path: Path, receiver: Receiver
) -> None:
    vault = Vault([new_key()])
    lane = GatewayLane(vault, {"phone": SecretStr(receiver.url.replace("http://", "json://") + "/{to}")})
    receiver.statuses = [400, 400, 200, 400, 400]
    ends = [type(await failing(lane, parcel(vault, "phone", number))) for number in ("+1", "+1", "+2", "+1", "+3")]
    assert ends == [NotNow, NotNow, type(None), NotNow, Away]


async def test_a_gateway_that_takes_no_message_to_the_only_number_is_away_at_the_third_try(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.statuses = [401] * 4
    async with outside(tmp_path) as world:
        address = receiver.url.replace("http://", "json://") + "/{to}"
        world.lanes = {"phone": GatewayLane(world.vault, {"phone": SecretStr(address)})}
        world.start_telling()
        await world.define(
            NOTIFIES.replace("{person: ann}, ", "").replace('{gateway: pager}, {room: "model:c1"}, ', "")
        )
        await world.herald.catch_up()
        await world.fail(await world.start("notifies"))
        await world.tell()
        heard = []
        for _ in range(4):
            world.clock.pass_time(60 * MINUTE)
            await world.send()
            heard.append([tone for said, tone in world.said if "phone" in said])
        assert heard == [[], [Tone.BAD], [Tone.BAD], [Tone.BAD, Tone.GOOD]]


async def test_what_was_tried_before_sluice_began_anew_counts_as_tried(receiver: Receiver) -> None:
    vault = Vault([new_key()])
    lane = GatewayLane(vault, {"phone": SecretStr(receiver.url.replace("http://", "json://") + "/{to}")})
    receiver.statuses = [401]
    assert isinstance(await failing(lane, replace(parcel(vault, "phone", "+1"), attempts=3)), Away)


async def test_a_number_that_is_never_taken_is_no_trouble_of_a_gateway_that_takes_others(receiver: Receiver) -> None:
    vault = Vault([new_key()])
    lane = GatewayLane(vault, {"phone": SecretStr(receiver.url.replace("http://", "json://") + "/{to}")})
    receiver.statuses = [400, 204] * 4
    ends = [
        await failing(lane, replace(parcel(vault, "phone", number), attempts=attempts))
        for attempts in (1, 2, 3, 4)
        for number in ("+1", "+2")
    ]
    assert [type(one) for one in ends] == [NotNow, type(None)] * 4


async def failing(lane: GatewayLane, parcel: Parcel) -> SluiceError | None:
    try:
        await lane.send(parcel)
    except SluiceError as error:
        return error
    return None


async def test_rooms_and_people_are_told_in_their_chats_and_a_lost_room_is_refused(tmp_path: Path) -> None:
    chat = ModelMessenger()
    async with outside(tmp_path) as world:
        lane = ChatLane(world.vault, world.store, {"model": chat})
        account = Account("model:ann", PersonId("ann"), "Ann", RoomId(""), T0)
        await world.store.transact(lambda book: book.accounts.link(account))
        await lane.send(parcel(world.vault, "room", CHANNEL))
        await lane.send(parcel(world.vault, "account", "model:ann"))
        assert {room: len(shown) for room, shown in chat.rooms.items()} == {CHANNEL: 1, "model:direct-ann": 1}
        chat.fails = unreachable
        with pytest.raises(NotNow):
            await lane.send(parcel(world.vault, "room", CHANNEL))


async def test_a_room_of_no_chat_that_is_here_is_refused_in_words(tmp_path: Path) -> None:
    async with outside(tmp_path) as world:
        with pytest.raises(NotEver, match="No chat of this Sluice has a room model:c1"):
            await ChatLane(world.vault, world.store, {}).send(parcel(world.vault, "room", CHANNEL))


def mail_lane(vault: Vault, world: Outside, box: Mailbox) -> MailLane:
    return MailLane(vault, world.clock, MailServer("127.0.0.1", box.port, "none"), "s@example.com")
