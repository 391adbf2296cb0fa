"""One message being put together: it grows block by block and stays within what Telegram takes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.telegram.markup import Block, as_code, code, line, stacked
from bot.telegram.plain import LIMIT, one_line, units

ENTITIES = 100
"""Telegram keeps so many pieces of formatting in a message; what stands in a further one would become links again."""
EACH = 14
"""Formatting of one block; one that has more is shown as a single piece of code."""
_RESERVE = 200
"""Room kept for the last line, which says where the rest is."""
_LAST_LINE = 3
_APART = "\n\n"


@dataclass(slots=True)
class Page:
    """Blocks in their order. `shortened`: something was left out that the reader may want."""

    blocks: list[Block] = field(default_factory=list)
    shortened: bool = False

    @property
    def room(self) -> int:
        """Units that another block may have."""
        used = sum(block.units + units(_APART) for block in self.blocks)
        return LIMIT - _RESERVE - used

    @property
    def entities_left(self) -> int:
        """Pieces of formatting that another block may have."""
        return ENTITIES - _LAST_LINE - sum(block.entities for block in self.blocks)

    def add(self, block: Block) -> bool:
        """Add a block; one that does not fit is left out, and the page says that it is shortened."""
        if not block.text.strip():
            return True
        if block.entities > min(EACH, self.entities_left):
            block = as_code(block.text)
        if block.units > self.room or block.entities > self.entities_left:
            self.shortened = True
            return False
        self.blocks.append(block)
        return True

    def add_list(
        self, blocks: Iterable[Block], count: int, limit: int, what: str, *, head: Block | None = None
    ) -> None:
        """Add the first of `count` blocks, one a line, as many as `limit` units hold, and say how many follow."""
        shown = [head] if head else []
        left = count
        for block in blocks:
            limit -= block.units + 1
            if limit < 0:
                break
            shown.append(block)
            left -= 1
        if left:
            self.shortened = True
            shown.append(line(f"… and {left} more {what}"))
        self.add(stacked(shown))

    def finished(self, key: str, *, has_file: bool) -> str:
        """Return the message. `key` is the run that it is about, if any; `has_file`: all of it goes as a file."""
        blocks = list(self.blocks)
        if has_file:
            blocks.append(line("✂ Shortened. All of it is in the file."))
        elif self.shortened:
            run = one_line(key)
            known = 0 < units(run) <= _RESERVE // 2
            blocks.append(line("✂ Shortened. ", code(f"logs {run}"), " has more.") if known else line("✂ Shortened."))
        return stacked(blocks, _APART).html
