"""From a push to a run: an account is bound, the webhook attached, a delivery starts what was pushed."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from bot.cards import Card
from bot.web.room import LOBBY
from bot.web.said import Shown
from engine.forges.hosting import ForgeName
from engine.model import Run, RunState
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.forge_flavours import GITLAB_TOKEN, gitlab
from tests.support.forge_server import ForgeServer, Trouble
from tests.support.push_payloads import NOTHING, Posted, Told, payload_of, posted
from tests.support.repository import Repository

HOOKS = "https://sluice.example.com"
_SECRET = re.compile(r"Secret: (\S+)")
_URL = re.compile(r"URL: +(\S+)")


def shop(server: ForgeServer, *, extra: str = "", auto: str = "branches: [main, release/*]\n        tags: [v*]") -> str:
    return f"""
pipeline: shop
{extra}
variables: {{tag: none, commit: none}}
stages:
  - name: code
    source:
      git: {server.url("shop/api")}
      branch: main
      account: forge
      auto_build:
        {auto}
        parameters: {{tag: tag, commit: commit}}
"""


@dataclass
class World:
    """A bot, a GitLab, a repository there, and whoever delivers."""

    bot: Bot
    server: ForgeServer
    repository: Repository
    client: httpx.AsyncClient
    seen: list[str] = field(default_factory=list)

    async def bind(self) -> str:
        return await self.bot.say(f"account bind gitlab as forge at {self.server.origin} {GITLAB_TOKEN}")

    async def define(self, **how: str) -> str:
        return await self.bot.say(f"define\n{shop(self.server, **how)}")

    @property
    def hook(self) -> dict[str, object]:
        [hook] = self.server.hooks["shop/api"]
        return hook

    async def deliver(self, told: Told, number: str = "") -> httpx.Response:
        payload = payload_of(ForgeName.GITLAB, told)
        return await self.post(posted(ForgeName.GITLAB, payload, str(self.hook["token"]), number=number))

    async def post(self, delivery: Posted) -> httpx.Response:
        address = str(self.hook["url"]).replace(HOOKS, f"http://127.0.0.1:{self.bot.app.switchboard.hooks}")
        return await self.client.post(address, content=delivery.body, headers=delivery.headers)

    async def run(self, count: int = 1) -> Run:
        """Wait until there are so many runs; returns the newest."""

        async def look() -> bool:
            return len(await self.bot.runs("shop")) == count

        await eventually(look, f"{count} runs")
        return (await self.bot.runs("shop"))[0]

    async def became(self) -> str:
        """Wait until every delivery has become something; returns what is said of them."""

        async def look() -> bool:
            return not await self.bot.app.store.read(lambda book: book.pushes.open(1))

        await eventually(look, "nothing is open")
        return await self.bot.say("pushes shop")

    async def lobby(self) -> list[Shown]:
        """What is shown in the lobby."""
        return await self.bot.app.chat.present(LOBBY)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    repository = Repository(tmp_path / "forge" / "shop" / "api")
    repository.commit({"README": "one\n"}, "Begin")
    settings = {"hooks_url": HOOKS, "plain_git": True, "private_forges": ["127.0.0.0/8"]}
    with gitlab(tmp_path / "forge") as server:
        async with a_bot(tmp_path / "home", settings=settings) as bot, httpx.AsyncClient(trust_env=False) as client:
            yield World(bot, server, repository, client)


def pushed(repository: Repository, subject: str = "Sell more", branch: str = "main", login: str = "ann-dev") -> Told:
    before = repository.git("rev-parse", "HEAD")
    after = repository.commit({"README": f"{subject}\n"}, subject)
    if branch != "main":
        repository.git("branch", "-f", branch, after)
        repository.git("reset", "--hard", "-q", before)
    return Told(f"refs/heads/{branch}", before if branch == "main" else NOTHING, after, login=login, message=subject)


async def test_a_push_starts_a_run_of_what_was_pushed_for_the_person_who_bound_the_login(world: World) -> None:
    assert "forge is bound" in await world.bind()
    assert "the webhook is attached, for branches and new tags" in await world.define()
    told = pushed(world.repository)
    answer = await world.deliver(told)
    assert answer.status_code == 202
    run = await world.run()
    assert (run.requested_by, run.variables["commit"]) == ("ann", told.after)
    assert "pushed" in run.because
    done = await world.bot.ends(run.id, RunState.SUCCEEDED)
    assert done.stages[0].outputs["sha"] == told.after
    assert f"{run.id} was started" in await world.became()
    await world.deliver(pushed(world.repository, "More", login="stranger"))
    assert (await world.run(2)).requested_by == "127.0.0.1:stranger"


async def test_a_new_tag_starts_a_run_of_the_tag_and_a_moved_one_does_not(world: World) -> None:
    await world.bind()
    await world.define()
    sha = world.repository.git("rev-parse", "HEAD")
    world.repository.git("tag", "v2")
    await world.deliver(Told("refs/tags/v2", NOTHING, sha))
    run = await world.run()
    assert run.variables["tag"] == "v2"
    assert (await world.bot.ends(run.id, RunState.SUCCEEDED)).stages[0].outputs["ref"] == "v2"
    await world.deliver(Told("refs/tags/v2", "c" * 40, sha))
    assert "is not new, it was moved" in await world.became()
    assert len(await world.bot.runs("shop")) == 1


async def test_another_branch_is_built_in_place_of_the_one_written_and_a_force_push_as_it_is_now(world: World) -> None:
    await world.bind()
    await world.define()
    told = pushed(world.repository, "Hotfix", "release/2")
    await world.deliver(told)
    done = await world.bot.ends((await world.run()).id, RunState.SUCCEEDED)
    assert (done.stages[0].outputs["ref"], done.stages[0].outputs["sha"]) == ("release/2", told.after)
    pushed(world.repository, "Bad")
    bad = world.repository.git("rev-parse", "HEAD")
    world.repository.git("reset", "--hard", "-q", "HEAD~1")
    good = world.repository.git("rev-parse", "HEAD")
    await world.deliver(Told(before=bad, after=good, commits=0, forced=True))
    done = await world.bot.ends((await world.run(2)).id, RunState.SUCCEEDED)
    assert done.stages[0].outputs["sha"] == good


async def test_what_starts_nothing_is_said_with_the_reason(world: World) -> None:
    await world.bind()
    await world.define()
    for told in (Told(after=NOTHING), Told("refs/heads/other"), Told(message="Typo [skip ci]")):
        assert (await world.deliver(told)).status_code == 202
    said = await world.became()
    for why in ("was deleted", "matches none of main, release/*", "asks to be skipped"):
        assert why in said
    assert await world.bot.runs("shop") == []


async def test_the_same_delivery_three_times_at_once_starts_one_run(world: World) -> None:
    await world.bind()
    await world.define()
    told = pushed(world.repository)
    answers = await asyncio.gather(*(world.deliver(told, "one") for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 202]
    await world.became()
    assert len(await world.bot.runs("shop")) == 1
    deeds = await world.bot.app.store.read(lambda book: book.audit.latest(50))
    assert len([deed for deed in deeds if deed.line.startswith("push shop")]) == 1


async def test_a_run_takes_the_pushed_commit_though_somebody_has_pushed_since(world: World) -> None:
    await world.bind()
    await world.define()
    first = pushed(world.repository, "First")
    pushed(world.repository, "Second", login="bob-dev")
    await world.deliver(first)
    run = await world.bot.ends((await world.run()).id, RunState.SUCCEEDED)
    assert run.stages[0].outputs["sha"] == run.variables["commit"] == first.after


async def test_a_commit_that_somebody_has_pushed_over_is_not_released(world: World) -> None:
    await world.bind()
    await world.define()
    first = pushed(world.repository, "First")
    world.repository.git("reset", "--hard", "-q", "HEAD~1")
    pushed(world.repository, "Second")
    await world.deliver(first)
    held = await world.bot.is_held((await world.run()).id)
    assert "is not in it any more: somebody has pushed over it" in held.stage.reason


async def test_the_webhook_follows_the_definition_and_goes_with_it(world: World) -> None:
    await world.bind()
    await world.define()
    assert (world.hook["push_events"], world.hook["tag_push_events"]) == (True, True)
    await world.define(auto="branches: [main]")
    assert (world.hook["push_events"], world.hook["tag_push_events"]) == (True, False)
    await world.define(auto="tags: [v*]")
    assert (world.hook["push_events"], world.hook["tag_push_events"]) == (False, True)
    await world.bot.say("delete shop")
    await world.bot.say("DELETE")
    await world.bot.app.code.attaching.tend()
    assert world.server.hooks["shop/api"] == []


async def test_a_webhook_that_somebody_took_away_is_attached_again_and_two_become_one(world: World) -> None:
    await world.bind()
    await world.define()
    url = world.hook["url"]
    world.server.hooks["shop/api"].clear()
    await world.bot.say("webhook shop retry")
    assert world.hook["url"] == url
    world.server.attach("shop/api", {**world.hook})
    await world.bot.say("webhook shop retry")
    assert len(world.server.hooks["shop/api"]) == 1


async def test_unbinding_takes_the_webhook_away_and_forgets_the_token(world: World) -> None:
    await world.bind()
    await world.define()
    asked = await world.bot.say("account unbind forge")
    assert "No push starts these any more" in asked
    assert "shop" in asked
    await world.bot.say("yes")
    await world.bot.app.code.attaching.tend()
    assert world.server.hooks["shop/api"] == []
    assert "You have no code account" in await world.bot.say("accounts")


async def test_what_may_not_be_attached_is_said_with_how_to_do_it_by_hand(world: World) -> None:
    await world.bind()
    world.server.denied.add("POST /projects")
    said = await world.define()
    assert "does not let this account attach a webhook" in said
    assert "webhook shop secret" in said
    shown = await world.bot.say("webhook shop secret")
    address, secret = _URL.search(shown), _SECRET.search(shown)
    assert address
    assert secret
    world.server.attach("shop/api", {"url": address[1], "token": secret[1]})
    assert (await world.deliver(pushed(world.repository))).status_code == 202
    await world.run()
    assert "shown once" in await world.bot.say("webhook shop secret")


async def test_trouble_with_a_webhook_is_told_to_those_who_follow_its_pipeline(world: World) -> None:
    told: list[tuple[str, str]] = []

    async def tell(card: Card, about: str) -> None:
        told.append((card.title, about))

    world.bot.app.keeper.tell = tell
    await world.bind()
    world.server.denied.add("POST /projects")
    await world.define()
    assert [about for title, about in told if "webhook" in title] == ["shop"]


async def test_a_rotated_webhook_takes_no_deliveries_at_its_old_address(world: World) -> None:
    await world.bind()
    await world.define()
    old = dict(world.hook)
    await world.bot.say("webhook shop rotate")
    assert world.hook["url"] != old["url"]
    told = pushed(world.repository)
    delivery = posted(ForgeName.GITLAB, payload_of(ForgeName.GITLAB, told), str(old["token"]))
    assert (await world.post(delivery)).status_code == 401
    address = str(old["url"]).replace(HOOKS, f"http://127.0.0.1:{world.bot.app.switchboard.hooks}")
    assert (await world.client.post(address, content=delivery.body, headers=delivery.headers)).status_code == 404
    assert (await world.deliver(told)).status_code == 202


async def test_whoever_makes_a_pipeline_of_a_deleted_ones_name_has_other_addresses_and_secrets(world: World) -> None:
    await world.bind()
    starts = {"extra": "starts: [{webhook: nightly}]"}
    await world.define(**starts)
    await world.bot.say("hooks shop")
    old, store = dict(world.hook), world.bot.app.store
    hook = await store.read(lambda book: book.hooks.find("shop", "start", "nightly"))
    assert hook is not None
    assert hook.mark
    world.server.trouble += [Trouble(503)] * 9
    await world.bot.say("delete shop")
    await world.bot.say("DELETE")
    assert await store.read(lambda book: book.hooks.marked(hook.mark)) is None
    await world.define(**starts)
    [now] = await store.read(lambda book: book.attached.of("shop"))
    assert (now.shown, now.is_open, now.generation > 1) == (False, True, True)
    told = pushed(world.repository)
    delivery = posted(ForgeName.GITLAB, payload_of(ForgeName.GITLAB, told), str(old["token"]))
    address = str(old["url"]).replace(HOOKS, f"http://127.0.0.1:{world.bot.app.switchboard.hooks}")
    assert (await world.client.post(address, content=delivery.body, headers=delivery.headers)).status_code == 404
    world.server.trouble.clear()
    await world.bot.say("webhook shop retry")
    assert world.hook["url"] != old["url"]
    assert (await world.deliver(told)).status_code == 202
    await world.bot.say("hooks shop")
    anew = await store.read(lambda book: book.hooks.find("shop", "start", "nightly"))
    assert anew is not None
    assert anew.mark not in ("", hook.mark)


async def test_a_rotated_webhook_is_another_at_once_although_a_forge_keeps_the_one_who_tends_waiting(
    world: World,
) -> None:
    await world.bind()
    await world.define()
    old, attaching = dict(world.hook), world.bot.app.code.attaching
    attaching.patience = 0.0
    async with attaching._alone:
        assert "The old ones are dead" in await world.bot.say("webhook shop rotate")
        await world.bot.say("webhook shop retry")
        told = pushed(world.repository)
        delivery = posted(ForgeName.GITLAB, payload_of(ForgeName.GITLAB, told), str(old["token"]))
        assert (await world.post(delivery)).status_code == 404
        [now] = await world.bot.app.store.read(lambda book: book.attached.of("shop"))
        assert attaching.open(now.mark) == now
    await attaching.tend()
    assert (await world.deliver(told)).status_code == 202


async def test_a_forge_that_is_away_is_asked_again(world: World) -> None:
    await world.bind()
    world.server.trouble.append(Trouble(503))
    assert "cannot be asked now" in await world.define()
    world.bot.app.code.attaching._again.clear()
    await world.bot.app.code.attaching.tend()
    assert world.hook["push_events"]


async def test_the_token_is_in_nothing_that_a_run_leaves_behind(world: World) -> None:
    await world.bind()
    await world.define()
    told = pushed(world.repository)
    await world.deliver(told)
    await world.bot.ends((await world.run()).id, RunState.SUCCEEDED)
    for line in ("accounts", "webhook shop", "pushes shop", "repositories forge", "export shop", "logs shop-1"):
        assert GITLAB_TOKEN not in await world.bot.say(line)
    kept = [path for path in world.bot.home.rglob("*") if path.is_file()]
    assert [path for path in kept if GITLAB_TOKEN.encode() in path.read_bytes()] == []


async def test_a_webhook_that_is_to_be_pasted_from_now_on_leaves_none_behind_that_was_attached(world: World) -> None:
    await world.bind()
    await world.define()
    old = dict(world.hook)
    said = await world.define(auto="branches: [main]\n        webhook: manual")
    assert "`webhook shop secret` tells what to paste" in said
    assert world.server.hooks["shop/api"] == []
    shown = await world.bot.say("webhook shop secret")
    address, secret = _URL.search(shown), _SECRET.search(shown)
    assert address
    assert secret
    assert address[1] != old["url"]
    world.server.attach("shop/api", {"url": address[1], "token": secret[1]})
    assert (await world.deliver(pushed(world.repository))).status_code == 202
    await world.define()
    assert (world.hook["url"], world.hook["token"]) == (address[1], secret[1])


async def test_a_webhook_that_cannot_be_taken_away_now_is_pasted_once_it_is(world: World) -> None:
    await world.bind()
    await world.define()
    world.server.trouble.append(Trouble(503))
    await world.define(auto="branches: [main]\n        webhook: manual")
    assert "is being taken away" in await world.bot.say("webhook shop secret")
    assert "is being taken away" in await world.bot.say("webhook shop rotate")
    world.bot.app.code.attaching._again.clear()
    await world.bot.app.code.attaching.tend()
    assert world.server.hooks["shop/api"] == []
    assert "Secret: " in await world.bot.say("webhook shop secret")


async def test_what_was_pasted_because_it_could_not_be_attached_stays_when_the_definition_says_manual(
    world: World,
) -> None:
    await world.bind()
    world.server.denied.add("POST /projects")
    await world.define()
    shown = await world.bot.say("webhook shop secret")
    address, secret = _URL.search(shown), _SECRET.search(shown)
    assert address
    assert secret
    world.server.attach("shop/api", {"url": address[1], "token": secret[1]})
    await world.define(auto="branches: [main]\n        webhook: manual")
    assert world.hook["url"] == address[1]
    assert (await world.deliver(pushed(world.repository))).status_code == 202


async def test_a_secret_that_somebody_changed_at_the_forge_is_given_again_when_a_delivery_shows_it(
    world: World,
) -> None:
    await world.bind()
    await world.define()
    secret = world.hook["token"]
    world.hook["token"] = "another"
    told = pushed(world.repository)
    assert (await world.deliver(told)).status_code == 401
    assert "It does not prove where it comes from." in await world.bot.say("webhook shop")
    await world.bot.app.code.attaching.tend()
    assert world.hook["token"] == secret
    assert "the webhook is attached" in await world.bot.say("webhook shop")
    assert (await world.deliver(told)).status_code == 202


async def test_rubbish_makes_nobody_ask_the_forge_more_than_once_in_ten_minutes(world: World) -> None:
    await world.bind()
    await world.define()
    attaching = world.bot.app.code.attaching
    for _ in range(3):
        assert (await world.post(Posted(b"rubbish"))).status_code == 401
        await attaching.tend()
    changes = [one for one in world.server.asked if one.method == "PUT"]
    assert len(changes) == 1


async def test_a_push_whose_values_do_not_fit_is_said_where_everything_is_said(world: World) -> None:
    await world.bind()
    text = (
        shop(world.server).replace("commit: none", "commit: 5m").replace("source:", "timeout: ${commit}\n    source:")
    )
    await world.bot.say(f"define\n{text}")
    for subject in ("One", "Two"):
        await world.deliver(pushed(world.repository, subject))
    assert "timeout" in await world.became()

    async def look() -> bool:
        return any("shop was not started by a push to branch main" in one.words for one in await world.lobby())

    await eventually(look, "the lobby hears of it")
