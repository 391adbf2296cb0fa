"""The Slack stand-in behaves as documented: asked by Slack's own clients, checked by its own verifier."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.cards import Table
from bot.forms import Asked
from bot.slack import modals
from bot.slack.home import home
from bot.slack.render import render
from tests.support.slack_cards import CARDS
from tests.support.slack_deliveries import signed
from tests.support.slack_trouble import BROKEN, LIMITED, SILENT, Trouble
from tests.support.slack_wire import APP_TOKEN, BOT_TOKEN, SECRET, SlackWire, slack_wire

pytestmark = pytest.mark.live


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with slack_wire() as wire:
        wire.add_person("ann")
        wire.add_channel("RELEASES")
        yield wire


@pytest.fixture
def client(slack: SlackWire) -> AsyncWebClient:
    return AsyncWebClient(BOT_TOKEN, base_url=slack.url)


ROOM, ANN = "C00RELEASES", "U00ANN"


class App:
    """An app behind HTTP that checks signatures as Slack's SDK does and keeps what it let in."""

    def __init__(self) -> None:
        self.verifier = SignatureVerifier(SECRET)
        self.let_in: list[tuple[str, dict[str, str]]] = []
        self.answer: dict[str, Any] = {}

    async def hear(self, request: web.Request) -> web.Response:
        body = await request.text()
        if not self.verifier.is_valid_request(body, dict(request.headers)):
            return web.Response(status=401)
        self.let_in.append((body, dict(request.headers)))
        return web.json_response(self.answer) if self.answer else web.Response()


@pytest_asyncio.fixture
async def app(slack: SlackWire) -> AsyncIterator[App]:
    made = App()
    application = web.Application()
    application.router.add_post("/", made.hear)
    async with TestServer(application) as server:
        slack.app_url = str(server.make_url("/"))
        yield made


def arguments(name: str) -> dict[str, Any]:
    return render(CARDS[name], lambda button: f"token of {button.line[:30]}").arguments()


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as error:
        await call
    return str(error.value.response["error"])


async def test_a_channel_shows_the_last_edit(slack: SlackWire, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel=ROOM, **arguments("review"))
    await client.chat_update(channel=ROOM, ts=str(posted["ts"]), **arguments("succeeded"))
    assert [one["blocks"] for one in slack.messages(ROOM)] == [arguments("succeeded")["blocks"]]


async def test_a_thread_is_apart_from_its_channel(slack: SlackWire, client: AsyncWebClient) -> None:
    top = str((await client.chat_postMessage(channel=ROOM, text="top"))["ts"])
    await client.chat_postMessage(channel=ROOM, text="below", thread_ts=top)
    assert [one["text"] for one in slack.messages(ROOM)] == ["top"]
    assert [one["text"] for one in slack.messages(ROOM, top)] == ["below"]


async def test_a_card_for_one_person_is_not_in_the_channel(slack: SlackWire, client: AsyncWebClient) -> None:
    await client.chat_postEphemeral(channel=ROOM, user=ANN, **arguments("question"))
    assert slack.messages(ROOM) == []
    assert [one["user"] for one in slack.space.whispered] == [ANN]


async def test_where_the_bot_may_not_write_it_is_told_why(slack: SlackWire, client: AsyncWebClient) -> None:
    slack.add_channel("AWAY", member=False)
    slack.space.channels[slack.add_channel("OLD")].archived = True
    assert await refused(client.chat_postMessage(channel="C00NOWHERE", text="x")) == "channel_not_found"
    assert await refused(client.chat_postMessage(channel="C00AWAY", text="x")) == "not_in_channel"
    assert await refused(client.chat_postMessage(channel="C00OLD", text="x")) == "is_archived"
    assert await refused(client.chat_update(channel=ROOM, ts="1.1", text="x")) == "message_not_found"


async def test_broken_blocks_unknown_methods_and_unknown_arguments_are_refused(client: AsyncWebClient) -> None:
    header = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    assert await refused(client.chat_postMessage(channel=ROOM, text="x", blocks=[header])) == "invalid_blocks"
    assert await refused(client.api_call("chat.shout", json={"channel": ROOM})) == "unknown_method"
    assert await refused(client.chat_postMessage(channel=ROOM, text="x", loudness=3)) == "invalid_arguments"


