"""What people see of hooks and notifications: who may see addresses, and what a phone shows of the rest."""

from pathlib import Path

from bot.cards import Card
from bot.chat import Incoming
from bot.web.room import LOBBY
from engine.model import PersonId
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.receiver import receiving

MOST_COLUMNS = 4
"""What a phone shows beside each other."""


def gated(url: str) -> str:
    return f"""
pipeline: gated
variables: {{tag: v1}}
starts:
  - webhook: nightly
    parameters: {{version: tag}}
    signature: hmac
stages:
  - name: code
    conditions: {{of: [{{webhook: gate}}]}}
    source: {{git: /nowhere}}
    tell: [{{webhook: "{url}/secret-path", headers: {{Authorization: Bearer hidden}}, when: [failure]}}]
"""


SETTINGS = {"private_hooks": ("127.0.0.0/8",), "hooks_url": "https://sluice.example.com/"}


async def said(bot: Bot, line: str, *, alone: bool = True) -> Card:
    (answer,) = await bot.app.dispatch.answer(Incoming(LOBBY, PersonId("ann"), line, is_alone=alone))
    assert answer.private
    return answer.card


def is_for_a_phone(card: Card) -> bool:
    return card.table is None or len(card.table.head) <= MOST_COLUMNS


async def test_hooks_are_listed_with_their_addresses_and_secrets_to_one_who_manages_the_pipeline(
    tmp_path: Path,
) -> None:
    async with a_bot(tmp_path / "home", settings=SETTINGS) as bot:
        await bot.say(f"define\n{gated('https://hooks.example.com')}")
        card = await said(bot, "hooks gated")
        assert is_for_a_phone(card)
        assert card.table is not None
        assert card.table.rows == (
            ("nightly", "starts it", "never called"),
            ("gate", "meets a condition", "never called"),
        )
        assert "nightly: POST https://sluice.example.com/hooks/pipeline/" in card.code
        assert "gate: POST https://sluice.example.com/hooks/stage/" in card.code
        assert card.code.count("secret: ") == 1
        before = card.code
        in_company = await said(bot, "hooks gated", alone=False)
        assert (in_company.code, "direct chat" in in_company.text) == ("", True)
        refused = await said(bot, "hook rotate gated gate", alone=False)
        assert "others read along" in refused.title
        assert "has no hook other" in (await said(bot, "hook rotate gated other")).title
        assert "That is not how hook is said" in (await said(bot, "hook show gated gate")).title
        rotated = await said(bot, "hook rotate gated gate")
        assert rotated.code not in before
        assert rotated.code in (await said(bot, "hooks gated")).code
        assert "has no hooks" in await _without_hooks(bot)
        assert "Nobody was told anything yet" in await bot.say("notifications")
        assert "There is no pipeline nothing" in await bot.say("triggers nothing")


async def test_an_address_that_only_this_machine_reaches_is_said_to_be_one_also_while_the_port_is_taken(
    tmp_path: Path,
) -> None:
    async with a_bot(tmp_path / "home", settings={"hooks_url": ""}) as bot:
        await bot.say(f"define\n{gated('https://hooks.example.com')}")
        for line in ("hooks gated", "hook rotate gated gate", "package upload acme/shop/api/1.0/api.tar"):
            card = await said(bot, line)
            assert "Only this machine reaches that address" in card.text
            assert "SLUICE_HOOKS_URL" in card.text
        bot.app.switchboard.hooks = None
        card = await said(bot, "hooks gated")
        assert "None" not in card.code
        assert "another program has it" in card.text


async def _without_hooks(bot: Bot) -> str:
    text = "pipeline: plain\nstages:\n  - name: code\n    source: {git: /nowhere}\n"
    assert "is defined" in await bot.say(f"define\n{text}")
    return await bot.say("hooks plain")


async def test_what_was_told_and_what_started_is_shown_with_why_it_did_not_work_and_nothing_secret(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, a_bot(tmp_path / "home", settings=SETTINGS) as bot:
        receiver.statuses = [403]
        await bot.say(f"define\n{gated(receiver.url)}")
        run = await bot.start("run gated")
        await bot.say(f"trigger {run} webhook:gate")
        await bot.is_held(run)

        async def is_told() -> bool:
            return "refused" in await bot.say(f"notifications {run}")

        await eventually(is_told, "the refusal is shown")
        card = await said(bot, "notifications gated")
        assert is_for_a_phone(card)
        assert card.table is not None
        host = receiver.url.removeprefix("http://")
        assert [row[:3] for row in card.table.rows] == [(f"{run} code: failure", f"webhook: POST {host}", "refused")]
        assert [(one.label, one.value) for one in card.fields] == [(f"webhook: POST {host}", f"{host} answered 403.")]
        triggers = await said(bot, "triggers gated")
        assert is_for_a_phone(triggers)
        assert triggers.table is not None
        assert [row[:3] for row in triggers.table.rows] == [("run", "ann", f"{run} started")]
        everything = f"{card} {triggers} {await bot.say('status')} {await bot.say('show gated')}"
        assert "hidden" not in everything
        assert "secret-path" not in everything
