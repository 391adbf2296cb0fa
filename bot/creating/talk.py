"""A conversation about a pipeline as it is kept, and what its answers are held against. Pure, but for reading."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.creating.filling import Known, Sheet
from bot.creating.questions import Question, questions_of
from bot.desk import Transports
from bot.rights.holders import holder_of, seen_groups
from engine.model import PersonId
from storage.book import SqlBook
from storage.drafts import Draft
from storage.grants import Right

END = "end"
"""Where a conversation is when everything is answered."""
_FIRST_PORT, _LAST_PORT = 18080, 19000


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as it is kept: the template's definitions, the answers, and the question it is at."""

    id: str
    template: str
    sheet: Sheet
    at: str

    @property
    def question(self) -> Question | None:
        """What is asked now; None when everything is answered."""
        return next((one for one in self.sheet.questions if one.key == self.at), None)

    def after(self, key: str) -> "Talk":
        """The conversation at the first question behind this one that has no answer yet."""
        keys = [one.key for one in self.sheet.asked]
        later = keys[keys.index(key) + 1 :]
        return replace(self, at=next((one for one in later if one not in self.sheet.answers), END))

    def before(self) -> "Talk":
        """The conversation one question back, with that answer open again."""
        keys = [one.key for one in self.sheet.asked]
        number = len(keys) if self.at == END else keys.index(self.at)
        last = keys[max(number - 1, 0)]
        answers = {key: value for key, value in self.sheet.answers.items() if key != last}
        return replace(self, at=last, sheet=replace(self.sheet, answers=answers))

    def document(self, accounts: Sequence[str], clusters: Sequence[str]) -> str:
        """What is kept of it."""
        return json.dumps(
            {
                "template": self.template,
                "documents": self.sheet.documents,
                "answers": dict(self.sheet.answers),
                "accounts": list(accounts),
                "clusters": list(clusters),
                "at": self.at,
            }
        )


def read(kept: Draft) -> Talk:
    """Read a conversation as it was kept."""
    what = json.loads(kept.document)
    documents = tuple(what["documents"])
    asked = questions_of(documents, clusters=what["clusters"], accounts=what["accounts"])
    return Talk(kept.id, what["template"], Sheet(documents, asked, what["answers"]), what["at"])


def known_to(book: SqlBook, person: PersonId, transports: Transports) -> Known:
    """What this person's answers are held against."""
    holder = holder_of(book, person)
    return Known(
        me=person,
        people=book.people.names(),
        clusters=transports.clusters,
        groups=[group for group in seen_groups(book, holder) if holder.on(group) >= Right.EDIT],
        closed=holder.closed,
        taken=set(book.pipelines.names()),
        allow_local=transports.local,
        allow_http=transports.plain,
    )


def free_port(book: SqlBook, taken: set[str]) -> str:
    """The first port that no definition names."""
    used = " ".join(book.grants.texts_with("port:").values())
    return next(
        str(port) for port in range(_FIRST_PORT, _LAST_PORT) if str(port) not in used and str(port) not in taken
    )