async def test_tokens_and_scopes_are_checked(slack: SlackWire) -> None:
    assert await refused(AsyncWebClient("xoxb-other", base_url=slack.url).auth_test()) == "invalid_auth"
    assert await refused(AsyncWebClient(APP_TOKEN, base_url=slack.url).auth_test()) == "not_allowed_token_type"
    async with slack_wire(scopes=("chat:write",)) as other:
        other.add_person("ann")
        small = AsyncWebClient(BOT_TOKEN, base_url=other.url)
        assert await refused(small.conversations_open(users=ANN)) == "missing_scope"
        assert (await small.auth_test()).headers["x-oauth-scopes"] == "chat:write"


async def test_a_file_is_uploaded_in_two_steps_and_shown_in_its_thread(
    slack: SlackWire, client: AsyncWebClient
) -> None:
    top = str((await client.chat_postMessage(channel=ROOM, text="top"))["ts"])
    await client.files_upload_v2(channel=ROOM, thread_ts=top, content="a long log\n", filename="log.txt")
    shown = slack.messages(ROOM, top)[0]["files"][0]["id"]
    assert slack.space.files[shown].content == b"a long log\n"


async def test_every_third_call_is_limited_and_says_for_how_long(slack: SlackWire, client: AsyncWebClient) -> None:
    slack.add_channel("OTHER")
    limited = slack.go_wrong(Trouble(LIMITED, "chat.postMessage", ROOM, every=3, number=7))
    outcomes = []
    for number in range(6):
        await client.chat_postMessage(channel="C00OTHER", text="never limited")
        try:
            await client.chat_postMessage(channel=ROOM, text=str(number))
            outcomes.append("ok")
        except SlackApiError as error:
            outcomes.append(f"{error.response.status_code} {error.response.headers['Retry-After']}")
    assert outcomes == ["ok", "ok", "429 7", "ok", "ok", "429 7"]
    assert limited.met == 2
    assert [one["text"] for one in slack.messages(ROOM)] == ["0", "1", "3", "4"]


async def test_a_call_before_its_retry_after_is_over_is_noted(slack: SlackWire, client: AsyncWebClient) -> None:
    slack.go_wrong(Trouble(LIMITED, "chat.postMessage", ROOM, times=1, number=60))
    assert await refused(client.chat_postMessage(channel=ROOM, text="x")) == "ratelimited"
    assert slack.too_early == []
    await client.chat_postMessage(channel=ROOM, text="too soon")
    assert [one.arguments["text"] for one in slack.too_early] == ["too soon"]


async def test_calls_are_broken_hang_and_are_mended(slack: SlackWire, client: AsyncWebClient) -> None:
    slack.go_wrong(Trouble(BROKEN, number=503, times=1))
    with pytest.raises(SlackApiError) as error:
        await client.chat_postMessage(channel=ROOM, text="x")
    assert error.value.response.status_code == 503
    slack.go_wrong(Trouble(SILENT))
    impatient = AsyncWebClient(BOT_TOKEN, base_url=slack.url, timeout=1)
    with pytest.raises(TimeoutError):
        await impatient.chat_postMessage(channel=ROOM, text="x")
    slack.mend()
    await client.chat_postMessage(channel=ROOM, text="again")
    assert [one["text"] for one in slack.messages(ROOM)] == ["again"]


async def test_slack_goes_away_and_comes_back_with_everything_it_had(slack: SlackWire, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel=ROOM, text="before")
    await slack.go_away()
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await client.chat_postMessage(channel=ROOM, text="lost")
    await slack.come_back()
    await client.chat_postMessage(channel=ROOM, text="after")
    assert [one["text"] for one in slack.messages(ROOM)] == ["before", "after"]


def test_the_signature_is_the_documented_one() -> None:
    body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    headers = signed(body, "8f742231b10e8888abcd99yyyzzz85a5", 1531420618)
    expected = SignatureVerifier("8f742231b10e8888abcd99yyyzzz85a5").generate_signature(
        timestamp="1531420618", body=body
    )
    assert headers == {"X-Slack-Request-Timestamp": "1531420618", "X-Slack-Signature": expected}


