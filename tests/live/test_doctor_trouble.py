"""`sluice doctor` where everything is wrong: it ends, says one line each and what to do, and changes nothing."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bot.doctor.database import look
from bot.doctor.examination import examine, lines
from bot.doctor.finding import Finding, Health
from bot.doctor.machine import home, says
from bot.settings import Settings
from bot.slack.scopes import SCOPES
from storage.store import SqlStore
from tests.support.postgres import Cluster, running_cluster
from tests.support.slack_wire import APP_TOKEN, BOT_TOKEN, slack_wire
from tests.support.telegram_wire import TOKEN, telegram_wire

pytestmark = pytest.mark.live
SECRETS = {
    "slack_bot_token": "xoxb-hush-hush-1",
    "slack_app_token": "xapp-hush-hush-2",
    "slack_signing_secret": "0123456789abcdefhush-hush-3",
    "telegram_token": "42:hush-hush-4",
    "telegram_secret": "hush-hush-5",
}
ENDINGS = ("\r", " ", "\n", "\r\n", "\t", "\x00", "é", "\rX-Header: y")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@asynccontextmanager
async def answering(sent: bytes, *, endless: bool = False) -> AsyncIterator[int]:
    """A server that takes connections, sends this to each, over and over if `endless`, and keeps them open."""

    async def meet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            writer.write(sent)
            while endless:
                writer.write(b" " * 65536)
                await writer.drain()
            await asyncio.Event().wait()
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in asyncio.all_tasks():
            if "meet" in repr(task.get_coro()):
                task.cancel()


def answer_of(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def everywhere(place: Path, port: int, **others: object) -> Settings:
    """Both chats and a PostgreSQL at this port."""
    url = f"http://127.0.0.1:{port}"
    given: dict[str, object] = {
        "slack_bot_token": BOT_TOKEN,
        "slack_app_token": APP_TOKEN,
        "slack_api": f"{url}/api/",
        "telegram_token": TOKEN,
        "telegram_api": url,
        "database": f"postgresql+psycopg://sluice:hunter2@127.0.0.1:{port}/sluice",
    }
    return Settings.model_validate({"home": place, **given, **others})


def ills(seen: list[Finding]) -> dict[str, Finding]:
    """What is ill, checked: each is one line, and says what to do."""
    found = {one.what: one for one in seen if one.health is Health.ILL}
    for one, line in zip(seen, lines(seen), strict=True):
        assert line.isprintable(), line
        assert one.health is Health.WELL or one.cure, line
    return found


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("api", ["", NOWHERE, "http://127.0.0.1:port/", "nonsense", "http://[::1/"])
async def test_no_secret_is_printed_whatever_it_ends_in(
    tmp_path: Path, ending: str, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secrets = {name: value + ending for name, value in SECRETS.items()}
    async with answering(answer_of(b'{"ok": true}')) as port:
        address = api or f"http://127.0.0.1:{port}/"
        more = {"slack_api": address, "telegram_api": address, "telegram_webhook": "https://x.example.com"}
        seen = await examine(Settings.model_validate({"home": tmp_path, **secrets, **more}), patience=1.0)
    assert {"slack token", "telegram"} & {one.what for one in seen}
    assert "hush" not in "\n".join([*lines(seen), repr(seen), caplog.text])
    ills(seen)


@pytest.mark.parametrize("ending", ["\r", " ", "\n", "\r\n"])
async def test_what_a_file_of_another_system_adds_to_a_token_is_taken_away_as_at_the_start(
    tmp_path: Path, ending: str
) -> None:
    async with slack_wire(scopes=SCOPES) as slack, telegram_wire() as telegram:
        settings = Settings.model_validate(
            {
                "home": tmp_path,
                "slack_api": slack.url,
                "slack_bot_token": BOT_TOKEN + ending,
                "slack_app_token": APP_TOKEN + ending,
                "telegram_api": telegram.base_url.removesuffix("/bot"),
                "telegram_token": TOKEN + ending,
                "telegram_webhook": "https://sluice.example.com",
                "telegram_secret": f"s3cret{ending}",
            }
        )
        assert {one.what: one.sentence for one in await examine(settings) if one.health is not Health.WELL} == {}


async def test_a_token_in_the_other_ones_place_is_named_before_anybody_is_asked(tmp_path: Path) -> None:
    swapped = {"slack_bot_token": APP_TOKEN, "slack_app_token": BOT_TOKEN, "telegram_token": "no token"}
    seen = ills(await examine(Settings.model_validate({"home": tmp_path, "slack_api": NOWHERE, **swapped})))
    assert "SLUICE_SLACK_BOT_TOKEN" in seen["slack token"].sentence
    assert "SLUICE_TELEGRAM_TOKEN" in seen["telegram token"].sentence
    async with slack_wire(scopes=SCOPES) as slack:
        settings = {"slack_bot_token": BOT_TOKEN, "slack_app_token": BOT_TOKEN, "slack_api": slack.url}
        seen = ills(await examine(Settings.model_validate({"home": tmp_path, **settings})))
        assert "SLUICE_SLACK_APP_TOKEN" in seen["slack deliveries"].sentence


@pytest.mark.parametrize(
    "url",
    [
        "postgres://sluice:hunter2@127.0.0.1/sluice",
        "hunter2",
        "postgresql+psycopg://sluice:hunter2@127.0.0.1:hunter2/sluice",
        "mysql://sluice:hunter2@127.0.0.1/sluice",
        "sqlite://hunter2/sluice.db",
        "sqlite://",
        "sqlite:///:memory:",
        "://hunter2",
        "postgresql+psycopg://sluice:hunter2@[::1/sluice",
        "sqlite:///sluice.db?timeout=hunter2",
        "postgresql+psycopg://sluice:p@hunter2-tail@127.0.0.1:1/sluice",
        "postgresql+psycopg://sluice:p@1:hunter2@127.0.0.1:1/sluice",
    ],
)
async def test_an_address_of_no_database_is_said_to_be_none(tmp_path: Path, url: str) -> None:
    seen = await examine(Settings(home=tmp_path, database=url))
    assert "SLUICE_DATABASE" in ills(seen)["database"].sentence
    assert "hunter2" not in "\n".join(lines(seen))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_looking_at_a_database_makes_no_file_and_changes_none(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/new", f"sqlite:///{tmp_path}/none/new", f"sqlite:///file:{tmp_path}/u?uri=true"):
        await examine(Settings(home=tmp_path / "home", database=url))
    assert contents(tmp_path) == {}
    names = ("kept.db", "odd #%25.db", "empty.db")
    for name in names[:2]:
        store = SqlStore.open(f"sqlite:///{tmp_path / name}")
        store.start()
        store.close()
    (tmp_path / "empty.db").touch()
    before = contents(tmp_path)
    for name, words in zip(names, ("this version's", "this version's", "empty"), strict=True):
        [found], _ = await look(Settings(home=tmp_path, database=f"sqlite:///{tmp_path / name}"))
        assert (found.health, words in found.sentence) == (Health.WELL, True)
    assert contents(tmp_path) == before


async def test_a_file_that_is_not_there_yet_is_well_and_a_folder_that_is_not_there_is_ill(tmp_path: Path) -> None:
    [absent], _ = await look(Settings(home=tmp_path, database=f"sqlite:///{tmp_path}/new"))
    assert (absent.health, "the first start makes it" in absent.sentence) == (Health.WELL, True)
    [homeless], _ = await look(Settings(home=tmp_path, database=f"sqlite:///{tmp_path}/none/new"))
    assert (homeless.health, homeless.cure) == (Health.ILL, f"mkdir -p {tmp_path}/none")
    (tmp_path / "text.db").write_text("this is no database, and longer than the header of one would be" * 20)
    [text], _ = await look(Settings(home=tmp_path, database=f"sqlite:///{tmp_path}/text.db"))
    assert "not a database" in text.sentence


async def test_a_postgresql_is_looked_at_and_what_it_refuses_fits_into_a_line(
    tmp_path: Path, postgres: Cluster
) -> None:
    url = postgres.database()
    assert ills(await examine(Settings(home=tmp_path, database=url))) == {}
    unknown = ills(await examine(Settings(home=tmp_path, database=postgres.url("no_such_database"))))
    assert "no_such_database" in unknown["database"].sentence
    assert "by itself" not in unknown["database"].cure
    refused = url.replace("postgres@", "nobody:hunter2@")
    seen = await examine(Settings(home=tmp_path, database=refused))
    assert "hunter2" not in "\n".join(lines(seen))
    ills(seen)
    postgres.drop(url)


@pytest.mark.parametrize(
    ("sent", "endless"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nx: ", True),
    ],
)
async def test_every_check_ends_though_the_other_side_never_does(tmp_path: Path, sent: bytes, *, endless: bool) -> None:
    async with answering(sent, endless=endless) as port, asyncio.timeout(10):
        seen = ills(await examine(everywhere(tmp_path, port), patience=0.5))
    assert {"database", "slack token", "telegram"} <= set(seen)


@pytest.mark.parametrize(
    "answer",
    [
        answer_of(b"<html>A captive portal</html>"),
        answer_of(b"[]"),
        answer_of(b"null"),
        answer_of(b'{"ok": true}'),
        answer_of(b'{"ok": true, "result": [], "channel": 3}'),
        answer_of(b'{"ok": false, "error": "two\\nlines \\u001b[31m", "description": "two\\r\\nlines"}'),
        answer_of(b'{"ok": false, "error": "Bearer xoxb-sluice", "description": "%s"}' % TOKEN.encode()),
        answer_of(b'{"ok": false, "error": "%s", "description": "%s"}' % ((b"x" * 230 + BOT_TOKEN.encode() * 9,) * 2)),
        answer_of(b"\xff\xfe", "502 Bad Gateway"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_another_program_in_the_chats_place_is_survived(tmp_path: Path, answer: bytes) -> None:
    async with answering(answer) as port, asyncio.timeout(10):
        seen = await examine(everywhere(tmp_path, port, database=""), patience=1.0)
    ills(seen)
    assert "xoxb-" not in "\n".join(lines(seen))
    assert TOKEN not in "\n".join(lines(seen))


async def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    said = await says(
        sys.executable,
        "-c",
        f"import os, signal; open({str(written)!r}, 'w').write(str(os.getpid())); signal.pause()",
        patience=timedelta(seconds=2),
    )
    assert said == "it did not answer"
    with pytest.raises(ProcessLookupError):
        os.kill(int(written.read_text()), 0)


@contextmanager
def as_somebody_else(hidden: Path) -> Iterator[None]:
    """Be somebody who may not look into a directory."""
    hidden.chmod(0o000)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        hidden.chmod(0o700)


async def test_whoever_may_not_look_is_told_to_look_as_sluices_user(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "home").mkdir(parents=True)
    settings = Settings(home=hidden / "home")
    with as_somebody_else(hidden):
        [at_home] = await home(settings)
        [database], _ = await look(settings)
    for one in (at_home, database):
        assert (one.health, "the user that Sluice runs as" in one.cure) == (Health.ILL, True)


async def test_the_command_ends_with_a_line_each_when_the_database_says_nothing(tmp_path: Path) -> None:
    async with answering(b"") as port:
        env = {
            "PATH": os.defpath,
            "SLUICE_HOME": str(tmp_path / "home"),
            "SLUICE_DATABASE": f"postgresql+psycopg://sluice:hunter2@127.0.0.1:{port}/sluice",
        }
        words = [sys.executable, "-c", "from bot.cli.command import main; main()", "doctor"]
        ended = await asyncio.to_thread(
            subprocess.run, words, check=False, capture_output=True, text=True, timeout=30, env=env
        )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert len(ended.stdout.splitlines()) == 7
    assert "MEND  database" in ended.stdout
