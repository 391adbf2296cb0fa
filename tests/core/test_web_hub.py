"""Every browser is told every change, in order, or starts afresh."""

from bot.web.hub import KEPT, WAITING, Hub, Listener
from engine.model import RoomId

LOBBY, OTHER = RoomId("web:lobby"), RoomId("web:other")


def told(listener: Listener) -> list[object]:
    return [change.data["n"] for _ in range(listener.queue.qsize()) if (change := listener.queue.get_nowait())]


def test_changes_arrive_in_order_and_only_those_of_the_room() -> None:
    hub = Hub()
    with hub.listen(LOBBY, hub.position) as listener:
        hub.tell(LOBBY, "message", {"n": 1})
        hub.tell(OTHER, "message", {"n": 2})
        hub.tell(LOBBY, "message", {"n": 3})
    assert listener.missed == []
    assert told(listener) == [1, 3]


def test_a_page_of_one_run_hears_of_that_run_only() -> None:
    hub = Hub()
    with hub.listen(LOBBY, hub.position, "shop-1") as listener:
        hub.tell(LOBBY, "message", {"n": 1}, "shop-1")
        hub.tell(LOBBY, "message", {"n": 2}, "shop-2")
        hub.tell(LOBBY, "live", {"n": 3})
    assert told(listener) == [1]


def test_a_browser_that_comes_back_gets_what_it_missed() -> None:
    hub = Hub()
    hub.tell(LOBBY, "message", {"n": 1})
    seen = hub.position
    hub.tell(LOBBY, "message", {"n": 2})
    hub.tell(LOBBY, "message", {"n": 3})
    with hub.listen(LOBBY, seen) as listener:
        assert listener.missed is not None
        assert [change.data["n"] for change in listener.missed] == [2, 3]


def test_a_browser_that_was_away_too_long_starts_afresh() -> None:
    hub = Hub()
    seen = hub.position
    for n in range(KEPT + 1):
        hub.tell(LOBBY, "message", {"n": n})
    with hub.listen(LOBBY, seen) as listener:
        assert listener.missed is None


def test_a_browser_that_missed_exactly_what_is_kept_gets_all_of_it() -> None:
    hub = Hub()
    seen = hub.position
    for n in range(KEPT):
        hub.tell(LOBBY, "message", {"n": n})
    with hub.listen(LOBBY, seen) as listener:
        assert listener.missed is not None
        assert len(listener.missed) == KEPT


def test_a_browser_of_another_process_or_of_the_future_starts_afresh() -> None:
    hub = Hub()
    for since in (Hub().position, "", "x", hub.name(7), hub.name(-1), f"{hub.boot}-\N{SUPERSCRIPT TWO}"):
        with hub.listen(LOBBY, since) as listener:
            assert listener.missed is None, since


def test_a_browser_that_takes_nothing_is_given_up_and_disturbs_nobody() -> None:
    hub = Hub()
    with hub.listen(LOBBY, hub.position) as slow, hub.listen(LOBBY, hub.position) as quick:
        for n in range(WAITING + 1):
            hub.tell(LOBBY, "message", {"n": n})
            quick.queue.get_nowait()
        assert slow.lost.is_set()
        assert slow.queue.qsize() == WAITING
        assert not quick.lost.is_set()


def test_the_end_of_the_bot_sends_everybody_away() -> None:
    hub = Hub()
    with hub.listen(LOBBY, hub.position) as before:
        hub.close()
        assert before.lost.is_set()
    with hub.listen(LOBBY, hub.position) as after:
        assert after.lost.is_set()