async def test_what_people_do_is_let_in_and_what_is_forged_is_not(slack: SlackWire, app: App) -> None:
    command = slack.people.command(ANN, ROOM, "status & <more>")
    assert (await slack.send(command)).status == 200
    assert (await slack.send(command, secret="another")).status == 401
    assert (await slack.send(command, at=1_700_000_000)).status == 401
    assert len(app.let_in) == 1


async def test_a_delivery_again_is_the_same_with_a_number(slack: SlackWire, app: App) -> None:
    mention = slack.people.mention(ANN, ROOM, "status")
    for retry in range(3):
        await slack.send(mention, retry)
    assert len({body for body, _ in app.let_in}) == 1
    assert [headers.get("X-Slack-Retry-Num") for _, headers in app.let_in] == [None, "1", "2"]


async def test_a_press_carries_the_value_of_the_button_that_is_shown(
    slack: SlackWire, app: App, client: AsyncWebClient
) -> None:
    ts = str((await client.chat_postMessage(channel=ROOM, **arguments("review")))["ts"])
    press = slack.people.press(ANN, ROOM, ts, "Approve")
    assert press.payload["actions"][0]["value"] == "token of press approve shop-api-42 3 1 "
    assert (await slack.send(press)).status == 200
    with pytest.raises(AssertionError, match="There is no button 'Shout'"):
        slack.people.press(ANN, ROOM, ts, "Shout")


async def test_a_form_opens_once_with_a_trigger_and_shows_its_complaints(
    slack: SlackWire, app: App, client: AsyncWebClient
) -> None:
    trigger = slack.people.command(ANN, ROOM, "run shop-api").payload["trigger_id"]
    view = modals.run_modal("shop-api", 1, [Asked("version", "v1"), Asked("region", "eu")], "{}")
    await client.views_open(trigger_id=trigger, view=view)
    assert await refused(client.views_open(trigger_id=trigger, view=view)) == "exchanged_trigger_id"
    sent = slack.people.submit(ANN, {"variable:version": "v2"})
    values = modals.run_values(sent.payload["view"]["state"]["values"])
    assert values == {"version": "v2", "region": "eu"}
    app.answer = modals.complaints_at(view["blocks"], "region: there is no eu")
    assert app.answer["errors"] == {"variable:region": "region: there is no eu"}
    await slack.send(sent)
    assert len(slack.space.forms[ANN]) == 1
    app.answer = {}
    await slack.send(sent)
    assert slack.space.forms[ANN] == []
    assert slack.bad_answers == []


async def test_a_complaint_at_what_is_no_field_is_noted(slack: SlackWire, app: App, client: AsyncWebClient) -> None:
    trigger = slack.people.command(ANN, ROOM, "reject shop-api-42").payload["trigger_id"]
    await client.views_open(trigger_id=trigger, view=modals.reject_modal("shop-api-42", "{}"))
    app.answer = {"response_action": "errors", "errors": {"nowhere": "x"}}
    await slack.send(slack.people.submit(ANN, {"reason": "no"}))
    assert slack.bad_answers == ["an error at 'nowhere', which is no field"]


async def test_a_late_trigger_opens_nothing(slack: SlackWire, client: AsyncWebClient) -> None:
    slack.space.trigger_seconds = -1.0
    trigger = slack.people.command(ANN, ROOM, "link").payload["trigger_id"]
    assert await refused(client.views_open(trigger_id=trigger, view=modals.link_modal("{}"))) == "expired_trigger_id"


async def test_the_home_is_published_and_its_menu_chooses(slack: SlackWire, client: AsyncWebClient) -> None:
    pipelines = Table(("Pipeline", "State"), (("shop-api", "running"), ("mail", "quiet")))
    view = home([CARDS["review"]], [], pipelines, lambda button: button.line[:20])
    await client.views_publish(user_id=ANN, view=view)
    chosen = slack.people.press_at_home(ANN, "open:run", "mail").payload["actions"][0]
    assert chosen["selected_option"]["value"] == "mail"
    assert slack.people.press_at_home(ANN, "Approve").payload["container"]["type"] == "view"
