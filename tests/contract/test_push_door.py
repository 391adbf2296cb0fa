"""The door where forges deliver: what is kept, what is refused, and what comes of it."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import pytest

from bot.cards import Card, Tone
from bot.pushes import door as the_door
from bot.pushes.intake import PushIntake
from bot.pushes.telling import Telling
from bot.tidying import Tidying
from engine.commands import Stop
from engine.forges.hosting import ForgeName
from engine.locks import Lock
from engine.model import PersonId, RoomId, RunId, RunState
from storage.book import SqlBook
from storage.code_accounts import CodeAccount
from storage.store import SqlStore
from storage.subscriptions import Subscription, Wants
from tests.support.eventually import eventually
from tests.support.push_house import House, a_house
from tests.support.push_payloads import NOTHING, Posted, Told, payload_of, posted
from tests.support.store import ManualClock

FORGES = list(ForgeName)
T = TypeVar("T")


@pytest.fixture(params=FORGES, ids=str)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path, request.param) as made:
        yield made


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


async def test_a_delivery_is_kept_before_it_is_answered_and_carried_out_afterwards(house: House) -> None:
    assert await house.post(house.delivery(Told())) == 202
    [kept] = await house.kept()
    assert kept.is_open
    assert await house.runs() == []
    await house.intake.work()
    [run] = await house.runs()
    assert run.requested_by == "git.example.com:ann-dev"
    [kept] = await house.kept()
    assert (kept.is_open, kept.outcome, kept.run) == (False, "started", run.id)


CODEHUB = "codehub.devcloud.cn-south-1.huaweicloud.com"


@pytest.mark.parametrize(
    ("forge", "repository", "origin"),
    [
        (ForgeName.GITLAB, "git@git.example.com:shop/api.git", "https://git.example.com"),
        (ForgeName.GITLAB, "ssh://git@git.example.com:2222/shop/api.git", "https://git.example.com:8443"),
        (ForgeName.GITLAB, "https://git.example.com:8443/shop/api.git", "https://git.example.com:8443"),
        (ForgeName.GITLAB, "https://Git.example.com/shop/api.git", "https://git.example.com"),
        (ForgeName.GITHUB, "git@github.com:shop/api.git", "https://github.com"),
        (ForgeName.DEVCLOUD, f"https://{CODEHUB}/shop/api.git", "https://codehub-ext.cn-south-1.myhuaweicloud.com"),
        (ForgeName.DEVCLOUD, f"git@{CODEHUB}:shop/api.git", "https://codehub-ext.cn-south-1.myhuaweicloud.com"),
    ],
)
async def test_whoever_pushed_is_known_by_their_account_however_the_repository_is_addressed(
    tmp_path: Path, forge: ForgeName, repository: str, origin: str
) -> None:
    assert await _pusher(tmp_path, forge, repository, origin) == "ann"


@pytest.mark.parametrize("repository", ["git@other.example.com:shop/api.git", "https://git.example.com:9/shop/api.git"])
async def test_the_same_login_at_another_forge_is_somebody_else(tmp_path: Path, repository: str) -> None:
    pusher = await _pusher(tmp_path, ForgeName.GITLAB, repository, "https://git.example.com")
    assert pusher == f"{urlsplit(repository).hostname or 'other.example.com'}:ann-dev"


async def _pusher(place: Path, forge: ForgeName, repository: str, origin: str) -> str:
    async with a_house(place, forge, repository=repository) as house:
        now = house.intake.acting.clock.now()
        account = CodeAccount("hers", forge.value, origin, "Ann-Dev", PersonId("ann"), now, "")
        await house.store.transact(lambda book: book.code_accounts.put(account))
        assert await house.post(house.delivery(Told())) == 202
        await house.intake.work()
        [run] = await house.runs()
        return run.requested_by


async def test_what_was_kept_before_a_crash_is_carried_out_once_after_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as before:
        assert await before.post(before.delivery(Told())) == 202
        key = before.key
    async with a_house(tmp_path, key=key) as after:
        await asyncio.gather(after.intake.work(), PushIntake(after.intake.acting, after.intake.room).work())
        assert len(await after.runs()) == 1
        assert await after.post(after.delivery(Told())) == 200
        assert len(await after.kept()) == 1


async def test_the_same_delivery_again_is_told_so_and_kept_once(house: House) -> None:
    delivery = house.delivery(Told(), "one")
    answers = await asyncio.gather(*(house.post(delivery) for _ in range(3)))
    assert sorted(answers) == [200, 200, 202]
    assert len(await house.kept()) == 1


async def test_a_signed_delivery_that_is_replayed_under_another_id_starts_nothing(github: House) -> None:
    assert await github.post(github.delivery(Told(), "one")) == 202
    assert await github.post(github.delivery(Told(), "two")) == 200
    assert len(await github.kept()) == 1


async def test_a_signed_delivery_is_still_known_when_chats_deliveries_are_forgotten(github: House) -> None:
    delivery = github.delivery(Told(), "one")
    assert await github.post(delivery) == 202
    now = github.intake.acting.clock.now()
    tidying = Tidying(github.store, ManualClock(now + timedelta(days=300)), _NoBundles(), {}, timedelta(days=90))
    await tidying.tidy()
    assert await github.kept() == []
    assert await github.post(delivery) == 200


class _NoBundles:
    async def prune(self, _keep: frozenset[str], _made_before: datetime) -> tuple[str, ...]:
        return ()


async def test_a_delivery_to_an_address_that_was_just_taken_out_of_use_starts_nothing(github: House) -> None:
    for changed in (replace(github.one, state="gone"), replace(github.one, generation=2, mark="another")):
        await github.store.transact(lambda book, changed=changed: book.attached.put(changed))  # type: ignore[misc]
        assert await github.post(github.delivery(Told(), "one")) == 404
    assert await github.kept() == []


@pytest.mark.parametrize(
    "document", ["{", '{"forge": "github"}', '{"forge": 1, "repository": 2, "account": 3, "push": 4}']
)
async def test_a_delivery_that_cannot_be_read_any_more_is_closed_and_the_next_one_is_carried_out(
    github: House, document: str
) -> None:
    await github.store.transact(
        lambda book: book.pushes.keep("shop", "push:old", github.intake.acting.clock.now(), document)
    )
    await github.post(github.delivery(Told()))
    living = asyncio.create_task(github.intake.live())
    await eventually(lambda: _is_done(github), "nothing is open")
    assert not living.done()
    living.cancel()
    assert [one.outcome for one in await github.kept()] == ["started", "broke"]
    [broke] = [deed for deed in await github.deeds() if deed.outcome == "broke"]
    assert (broke.line, broke.person) == ("push shop", "")
    assert "cannot be read any more" in broke.said


async def _is_done(house: House) -> bool:
    return not await house.store.read(lambda book: book.pushes.open(1))


async def test_trouble_that_nobody_thought_of_does_not_end_the_worker(github: House) -> None:
    await github.post(github.delivery(Told()))
    acting = replace(github.intake.acting, store=_Troubled(github.store))
    intake = PushIntake(acting, github.intake.room, again=0.0)
    living = asyncio.create_task(intake.live())
    await eventually(lambda: _is_done(github), "nothing is open")
    assert not living.done()
    living.cancel()
    assert len(await github.runs()) == 1


class _Troubled(SqlStore):
    """A store whose first reading breaks in a way that no store should."""

    def __init__(self, store: SqlStore) -> None:
        self._store, self._asked = store, 0

    async def read(self, work: Callable[[SqlBook], T]) -> T:
        self._asked += 1
        if self._asked == 1:
            raise KeyError("a column that is gone")
        return await self._store.read(work)

    async def transact(self, work: Callable[[SqlBook], T]) -> T:
        return await self._store.transact(work)


async def test_each_start_is_in_the_audit_although_the_newest_deliveries_were_forgotten(github: House) -> None:
    for number in ("1", "2"):
        await github.post(github.delivery(Told(after=number * 40), number))
        await github.intake.work()
        later = github.intake.acting.clock.now() + timedelta(days=1)
        await github.store.transact(lambda book, later=later: book.pushes.forget(later))  # type: ignore[misc]
    started = [deed.said for deed in await github.deeds() if deed.key.startswith("push:")]
    assert started == ["shop-2 was started.", "shop-1 was started."]


async def test_what_is_unsigned_or_signed_with_another_secret_starts_nothing(house: House) -> None:
    for secret in ("", "wrong", house.secret[:-1]):
        delivery = posted(house.forge, payload_of(house.forge, Told()), secret, at=time.time())
        assert await house.post(delivery) == 401
    assert await house.post(Posted(json.dumps(payload_of(house.forge, Told())).encode())) == 401
    assert await house.kept() == []


async def test_rubbish_without_end_is_written_down_ten_times_an_hour(github: House) -> None:
    for _ in range(50):
        assert await github.post(Posted(b"rubbish")) == 401
    assert len([deed for deed in await github.deeds() if deed.outcome == "refused"]) == 10


async def test_nobody_is_at_another_address_and_only_posting_is_answered(github: House) -> None:
    delivery = github.delivery(Told())
    for path in ("x", "a" * 43, "a" * 10_000, "../" * 20, "%00"):
        assert await github.post(delivery, path=path) == 404
    assert await github.post(delivery, method="GET") == 405
    assert await github.kept() == []


BODIES = (
    *(b"", b"{", b"[]", b"7", b"null", b'"push"', b"\xff\xfe", b'{"ref": "refs/heads/x"}'),
    *(b"[" * 50_000, b'{"a":' * 50_000),
)


async def test_what_is_proven_and_cannot_be_read_is_refused(github: House) -> None:
    for body in BODIES:
        assert await github.post(signed(github, body)) == 400, body[:20]
    assert await github.kept() == []


def signed(house: House, body: bytes, **headers: str) -> Posted:
    """A delivery of GitHub with any body."""
    digest = hmac.new(house.secret.encode(), body, hashlib.sha256).hexdigest()
    return Posted(body, {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}", **headers})


async def test_a_form_that_holds_the_payload_is_read_as_github_sends_it_by_default(github: House) -> None:
    body = urlencode({"payload": json.dumps(payload_of(ForgeName.GITHUB, Told()))}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert await github.post(signed(github, body, **form)) == 202


async def test_a_ping_is_answered_and_other_events_are_left(github: House) -> None:
    ping = posted(ForgeName.GITHUB, {"zen": "Keep it simple.", "hook_id": 1}, github.secret, event="ping")
    issue = posted(ForgeName.GITHUB, {"action": "opened"}, github.secret, event="issues")
    assert (await github.post(ping), await github.post(issue)) == (200, 200)
    assert await github.kept() == []


async def test_a_body_that_says_how_long_it_is_is_not_read_when_that_is_too_much(github: House) -> None:
    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("it was read")

    assert await github.ask({"Content-Length": str(the_door.LONGEST + 1)}, receive) == 413


async def test_a_body_without_end_is_read_no_further_than_a_push_is_long(github: House) -> None:
    read = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal read
        read += 1 << 20
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    assert await github.ask({}, receive) == 413
    assert read <= the_door.LONGEST + (1 << 20)


async def test_a_body_that_never_comes_is_given_up_and_holds_nobody_else(github: House) -> None:
    github.door.read_within = 0.5
    came = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        await came.wait()
        raise AssertionError("it never comes")

    slow = [asyncio.create_task(github.ask({}, receive)) for _ in range(the_door.AT_ONCE)]
    await eventually(lambda: github.door._reading == the_door.AT_ONCE)
    assert await github.post(github.delivery(Told())) == 503
    assert set(await asyncio.gather(*slow)) == {408}
    assert await github.post(github.delivery(Told())) == 202


async def test_a_sender_that_leaves_is_no_trouble(github: House) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    assert await github.ask({}, receive) == 413
    assert await github.kept() == []


async def test_a_delivery_that_cannot_be_kept_is_not_acknowledged(github: House) -> None:
    github.store.close()
    assert await github.post(github.delivery(Told())) == 503
    github.store.start()


async def test_a_hundred_deliveries_are_each_answered_within_a_tenth_of_a_second(github: House) -> None:
    took = []
    for number in range(100):
        delivery = github.delivery(Told(after=f"{number:040x}"), str(number))
        began = time.perf_counter()
        assert await github.post(delivery) == 202
        took.append(time.perf_counter() - began)
    assert sorted(took)[94] < 0.1


@pytest.mark.parametrize(
    ("concurrency", "states"),
    [
        ("queue", [RunState.QUEUED] * 4 + [RunState.RUNNING]),
        ("reject", [RunState.RUNNING]),
    ],
)
async def test_a_burst_starts_what_the_concurrency_says(
    tmp_path: Path, concurrency: str, states: list[RunState]
) -> None:
    async with a_house(tmp_path, concurrency=concurrency) as house:
        for number in range(1, 6):
            assert await house.post(house.delivery(Told(after=f"{number:040x}"), str(number))) == 202
        await house.intake.work()
        assert [run.state for run in await house.runs()] == states
        outcomes = [kept.outcome for kept in reversed(await house.kept())]
        assert outcomes == ["started"] + ["started" if concurrency == "queue" else "refused"] * 4
        assert not [kept for kept in await house.kept() if kept.is_open]


async def test_a_push_that_comes_after_what_was_pushed_on_top_of_it_starts_nothing(github: House) -> None:
    first, second, third = (f"{number:040x}" for number in (1, 2, 3))
    for number, (before, after) in enumerate([(second, third), (first, second), (third, second)]):
        await github.post(github.delivery(Told(before=before, after=after), str(number)))
        await github.intake.work()
    newest_first = [(kept.outcome, kept.said.partition(":")[2].strip()) for kept in await github.kept()]
    assert [outcome for outcome, _ in newest_first] == ["started", "passed", "started"]
    assert newest_first[1][1] == "what was pushed on top of it to main was here before it."


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(Told(before="c" * 40, after="d" * 40, message="Docs [skip ci]"), id="nothing was to be started"),
        pytest.param(Told(before="c" * 40, after=NOTHING), id="the branch was deleted"),
    ],
)
async def test_a_branch_that_is_set_back_is_started_though_its_last_push_started_nothing(
    github: House, last: Told
) -> None:
    there = NOTHING if last.after == NOTHING else last.after
    told = [Told(before="a" * 40, after="b" * 40), Told(before="b" * 40, after="c" * 40), last]
    for number, one in enumerate([*told, Told(before=there, after="b" * 40)]):
        await github.post(github.delivery(one, str(number)))
        await github.intake.work()
    assert [kept.outcome for kept in reversed(await github.kept())] == ["started", "started", "passed", "started"]


async def test_a_burst_on_a_pipeline_that_replaces_leaves_the_last_one(tmp_path: Path) -> None:
    async with a_house(tmp_path, concurrency="replace") as house:
        for number in range(1, 4):
            await house.post(house.delivery(Told(after=f"{number:040x}"), str(number)))
        await house.intake.work()
        newest, *others = await house.runs()
        assert newest.pushed is not None
        assert newest.pushed.sha == f"{3:040x}"
        assert all(run.unwinding or run.state.is_over for run in others)


async def test_a_deleted_pipeline_is_started_by_nothing_and_that_is_said(github: House) -> None:
    await github.post(github.delivery(Told()))
    now = github.intake.acting.clock.now()
    await github.store.transact(lambda book: book.pipelines.delete("shop", now))
    await github.intake.work()
    [kept] = await github.kept()
    assert (kept.outcome, kept.is_open) == ("refused", False)


async def test_every_delivery_and_what_became_of_it_is_in_the_audit(github: House) -> None:
    await github.post(github.delivery(Told(), "1"))
    await github.post(github.delivery(Told(after=NOTHING), "2"))
    await github.intake.work()
    deeds = {deed.line: deed for deed in await github.deeds()}
    started = deeds["push shop branch main bbbbbbbbbbbb"]
    assert (started.outcome, started.said, started.room) == ("done", "shop-1 was started.", "hooks:")
    assert "was deleted" in deeds["push shop branch main deleted"].said


async def test_a_push_that_is_refused_is_said_once_and_taken_when_it_comes_again_later(tmp_path: Path) -> None:
    async with a_house(tmp_path, concurrency="reject") as house:
        told: list[str] = []

        async def tell(pipeline: str, sentence: str) -> None:
            told.append(f"{pipeline}: {sentence}")

        house.intake.tell = tell
        late = [house.delivery(Told(after=number * 40), number) for number in "23"]
        for delivery in (house.delivery(Told(), "1"), *late):
            assert await house.post(delivery) == 202
        await house.intake.work()
        await eventually(lambda: bool(told), "it is told")
        [said] = told
        assert said.startswith("shop: shop was not started by a push to branch main: ")
        assert "is being released by shop-1 already. `stop shop-1` ends that run." in said
        assert await house.post(house.delivery(Told(), "1")) == 200
        control = house.intake.acting.control
        await control.submit(Stop(run=RunId("shop-1"), by=PersonId("ann"), reason="Enough."))
        assert [await house.post(late[0]) for _ in range(3)] == [202, 200, 200]
        await house.intake.work()
        assert await house.post(late[0]) == 200
        assert [kept.outcome for kept in await house.kept()] == ["started", "refused", "refused", "started"]
        deeds = [deed.said for deed in await house.deeds() if "push shop branch main 22" in deed.line]
        assert deeds[0] == "shop-2 was started."
        assert "is being released by shop-1" in deeds[1]


async def test_a_push_that_a_lock_turned_away_is_taken_when_it_comes_again_after_it(github: House) -> None:
    now, told = github.intake.acting.clock.now(), []

    async def tell(_pipeline: str, sentence: str) -> None:
        told.append(sentence)

    github.intake.tell = tell
    lock = Lock(workload="shop", by=PersonId("ann"), at=now, reason="It is bad.")
    await github.store.transact(lambda book: book.locks.put(lock))
    deliveries = [github.delivery(Told(after=number * 40), number) for number in "12"]
    for delivery in deliveries:
        await github.post(delivery)
    await github.intake.work()
    assert [kept.outcome for kept in await github.kept()] == ["refused", "refused"]
    await github.store.transact(lambda book: book.locks.remove("shop"))
    for delivery in deliveries:
        assert await github.post(delivery) == 202
    await github.intake.work()
    assert [kept.outcome for kept in await github.kept()][:2] == ["started", "started"]
    assert told == []


async def test_what_a_push_has_not_started_is_told_the_rooms_that_want_to_hear_of_failures(github: House) -> None:
    told: list[str] = []

    async def announce(said: str, _tone: Tone, about: str | None) -> None:
        assert about is None
        told.append(f"lobby {said}")

    def post(room: RoomId, card: Card) -> None:
        told.append(f"{room} {card.title}")

    wishes = {
        "slack:C1": Wants.FAILURE,
        "slack:C2": Wants.EVERYTHING,
        "slack:C3": Wants.SUCCESS,
        "slack:C4": Wants.ENDS,
    }
    for room, wants in wishes.items():
        wish = Subscription(RoomId(room), "shop", wants, PersonId("ann"))
        await github.store.transact(lambda book, wish=wish: book.subscriptions.put(wish))  # type: ignore[misc]
    await Telling(github.store, announce, post).tell("shop", "No.")
    assert told == ["lobby No.", "slack:C1 No.", "slack:C2 No.", "slack:C4 No."]


@pytest.mark.parametrize("forge", [ForgeName.DEVCLOUD, ForgeName.GITLAB])
async def test_a_branch_that_is_made_again_at_its_commit_starts_although_the_forge_numbers_nothing(
    tmp_path: Path, forge: ForgeName
) -> None:
    async with a_house(tmp_path, forge) as house:
        delivery = house.delivery(Told(before=NOTHING))
        for header in ("X-Gitlab-Event-UUID", "Idempotency-Key"):
            delivery.headers.pop(header, None)
        assert [await house.post(delivery) for _ in range(2)] == [202, 200]
        now = house.intake.acting.clock.now()
        for minutes, answer in ((59, 200), (61, 202), (62, 200)):
            clock = ManualClock(now + timedelta(minutes=minutes))
            house.intake.acting = replace(house.intake.acting, clock=clock)
            assert await house.post(delivery) == answer
        await house.intake.work()
        assert len({deed.key for deed in await house.deeds() if deed.said.endswith("was started.")}) == 2
