"""How `package` is said: its words are counted for each thing that it does."""

from collections.abc import Sequence

from bot.grammar import BY_NAME
from engine.errors import Refused
from engine.packages import PackagePath, parse


def path_in(words: Sequence[str], least: int = 3, most: int = 5) -> PackagePath:
    """Return the path that is the only word, with so many parts. Raises `Refused`."""
    [word] = expect(words, 1, 1)
    return parse(word, least, most)


def expect(words: Sequence[str], least: int, most: int) -> list[str]:
    """Return the words, if they are as many as they have to be. Raises `Refused` with how it is said."""
    if least <= len(words) <= most:
        return list(words)
    raise Refused("That is not how package is said.", f"Write `{BY_NAME['package'].form}`.")
