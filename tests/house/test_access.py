"""Nobody has to remember who may do what: every verb has its row."""

from bot.grammar import VERBS
from bot.rights.access import NEEDS


def test_every_verb_stands_in_the_table_of_who_may_do_what() -> None:
    """A verb that is not there needs the right to manage every group: add its row to `bot.rights.access.NEEDS`."""
    assert {verb.name for verb in VERBS} - set(NEEDS) == set()


def test_the_table_of_who_may_do_what_has_no_row_for_what_cannot_be_said() -> None:
    assert set(NEEDS) - {verb.name for verb in VERBS} == set()
