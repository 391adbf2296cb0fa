"""What a line needs, read from the line alone: however it comes, as a command, a button or a form."""

import pytest

from bot.grammar import VERBS
from bot.rights.access import NEEDS, UNKNOWN, About, Line, Need, need_of, wanted
from storage.grants import Right

LOOKS = {verb.name for verb in VERBS if verb.kind == "look"}


def need(line: str) -> Need:
    found = wanted(line)
    assert found is not None, line
    return need_of(found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run hello tag=v2", Need(About.START, Right.READ)),
        ("press run hello 3 tag=v2", Need(About.START, Right.READ)),
        ("/sluice delete hello", Need(About.PIPELINE, Right.MANAGE)),
        ("abort hello-2", Need(About.RUN, Right.READ)),
        ("press stop hello-2 1 1 -", Need(About.RUN, Right.READ)),
        ("press approve hello-2 1 1 abc", Need(About.RUN)),
        ("press split hello-2 1 1 - 20 50", Need(About.RUN, Right.EDIT)),
        ("redeploy hello 3", Need(About.PIPELINE, Right.READ)),
        ("redeploy hello 3 fast too slow", Need(About.PIPELINE, Right.EDIT)),
        ("redeploy hello 3 so fast", Need(About.PIPELINE, Right.READ)),
        ("status", Need(About.EVERYTHING)),
        ("status hello", Need(About.RUN)),
        ("group shop", Need(About.GROUP, Right.READ)),
        ("group create shop", Need(About.NOTHING)),
        ("group delete shop to other", Need(About.GROUP, Right.MANAGE, 1)),
        ("grant bob read on shop", Need(About.GROUP, Right.MANAGE, 3)),
        ("template export hello mine", Need(About.PIPELINE, Right.EDIT, 1)),
        ("template delete mine", Need(About.TEMPLATE, Right.EDIT, 1)),
        ("template mine", Need(About.TEMPLATE, Right.READ)),
        ("create", Need(About.EVERYTHING)),
        ("DELETE", Need(About.NOTHING)),
        ("yes 1a2b", Need(About.NOTHING)),
    ],
)
def test_a_line_needs_the_right_for_what_it_does(line: str, expected: Need) -> None:
    assert need(line) == expected


@pytest.mark.parametrize("line", ["", "   ", "what is this", "run", "delete a b c"])
def test_what_cannot_be_done_is_nothing_that_is_wanted(line: str) -> None:
    assert wanted(line) is None


def test_a_press_that_nobody_knows_needs_everything() -> None:
    assert need("press frobnicate hello-2") is UNKNOWN
    assert need_of(Line("frobnicate", ("hello",))) is UNKNOWN


@pytest.mark.parametrize(
    "odd", ["press stop\x0bhello-1 1 1 -", "press \x1cstop hello-1 1 -", "press  stop hello-1 1 -"]
)
def test_odd_blanks_name_the_same_as_for_whoever_carries_the_press_out(odd: str) -> None:
    """Presses are taken apart at every kind of blank; a check that did so otherwise would look at something else."""
    found = wanted(odd)
    assert found is not None
    verb, run, *_ = odd.split()[1:]
    assert (found.verb, found.words[0]) == (verb, run)


def test_looking_never_needs_more_than_seeing_but_for_the_form_that_changes_a_pipeline() -> None:
    needs = {name: NEEDS[name] for name in LOOKS & set(NEEDS)}
    more = {name for name, one in needs.items() if one.right > Right.READ}
    assert more == {"edit"}


def test_what_changes_something_is_not_free_but_for_what_is_ones_own() -> None:
    free = {verb.name for verb in VERBS if verb.kind == "act" and NEEDS.get(verb.name, UNKNOWN).about is About.NOTHING}
    assert free <= {"link", "unlink", "unsubscribe", "yes", "no", "answer", "account"}
