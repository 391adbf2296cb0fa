"""What can be pressed instead of typed, for each question: what is likely first, then what there is."""

from dataclasses import dataclass

from bot.creating import questions as q
from bot.creating.offers import Offers
from bot.creating.questions import Question
from bot.creating.talk import Talk, free_port, known_to
from bot.desk import Transports
from engine.forges.hosting import Page
from engine.model import PersonId
from storage.store import SqlStore


@dataclass(frozen=True, slots=True)
class Choices:
    """Looks up what there is: here, or at the forge with the code account that was chosen."""

    store: SqlStore
    transports: Transports
    offers: Offers

    async def of(self, person: PersonId, talk: Talk, question: Question, page: str = "") -> Page[str]:
        """A page of the choices for a question."""
        if talk.sheet.answers.get(q.ACCOUNT, q.NONE) != q.NONE and question.key in q.LISTED:
            return await self._at_forge(person, talk, question, page)
        default = talk.sheet.default_of(question, person)
        if question.key == q.GROUP:
            known = await self.store.read(lambda book: known_to(book, person, self.transports))
            offered = (default, *known.groups)
            return Page([one for one in offered if one not in known.closed or one in known.groups])
        if question.key == q.REVIEWERS:
            return Page([default, *(await self.store.read(lambda book: book.people.names())), q.NOBODY])
        if question.key.startswith("port"):
            taken = set(talk.sheet.answers.values())
            return Page([await self.store.read(lambda book: free_port(book, taken))])
        return Page([default, *question.choices])

    async def _at_forge(self, person: PersonId, talk: Talk, question: Question, page: str) -> Page[str]:
        """What the forge has. If it has or says nothing, the default can be pressed all the same."""
        answers, default = talk.sheet.answers, talk.sheet.default_of(question, person)
        account, address = answers[q.ACCOUNT], answers.get(q.REPOSITORY, "")
        match question.key:
            case q.NAMESPACE:
                found = await self.offers.namespaces(person, account, page)
            case q.REPOSITORY:
                namespace = answers.get(q.NAMESPACE, "")
                within = "" if namespace == q.EVERY else namespace
                found = await self.offers.repositories(person, account, within, page)
            case q.BRANCH:
                found = await self.offers.branches(person, account, address, page)
            case _:
                found = await self.offers.tags(person, account, address, page)
        is_first = not page and (question.key in (q.NAMESPACE, q.REPOSITORY) or not found.items)
        return Page([default, *found.items], found.next) if is_first else found
