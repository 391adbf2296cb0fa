"""Who has no right changes nothing and learns nothing: every verb of the grammar, said, pressed and confirmed."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.grammar import VERBS
from bot.rights.access import NEEDS, About, need_of, wanted
from bot.verbs.verb import Verb
from engine.model import PersonId
from storage.grants import Right
from tests.support.bot import Bot
from tests.support.closed_shop import HIDDEN, WEB, a_closed_shop, everything, grant

OWN = frozenset({"link", "unlink", "whoami", "help", "yes", "no", "create", "check", "answer", "audit"})
"""Verbs that are about nobody but the speaker, or make something new that is theirs."""
NOWHERE = {"hello": "hollo", "hello-2": "hollo-2", "shop": "shup"}
DEFINED = (
    "pipeline: hello\ngroup: shop\nstages:\n  - name: code\n    source: {git: 'https://git.example.com/a/b.git'}\n"
)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bot]:
    """One for all that change nothing in it."""
    async with a_closed_shop(tmp_path_factory.mktemp("shop")) as bot:
        yield bot


def line_of(verb: Verb) -> str:
    return f"{verb.name}\n{DEFINED}" if verb.text else verb.example


def learned(answer: str, line: str) -> list[str]:
    """The hidden names that an answer tells, though the line did not. Examples of lines stand in backquotes."""
    words = set(re.sub("`[^`]*`", "", answer).replace(",", " ").replace(".", " ").replace("?", " ").split())
    return [name for name in HIDDEN if name in words and name not in line]


def of_nothing(line: str) -> str:
    """The line about things that there are not."""
    for there, nowhere in NOWHERE.items():
        line = " ".join(nowhere if word == there else word for word in line.split(" "))
    return line


async def test_an_outsider_changes_nothing_and_learns_nothing_by_any_verb(shop: Bot) -> None:
    """What may not be seen is refused in the words of what there is not."""
    before = await everything(shop)
    for verb in VERBS:
        if verb.name in OWN:
            continue
        line = line_of(verb)
        answer = await shop.say(line, "cleo")
        assert learned(answer, line) == [], f"{line}: {answer}"
        assert await everything(shop) == before, line
        if not verb.text:
            missing = await shop.say(of_nothing(line), "cleo")
            for there, nowhere in NOWHERE.items():
                missing = missing.replace(nowhere, there)
            assert answer == missing, line


async def test_buttons_and_forms_do_nothing_for_an_outsider(shop: Bot) -> None:
    card = await shop.card("hello-2")
    lines = [button.line for button in card.buttons]
    assert len(lines) >= 3
    before = await everything(shop)
    for line in (*lines, "press run hello 1 tag=v2", "press split hello-2 1 1 - 20 100", "press stop hello-2 1 1 -"):
        answer = await shop.say(line, "cleo")
        assert "There is no" in answer, f"{line}: {answer}"
        assert await everything(shop) == before, line
    [deed] = await shop.app.store.read(lambda book: book.audit.latest(1))
    assert (deed.person, deed.line, deed.outcome) == ("cleo", "press stop hello-2 1 1 -", "refused")


async def test_who_has_a_right_may_do_what_it_is_for_and_is_told_what_is_missing_for_the_rest(shop: Bot) -> None:
    for right in (Right.READ, Right.EDIT, Right.MANAGE):
        await grant(shop, "bob", str(right))
        before = await everything(shop)
        refused = []
        for verb in VERBS:
            line = wanted(line_of(verb))
            need = need_of(line) if line else NEEDS[verb.name]
            if need.about is About.NOTHING or verb.name in ("unfreeze", "confirm"):
                continue  # of those, there is none yet
            if need.right > right:
                answer = await shop.say(line_of(verb), "bob")
                assert "You may not" in answer, line
                assert "ann can grant it: `grant bob" in answer, line
                assert await everything(shop) == before, line
                refused.append(verb.name)
            elif verb.kind == "look" and verb.name not in OWN:
                answer = await shop.say(line_of(verb), "bob")
                assert not answer.startswith(("You may not", "There is no pipeline hello")), answer
        assert ("delete" in refused, "unlock" in refused) == (right < Right.MANAGE, right < Right.EDIT)
    await shop.say("revoke bob on shop")
    await shop.say("DELETE")


async def test_a_yes_that_comes_after_the_right_was_taken_away_does_nothing(shop: Bot) -> None:
    asked = {
        "run hello tag=v2": "yes",
        "delete web": "DELETE",
        "revoke ann on shop": "DELETE",
        "group delete shop to own": "DELETE",
    }
    for line, yes in asked.items():
        await grant(shop, "bob", "manage")
        answer = await shop.say(line, "bob")
        assert "?" in shop.heard[0].title, answer
        await shop.say("revoke bob on shop")
        assert "no right in shop any more" in await shop.say("DELETE")
        before = await everything(shop)
        answer = await shop.say(yes, "bob")
        assert "There is no" in answer, f"{line}: {answer}"
        after = await everything(shop)
        assert {name for name in after if after[name] != before[name]} <= {"confirmations"}, line


async def test_lists_leave_out_what_somebody_does_not_see(shop: Bot) -> None:
    await shop.say(f"define\n{DEFINED.replace('hello', 'other').replace('shop', 'open')}", "cleo")
    for line in ("list", "status", "runs", "groups", "subscriptions", "templates"):
        answer = await shop.say(line, "cleo")
        assert learned(answer, "") == [], f"{line}: {answer}"
    assert "other" in await shop.say("list", "cleo")
    assert {"hello", "other"} <= set((await shop.say("list")).split())
    assert "hello-2" in await shop.say("runs")
    assert "Did you mean" not in await shop.say("show helo", "cleo")
    assert "Did you mean hello?" in await shop.say("show helo")
    assert "everything in groups that nobody has closed" in await shop.say("whoami", "cleo")
    assert "manage shop" in await shop.say("whoami", "ann")


async def test_a_name_or_a_workload_of_a_closed_group_is_not_for_others_to_take(shop: Bot) -> None:
    other = DEFINED.replace("group: shop\n", "")
    assert "The name hello is taken." in await shop.say(f"define\n{other}", "cleo")
    taken = WEB.format(name="mine", group="own", workload="shop-wl")
    assert "is another group's to release" in await shop.say(f"define\n{taken}", "cleo")
    free = WEB.format(name="mine", group="own", workload='"${where}"')
    assert "mine is defined" in await shop.say(f"define\n{free}", "cleo")
    assert "is another group's to release" in await shop.say("run mine where=shop-wl", "cleo")
    assert "is another group's to release" in await shop.say("press run mine 1 where=shop-wl", "cleo")
    assert "Start mine?" in await shop.say("run mine where=elsewhere", "cleo")
    assert await shop.runs("mine") == []
    inside = free.replace("name: mine", "name: mine2").replace("group: own", "group: shop")
    assert "You may not" in await shop.say(f"define\n{inside}", "cleo")


async def test_a_pipeline_is_not_called_like_a_run_nor_its_runs_like_a_pipeline(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as shop:
        for name in ("hello-2", "hello-77"):
            told = await shop.say(f"define\n{WEB.format(name=name, group='own', workload=name)}", "cleo")
            assert f"{name} is how a run of hello is called" in told
        assert "is defined" in await shop.say(f"define\n{WEB.format(name='evil-1', group='shop', workload='evil-1')}")
        told = await shop.say(f"define\n{WEB.format(name='evil', group='own', workload='evil')}", "cleo")
        assert "Runs of evil would be called like a pipeline" in told
        assert "evil-1 is defined" in await shop.say(
            f"define\n{WEB.format(name='evil-1', group='shop', workload='evil-2')}"
        )


async def test_a_run_of_ones_own_opens_no_pipeline_of_its_name_in_a_store_that_has_both(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as shop:
        own = WEB.format(name="evil", group="own", workload="evil")
        assert "evil is defined" in await shop.say(f"define\n{own}", "cleo")
        assert await shop.start("run evil", "cleo") == "evil-1"
        closed = WEB.format(name="evil-1", group="shop", workload="evil-1")
        at = shop.app.clock.now()
        await shop.app.store.transact(lambda book: book.pipelines.save("evil-1", "shop", closed, PersonId("ann"), at))
        for line in ("show evil-1", "export evil-1", "versions evil-1", "run evil-1", "delete evil-1", "yaml evil-1"):
            assert f"You may not {line}" in await shop.say(line, "cleo")
        assert "Start evil-1?" in await shop.say("run evil-1", "ann")


async def test_a_reviewer_without_a_grant_sees_what_they_decide_about_and_starts_nothing(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as shop:
        text = (await shop.app.store.read(lambda book: book.pipelines.load("hello"))).text
        await shop.say(f"define\n{text.replace('[ann]', '[cleo]')}")
        assert "hello" in await shop.say("list", "cleo")
        assert "Reads the notes" in await shop.say("show hello", "cleo")
        assert "only asked as a reviewer" in await shop.say("run hello", "cleo")
        assert "web" not in (await shop.say("list", "cleo")).split()
        run = await shop.start("run hello")
        await shop.asks(run)
        assert run in await shop.say("status", "cleo")
        assert "only asked as a reviewer" in await shop.say(f"stop {run}", "cleo")
        assert "is counted" in await shop.say(f"approve {run}", "cleo")
        await shop.say(f"define\n{text}# again\n")
        assert "hello" not in (await shop.say("list", "cleo")).split()
        assert run in await shop.say(f"status {run}", "cleo"), "whom a run asks, sees it"


async def test_the_history_of_a_deleted_pipeline_stays_hidden_and_its_name_taken(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as shop:
        await shop.say("stop hello-2")
        await shop.until("hello-2", lambda run: run.state.is_over, "is over")
        for name in ("hello", "web"):
            await shop.say(f"delete {name}")
            assert "is deleted" in await shop.say("DELETE")
        for _ in range(2):
            assert learned(await shop.say("runs", "cleo"), "") == []
            assert "There is no run hello-1" in await shop.say("logs hello-1", "cleo")
            again = DEFINED.replace("group: shop", "group: own")
            assert "The name hello is taken." in await shop.say(f"define\n{again}", "cleo")
            await shop.say("group delete shop")
            await shop.say("DELETE")
        assert "The name shop is taken." in await shop.say("group create shop", "cleo")
