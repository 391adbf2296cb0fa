"""What a release stands: Envoy killed, supervisord killed, the repository gone."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.model import Run, RunState, StageKind, StageState
from engine.targets.fronted.keep import living
from tests.support.eventually import eventually
from tests.support.house_living import Alive, alive, without
from tests.support.house_on_disk import House
from tests.support.process_target import runs
from tests.support.traffic import ask_once, steady

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Alive]:
    async with alive(House(tmp_path)) as here:
        yield here


async def test_a_gray_release_goes_on_after_envoy_was_killed_and_the_room_is_told(here: Alive) -> None:
    story = await here.begin()
    await here.until(story, _is_at_review, "the review is open")
    with here.room() as room:
        os.kill(_envoy(here), signal.SIGKILL)
        await here.until_heard(room, "Envoy had ended; supervisord starts it again.")
    await eventually(lambda: _answers(here), "Envoy is back", 30)
    async with steady(here.house.port, rate=50, connections=2, key="version") as load:
        run = await story.play()
    assert run.state is RunState.SUCCEEDED
    assert load.failures == []
    assert here.house.starts(story.tag) == 3


async def test_a_promotion_goes_on_after_supervisord_was_killed_and_nobody_notices(here: Alive) -> None:
    story = await here.begin()
    run = await here.until(story, _is_at_review, "the review is open")
    with here.room() as room:
        async with steady(here.house.port, rate=50, connections=2, key="version") as load:
            await here.ask(f"approve {run.id}", "ann")
            await here.ask(f"approve {run.id}", "bob")
            await here.until(story, _is_promoting, "the promotion is under way")
            _kill_supervisord(here)
            run = await story.play()
            await here.until_heard(room, "supervisord had ended; it was started again and found")
    assert run.state is RunState.SUCCEEDED
    assert load.failures == []
    assert here.house.alive() == {story.tag: 2}
    assert here.house.starts(story.tag) == 3


async def test_a_run_whose_repository_is_gone_is_held_with_a_sentence_and_can_be_retried(here: Alive) -> None:
    tag = here.house.new_tag()
    with without(here.house.repository.path):
        await here.ask(f"run hello tag={tag}")
        await here.ask("yes")
        await here.until_answered("status hello", str(here.house.repository.path))
        await here.until_answered("status hello", "held")
    answer = await here.ask("retry hello-2")
    assert answer == "hello-2 tries again."
    await here.until_answered("status hello-2", "waits for")


def _is_at_review(run: Run) -> bool:
    return run.stage.state is StageState.AWAITING_REVIEW


def _is_promoting(run: Run) -> bool:
    return run.stage.kind is StageKind.OFFICIAL and bool(run.stage.note)


async def _answers(here: Alive) -> bool:
    try:
        status, _ = await ask_once(here.house.port)
    except (OSError, EOFError):
        return False
    return status == 200


def _workloads(here: Alive) -> Path:
    return here.app.settings.home / "workloads"


def _envoy(here: Alive) -> int:
    pid = living(_workloads(here) / "run/envoy.pid")
    assert runs(pid)
    return pid


def _kill_supervisord(here: Alive) -> None:
    os.kill(int((_workloads(here) / "run/supervisord.pid").read_text()), signal.SIGKILL)
