"""A run told as an incident: the outcome first, every line with its times, what nobody did named as such."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.audit.timeline import Gap, Line, Sources, Timeline, markdown, plain, tell
from engine import events as e
from engine.events import Event
from engine.model import PersonId, RoomId, Run, RunState, StageKind, StageRule
from engine.ports import Entry
from engine.transitions import ENGINE, evolve
from storage.audit import Deed
from storage.outbox import Parcel
from tests.support.store import ANN, BOB, EVE, T0, a_run

RULES = (
    StageRule("code", StageKind.SOURCE),
    StageRule("gray", StageKind.GRAY),
    StageRule("review", StageKind.REVIEW, reviewers=(ANN,)),
)
SPLIT = {"baseline": {"requests": {}, "failed": {}}, "tracks": {"gray": "gray", "stable": "stable"}}
BEGUN = a_run(rules=RULES)


def at(seconds: float) -> dict[str, object]:
    return {"at": BEGUN.created_at + timedelta(seconds=seconds), "by": ENGINE}


def by(person: PersonId, seconds: float) -> dict[str, object]:
    return {**at(seconds), "by": person}


STORY: tuple[Event, ...] = (
    e.RunRequested(**by(ANN, 0), run=replace(BEGUN, seq=0)),  # type: ignore[arg-type]
    e.RunStarted(**at(0.001)),  # type: ignore[arg-type]
    e.StageStarted(**at(0.001), stage=0, attempt=1),  # type: ignore[arg-type]
    e.StageSucceeded(**at(3), stage=0, outputs={"sha": "a" * 40, "subject": "Say | hi", "author": "Ann"}),  # type: ignore[arg-type]
    e.StageStarted(**at(3), stage=1, attempt=1),  # type: ignore[arg-type]
    e.StageNoted(**at(20), stage=1, note="The split is in effect: 20 %", outputs={**SPLIT, "share": 20}),  # type: ignore[arg-type]
    e.StageSucceeded(**at(21), stage=1),  # type: ignore[arg-type]
    e.StageStarted(**at(21), stage=2, attempt=1),  # type: ignore[arg-type]
    e.ReviewOpened(**at(22), stage=2, fingerprint="f", plan={}, deadline=T0 + timedelta(days=1)),  # type: ignore[arg-type]
    e.UnwindingBegan(**by(BOB, 1522), final=RunState.ROLLED_BACK, reason="errors in checkout"),  # type: ignore[arg-type]
    e.StageNoted(**at(1524), stage=2, note="Sending 100 % to stable"),  # type: ignore[arg-type]
    e.StageNoted(**at(1530), stage=2, note="Draining and ending gray"),  # type: ignore[arg-type]
    e.RunEnded(**at(1540), state=RunState.ROLLED_BACK, reason="errors in checkout"),  # type: ignore[arg-type]
)


def entries(events: Sequence[Event] = STORY) -> list[Entry]:
    return [Entry(10 + n, BEGUN.id, n, event) for n, event in enumerate(events, 1)]


def run_after(events: Sequence[Event] = STORY) -> Run:
    run: Run | None = None
    for event in events:
        run = evolve(run, event)
    assert run is not None
    return run


def deed(person: str, seconds: float, line: str, room: str, *, outcome: str = "done", said: str = "") -> Deed:
    when = BEGUN.created_at + timedelta(seconds=seconds)
    return Deed(f"{line}{seconds}", when, PersonId(person), "", RoomId(room), line, outcome, said)


DEEDS = (
    deed("ann", 0, "yes", "slack:T/C"),
    deed("eve", 700, "approve shop-1", "web:lobby", outcome="refused", said="Only ann can decide."),
    deed("bob", 1521.9, "yes", "telegram:7", said="shop-1 is being rolled back."),
)


def story(deeds: Sequence[Deed] = DEEDS, parcels: Sequence[Parcel] = ()) -> Timeline:
    return tell(run_after(), Sources(entries(), deeds, parcels), T0 + timedelta(hours=9))


def line_with(words: str, told: Timeline) -> Line:
    [found] = [line for line in told.lines if isinstance(line, Line) and words in line.words]
    return found


def test_the_outcome_and_who_brought_it_about_come_first() -> None:
    assert story().title == "shop-1: rolled back by bob"
    facts = dict(story().facts)
    assert facts["Because"] == "errors in checkout"
    assert facts["Asked for by"] == "ann in web:lobby"
    assert facts["When"].endswith("(25 min 40 s)")
    assert facts["Variables"] == "tag=v1"


def test_it_says_for_how_long_visitors_had_the_new_version() -> None:
    assert dict(story().facts)["Visitors had it"] == "20 % from 12:00:21; back on the old one at 12:25:31 (25 min 10 s)"


def test_each_line_says_where_its_person_was_as_far_as_the_audit_knows() -> None:
    told = story()
    assert "(in slack:T/C)" in line_with("asked for by ann", told).words
    assert "(in telegram:7)" in line_with("bob takes it back", told).words
    assert "(in " not in line_with("takes it back", story(deeds=())).words


def test_what_was_refused_stands_between_what_happened() -> None:
    told = story()
    refused = line_with("eve was refused", told)
    assert refused.mark == "x"
    assert "`approve shop-1`: Only ann can decide. (in web:lobby)" in refused.words
    assert refused.since == timedelta(seconds=700)
    order = [line.at for line in told.lines if isinstance(line, Line)]
    assert order == sorted(order)


def test_a_time_in_which_nothing_happened_is_named_with_what_was_waited_for() -> None:
    gaps = [line for line in story().lines if isinstance(line, Gap)]
    assert [(gap.span, gap.words) for gap in gaps] == [
        (timedelta(seconds=678), "waiting for the review of ann"),
        (timedelta(seconds=822), "waiting for the review of ann"),
    ]


def test_what_follows_of_itself_is_told_in_the_same_line() -> None:
    assert line_with("code succeeded", story()).words.endswith("; gray begins")


def test_what_went_wrong_and_the_way_back_are_marked() -> None:
    told = story()
    assert line_with("bob takes it back", told).mark == "!"
    assert line_with("going back: Sending 100 % to stable", told).mark == ""


def test_what_others_were_told_stands_in_it_with_what_failed() -> None:
    when = BEGUN.created_at + timedelta(seconds=30)
    sent = Parcel(
        "k1", when, "shop", BEGUN.id, "gray: success", "webhook", "POST hooks.example.com", status="sent", done_at=when
    )
    lost = replace(sent, key="k2", status="failed", attempts=9, error="It answered 500.")
    told = story(parcels=[sent, lost])
    assert line_with("POST hooks.example.com was told (gray: success)", told).mark == ""
    assert line_with("could not be told (gray: success) after 9 tries: It answered 500.", told).mark == "!"


def test_a_run_that_goes_on_says_so() -> None:
    part = STORY[:9]
    told = tell(run_after(part), Sources(entries(part)), T0 + timedelta(minutes=1))
    assert told.notes[0].startswith("It goes on")
    assert "and it goes on" in dict(told.facts)["When"]


def test_journal_entries_that_are_gone_are_told() -> None:
    told = tell(replace(run_after(), seq=15), Sources(entries()), T0)
    assert told.notes[-1].startswith("2 of its 15 journal entries are missing")


def test_plain_text_has_both_times_in_columns() -> None:
    lines = plain(story()).splitlines()
    assert lines[0] == "shop-1: rolled back by bob"
    [back] = [line for line in lines if "takes it back" in line]
    assert back == "12:25:23   +0:25:22  ! bob takes it back: errors in checkout (in telegram:7)"
    assert any(line.strip() == "... nothing for 11 min 18 s, waiting for the review of ann" for line in lines)


def test_markdown_is_one_table_whatever_people_wrote() -> None:
    text = markdown(story())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert text.startswith("## shop-1: rolled back by bob\n")
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows), rows
    assert "Say \\| hi" in text


def test_a_run_over_midnight_has_dates() -> None:
    late = replace(DEEDS[1], at=BEGUN.created_at + timedelta(hours=20))
    assert "02 Mar 08:00:01" in plain(story(deeds=[late]))


def test_an_account_that_nobody_knows_is_named() -> None:
    unknown = replace(DEEDS[1], person=PersonId(""), account=f"telegram:{EVE}")
    assert "somebody unknown (telegram:eve) was refused" in plain(story(deeds=[unknown]))
