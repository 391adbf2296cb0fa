"""What happens to a run is told to whoever wants to hear of it: other pipelines, web addresses, people."""

from pathlib import Path

from engine.model import Person, PersonId, RunState
from tests.support.bot import Bot, a_bot, a_repository
from tests.support.eventually import eventually
from tests.support.mailbox import Mailbox, mailbox
from tests.support.receiver import Receiver, receiving

LOOPBACK = {"private_hooks": ("127.0.0.0/8",)}


def base(path: Path, url: str) -> str:
    return f"""
pipeline: base
variables: {{tag: v1}}
notify:
  on_success:
    - person: ann
    - email: shop-team@example.com
    - room: "web:lobby"
stages:
  - name: code
    source: {{git: {path}, tag: "${{tag}}"}}
    tell:
      - channel: base-ready
        when: [success]
        parameters: {{version: tag}}
      - webhook: {url}/done?tag=${{tag}}
        headers: {{X-Team: shop}}
        body: '{{"tag": "${{tag}}", "n": ${{SYS_INCREMENT}}}}'
        parameters: {{again: tag}}
"""


def shop(path: Path) -> str:
    return f"""
pipeline: shop
variables: {{base: none}}
starts:
  - channel: base-ready
    parameters: {{version: base}}
stages:
  - name: code
    source: {{git: {path}}}
"""


def cart(path: Path) -> str:
    return f"""
pipeline: cart
variables: {{base: none}}
stages:
  - name: code
    conditions:
      of:
        - channel: base-ready
          parameters: {{version: base}}
    source: {{git: {path}}}
"""


async def arrived(receiver: Receiver, count: int) -> None:
    async def look() -> bool:
        return len(receiver.requests) >= count

    await eventually(look, f"{count} requests", 15)


async def mailed(box: Mailbox, count: int) -> None:
    async def look() -> bool:
        return len(box.mails) >= count

    await eventually(look, f"{count} mails", 15)


async def shown(bot: Bot, line: str, words: str) -> str:
    async def look() -> bool:
        return words in await bot.say(line)

    await eventually(look, f"{line} shows {words!r}", 15)
    return await bot.say(line)


async def test_one_success_starts_a_pipeline_meets_a_condition_calls_an_address_and_reaches_people(
    tmp_path: Path,
) -> None:
    code = a_repository(tmp_path / "code", "v1", "v2").path
    async with receiving() as receiver, mailbox() as box:
        settings = {
            **LOOPBACK,
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_security": "none",
            "console_url": "https://sluice.example.com",
        }
        async with a_bot(tmp_path / "home", settings=settings) as bot:
            await bot.app.store.transact(lambda book: book.people.add(Person(PersonId("ann"), "ann@example.com")))
            for text in (base(code, receiver.url), shop(code), cart(code)):
                answer = await bot.say(f"define\n{text}")
                assert "is defined, version" in answer, answer
            waits = await bot.start("run cart", "bob")
            run = await bot.start("run base tag=v2", "bob")
            await bot.ends(run, RunState.SUCCEEDED)
            await shown(bot, "triggers shop", "shop-1 started")
            await bot.ends("shop-1", RunState.SUCCEEDED)
            started, met = await bot.run("shop-1"), await bot.ends(waits, RunState.SUCCEEDED)
            assert (started.variables["base"], met.variables["base"]) == ("v2", "v2")
            assert (started.requested_by, started.depth) == ("bob", 1)
            await arrived(receiver, 1)
            (request,) = receiver.requests
            assert (request.method, request.path, request.query) == ("POST", "/done", {"tag": "v2", "again": "v2"})
            assert request.body == '{"tag": "v2", "n": 1}'
            assert request.headers["x-team"] == "shop"
            assert request.headers["idempotency-key"].startswith("base-1:")
            await mailed(box, 2)
            assert sorted(str(mail["To"]) for mail in box.mails) == ["ann@example.com", "shop-team@example.com"]
            mail = box.mails[0]
            assert str(mail["Subject"]).startswith("base-1 succeeded")
            body = mail.get_body(("plain",))
            assert body is not None
            assert "https://sluice.example.com/r/base-1" in body.get_content()
            said = await shown(bot, "notifications base-1", "room: web:lobby")
            for words in ("channel: base-ready", f"webhook: POST 127.0.0.1:{receiver.url.rpartition(':')[2]}", "sent"):
                assert words in said, said
            assert "cart-1 met" in await bot.say("triggers cart")
