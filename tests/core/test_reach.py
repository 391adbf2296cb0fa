"""What is said beside an address that machines are to call."""

import pytest

from bot.reach import reach_of
from bot.settings import Settings


def settings(**changes: str) -> Settings:
    return Settings(_env_file=None, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_an_address_of_this_machine_is_said_to_be_one_and_which_setting_changes_that(host: str) -> None:
    there = reach_of(settings(hooks_host=host), lambda: 4711)()
    assert there.address == f"http://{f'[{host}]' if ':' in host else host}:4711"
    assert "Only this machine reaches that address" in there.note
    assert "SLUICE_HOOKS_URL" in there.note


def test_an_address_where_sluice_listens_is_said_to_be_no_more_than_that() -> None:
    note = reach_of(settings(hooks_host="0.0.0.0"), lambda: 4711)().note  # noqa: S104 - what somebody may have set
    assert "Sluice listens at 0.0.0.0" in note
    assert "Only this machine" not in note
    assert "SLUICE_HOOKS_URL" in note


def test_a_public_address_needs_no_word() -> None:
    there = reach_of(settings(hooks_url="https://sluice.example.com/"), lambda: 4711)()
    assert (there.address, there.note) == ("https://sluice.example.com", "")


@pytest.mark.parametrize("url", ["", "https://sluice.example.com"])
def test_while_the_port_is_taken_the_one_that_is_wanted_is_named_and_that_nothing_answers(url: str) -> None:
    there = reach_of(settings(hooks_url=url), lambda: None)()
    assert there.address == (url or f"http://127.0.0.1:{settings().hooks_port}")
    assert "another program has it" in there.note
    assert "SLUICE_HOOKS_PORT" in there.note
