"""`sluice doctor` says what keeps messages and hooks from working before anybody waits for them."""

from pathlib import Path

from pydantic import SecretStr

from bot.doctor.finding import Finding, Health
from bot.doctor.outside import outside
from bot.settings import Settings
from tests.support.mailbox import mailbox
from tests.support.told import NOTIFIES

HOOKS = """
pipeline: called
starts: [{webhook: go}]
stages:
  - name: code
    source: {git: "https://git.example.com/shop/api.git"}
"""


async def found(home: Path, *definitions: str, **settings: object) -> dict[str, Finding]:
    given = Settings.model_validate({"home": home, **settings})
    return {f"{one.what}: {one.sentence}": one for one in await outside(given, definitions, 2.0)}


async def test_nothing_is_said_while_nothing_is_wanted(tmp_path: Path) -> None:
    assert await found(tmp_path, "nonsense") == {}


async def test_ways_that_definitions_want_and_nobody_set_up_are_named(tmp_path: Path) -> None:
    said = await found(tmp_path, NOTIFIES, HOOKS)
    assert {words: one.health for words, one in said.items()} == {
        "mail: notifies tells people by e-mail, and no mail server is set up.": Health.ILL,
        "gateways: notifies tells people through phone, which is not set up.": Health.ILL,
        "gateways: notifies tells people through pager, which is not set up.": Health.ILL,
        "hooks: called has hooks, and nobody outside this machine knows where they are called.": Health.ODD,
    }


async def test_what_is_set_up_well_is_said_to_be_so(tmp_path: Path) -> None:
    gateways = {"phone": SecretStr("json://example.com/{to}"), "pager": SecretStr("json://example.com")}
    async with mailbox() as box:
        settings = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none", "gateways": gateways}
        more = {"mail_from": "s@example.com", "hooks_url": "https://sluice.example.com"}
        said = await found(tmp_path, NOTIFIES, HOOKS, **settings, **more)
    assert {words: one.health for words, one in said.items()} == {
        "mail: 127.0.0.1 takes mail from s@example.com": Health.WELL
    }


async def test_a_mail_server_that_does_not_answer_or_has_no_tls_is_ill(tmp_path: Path) -> None:
    async with mailbox() as box:
        plain = await found(tmp_path, smtp_host="127.0.0.1", smtp_port=box.port)
        await box.go()
        away = await found(tmp_path, smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none")
    assert [one.health for one in (*plain.values(), *away.values())] == [Health.ILL, Health.ILL]
