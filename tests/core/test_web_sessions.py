"""Links that work once, and sessions that outlive the process."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.web.sessions import FILE, IDLE, LINK_LIFE, LINKS, Sessions
from engine.model import PersonId
from tests.support.console import StillClock

ANN = PersonId("ann")


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def sessions(tmp_path: Path, clock: StillClock) -> Sessions:
    return Sessions(tmp_path, clock)


def token(sessions: Sessions) -> str:
    return sessions.new_link(ANN).removeprefix("/in/")


def test_a_link_works_once(sessions: Sessions) -> None:
    link = token(sessions)
    first, second = sessions.open(link), sessions.open(link)
    assert first is not None
    assert first.person == ANN
    assert second is None


def test_looking_at_a_link_uses_nothing_up(sessions: Sessions) -> None:
    link = token(sessions)
    assert [sessions.invited(link), sessions.invited(link)] == [ANN, ANN]
    assert sessions.open(link) is not None
    assert sessions.invited(link) is None


def test_a_link_expires_after_ten_minutes(sessions: Sessions, clock: StillClock) -> None:
    link = token(sessions)
    clock.pass_time(LINK_LIFE)
    assert sessions.invited(link) is None
    assert sessions.open(link) is None


def test_a_link_made_by_another_process_signs_in(sessions: Sessions, tmp_path: Path, clock: StillClock) -> None:
    link = token(Sessions(tmp_path, clock))
    assert sessions.open(link) is not None


@pytest.mark.parametrize("wrong", ["", "x", "../web-sessions.json", "a" * 5000, "\x00"])
def test_a_made_up_link_opens_nothing(sessions: Sessions, wrong: str) -> None:
    assert sessions.invited(wrong) is None
    assert sessions.open(wrong) is None


def test_old_links_are_cleared_away(sessions: Sessions, tmp_path: Path, clock: StillClock) -> None:
    token(sessions)
    clock.pass_time(LINK_LIFE)
    token(sessions)
    assert len(list((tmp_path / LINKS).iterdir())) == 1


def test_a_restart_signs_nobody_out(sessions: Sessions, tmp_path: Path, clock: StillClock) -> None:
    session = sessions.open(token(sessions))
    assert session is not None
    assert Sessions(tmp_path, clock).find(session.id) == session


def test_what_is_kept_on_disk_gives_no_session_away(sessions: Sessions, tmp_path: Path) -> None:
    link = token(sessions)
    assert all(link not in path.name + path.read_text() for path in (tmp_path / LINKS).iterdir())
    session = sessions.open(link)
    assert session is not None
    kept = (tmp_path / FILE).read_text()
    assert session.id not in kept
    assert session.token not in kept
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / LINKS).stat().st_mode & 0o777 == 0o700


def test_a_session_ends_after_twelve_idle_hours(sessions: Sessions, clock: StillClock) -> None:
    session = sessions.open(token(sessions))
    assert session is not None
    clock.pass_time(IDLE - timedelta(seconds=1))
    assert sessions.find(session.id) is not None
    clock.pass_time(IDLE - timedelta(seconds=1))
    assert sessions.find(session.id) is not None
    clock.pass_time(IDLE + timedelta(seconds=1))
    assert sessions.find(session.id) is None


def test_a_session_ends_after_a_week_however_busy(sessions: Sessions, clock: StillClock) -> None:
    session = sessions.open(token(sessions))
    assert session is not None
    for _ in range(17):
        clock.pass_time(timedelta(hours=10))
        found = sessions.find(session.id)
    assert found is None


def test_signing_out_ends_the_session_for_good(sessions: Sessions, tmp_path: Path, clock: StillClock) -> None:
    session = sessions.open(token(sessions))
    assert session is not None
    sessions.end(session.id)
    assert sessions.find(session.id) is None
    assert Sessions(tmp_path, clock).find(session.id) is None


def test_each_session_accepts_its_own_forms_only(sessions: Sessions) -> None:
    ann, bob = sessions.open(token(sessions)), sessions.open(token(sessions))
    assert ann is not None
    assert bob is not None
    assert ann.accepts(ann.token)
    assert not ann.accepts(bob.token)
    assert not ann.accepts("")
    assert not ann.accepts("\N{SNOWMAN}")


@pytest.mark.parametrize("spoilt", ["", "[]", "{", json.dumps({"x": {"person": "ann"}}), json.dumps({"x": 1})])
def test_a_spoilt_file_signs_everybody_out_and_nothing_more(tmp_path: Path, clock: StillClock, spoilt: str) -> None:
    (tmp_path / FILE).write_text(spoilt)
    sessions = Sessions(tmp_path, clock)
    assert sessions.find("x") is None
    assert sessions.open(token(sessions)) is not None
