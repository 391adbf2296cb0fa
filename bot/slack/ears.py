"""Slack, as a chat that is listened to: one bolt application, which Socket Mode or HTTP hands its deliveries to.

An acknowledgement says "kept". When something cannot be kept, Slack is told so (503, or nothing over Socket Mode) and
delivers again.
"""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.chat import Hearing
from bot.front import Front
from bot.slack import home, modals
from bot.slack.api import Api
from bot.slack.chat import SlackChat
from bot.slack.door import Door
from bot.slack.listeners import Listeners
from bot.slack.render import ACTION
from bot.slack.sockets import Sockets
from engine.errors import Broken, Interrupted, SluiceError

COMMAND = "/sluice"
EVENTS = ("app_home_opened", "app_mention", "message")
"""What is subscribed to; of messages only the direct ones (`message.im` in the manifest)."""
PRESSED = f"{ACTION}:"
"""How the `action_id` of every card's button begins."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class SlackEars:
    """Listens. With `app_api`, which has the app's token, over Socket Mode, else over HTTP."""

    chat: SlackChat
    app_api: Api | None
    secret: str = ""
    web: Door | None = field(init=False, default=None)
    listens_to: frozenset[str] = field(init=False)
    """The command, events, actions and forms; deploy/slack-manifest.yaml has to ask for them."""
    _app: AsyncApp = field(init=False)
    _listeners: Listeners = field(init=False)
    _sockets: Sockets | None = None

    def __post_init__(self) -> None:
        """Register what is listened to."""
        self._listeners = Listeners(self.chat)
        self._app = _bolt(self.chat.showing.api, self.secret)
        self.listens_to = _register(self._app, self._listeners)
        if self.app_api is None:
            self.web = Door(self._app.async_dispatch)

    @property
    def trouble(self) -> str:
        """What keeps deliveries from coming now; over HTTP nobody knows."""
        return "" if self._sockets is None else self._sockets.trouble

    @property
    def front(self) -> Front | None:
        """What makes front pages; the composition root sets it."""
        return self.chat.showing.front

    @front.setter
    def front(self, front: Front) -> None:
        self.chat.showing.front = front

    @asynccontextmanager
    async def listening(self, hearing: Hearing) -> AsyncIterator[None]:
        """Take deliveries inside the `async with`. Raises `Broken` when Slack refuses a token."""
        self._listeners.begin(hearing)
        async with AsyncExitStack() as after:
            await after.enter_async_context(self.chat.showing.api.open())
            after.push_async_callback(self._listeners.end)
            await _introduced(self.chat.showing.api)
            if self.app_api is not None:
                await after.enter_async_context(self.app_api.open())
                self._sockets = Sockets(self.app_api, self._app.async_dispatch)
                await after.enter_async_context(self._sockets.connected())
            yield


def _bolt(api: Api, secret: str) -> AsyncApp:
    async def authorize() -> AuthorizeResult:
        me = await api.me()
        return AuthorizeResult(
            enterprise_id=None, team_id=me.team, bot_token=api.token, bot_id=me.bot, bot_user_id=me.user
        )

    return AsyncApp(
        name="sluice",
        client=AsyncWebClient(base_url=api.url),
        signing_secret=secret,
        authorize=authorize,
        # Bolt's other way acknowledges before the work is done, and looks every 10 ms whether it has.
        process_before_response=True,
        # With it, Slack's check of a certificate is answered before any signature is looked at.
        ssl_check_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )


def _register(app: AsyncApp, listeners: Listeners) -> frozenset[str]:
    """Register what is listened to; returns it by name."""
    events = dict.fromkeys(EVENTS, listeners.message) | {"app_home_opened": listeners.home_opened}
    actions = {home.RUN: listeners.press, home.DEFINE: listeners.press, home.LINK: listeners.link}
    forms = (modals.RUN, modals.DEFINE, modals.REJECT, modals.LINK, modals.SECRET, modals.BIND, modals.CREATE)
    app.command(COMMAND)(listeners.command)
    for event, listener in events.items():
        app.event(event)(listener)
    app.action(re.compile(f"^{PRESSED}"))(listeners.press)
    for action, take in actions.items():
        app.action(action)(take)
    for form in forms:
        app.view(form)(listeners.submit)
    app.error(_not_kept)
    return frozenset({COMMAND, PRESSED, *events, *actions, *forms})


async def _not_kept(error: Exception) -> BoltResponse:
    """Tell Slack that a delivery was not kept, so that it comes again."""
    if isinstance(error, SluiceError):
        _LOG.warning("A delivery of Slack is not kept: %s", error)
    else:
        _LOG.error("A delivery of Slack broke something.", exc_info=error)
    return BoltResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, body="Not kept; deliver again.")


async def _introduced(api: Api) -> None:
    """Learn who Sluice is there. A Slack that cannot be reached is asked again by the first delivery."""
    try:
        await api.me()
    except Interrupted as error:
        _LOG.warning("Slack does not say yet who Sluice is there: %s", error)
    except SluiceError as error:
        raise Broken(str(error), error.hint) from error
