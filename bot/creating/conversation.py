"""Making a pipeline by answering questions, in any chat: `create`, then one question after another.

The danger is a conversation that is lost half way, that answers the wrong question because an old button was pressed,
or that makes something nobody has seen. So what was answered is in the database after each step; a button names the
conversation and the question that it was made for; and the whole is shown before anything is created. Creating is
saying `define`, by the same way as everybody else: the same complaints, the same rights, the same audit.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.acting import Acting
from bot.cards import Card, Tone
from bot.chat import Answer, Incoming
from bot.creating import questions as q
from bot.creating.cards import question_card, shelf_card, whole_card
from bot.creating.filling import Known, Sheet, checked, complaints_at
from bot.creating.offers import NoOffers, Offers
from bot.creating.questions import Question, questions_of
from bot.creating.shelf import Template, seen_templates, template_of
from bot.creating.talk import END, Talk, free_port, known_to, read
from bot.desk import Transports
from bot.feature import Feature, MakeFeature
from bot.forms import Blank, CreateForm, DefineForm
from bot.grammar import PRESS, Said, words_of
from bot.rights.holders import holder_of
from engine.errors import Refused
from engine.model import PersonId
from storage.book import SqlBook
from storage.drafts import Draft

GOOD_FOR = timedelta(hours=1)
_BACK = ("back", "b")
Say = Callable[[Incoming], Awaitable[list[Answer]]]


@dataclass(slots=True)
class Conversation:
    """Asks and creates. `say` carries a line out as if the person had said it."""

    acting: Acting
    transports: Transports
    say: Say
    offers: Offers = field(default_factory=NoOffers)

    def feature(self) -> Feature:
        """What is said while a pipeline is made."""
        return Feature(
            {"create": self.create, "answer": self.answer},
            presses={"answer": self.press},
            hears=self.hear,
            leaves=self.leave,
        )

    async def create(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the shelf, or begin to ask."""
        store, person = self.acting.store, incoming.person
        if not said.words:
            shown = await store.read(lambda book: seen_templates(book, holder_of(book, person)))
            return [Answer(shelf_card(shown), private=True)]
        found = await store.read(lambda book: template_of(book, holder_of(book, person), said.words[0]))
        accounts = tuple(await self.offers.accounts(person))
        talk = self._begun(found, accounts)
        if await self._keep(incoming, talk, accounts, None) is None:
            return []
        [answer] = await self._asked(incoming, talk)
        return [replace(answer, form=await self._form(incoming, talk))]

    async def answer(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Answer the question that is open: ``answer WORDS``."""
        kept = await self._open(incoming)
        if kept is None:
            raise Refused("You are not asked anything for a pipeline now.", "`create` begins.")
        return await self._answered(incoming, *kept, said.text)

    async def hear(self, incoming: Incoming) -> list[Answer] | None:
        """Take what is no command as an answer, while something is asked; None when nothing is."""
        kept = await self._open(incoming)
        return None if kept is None else await self._answered(incoming, *kept, incoming.line)

    async def leave(self, incoming: Incoming) -> list[Answer] | None:
        """Leave the conversation, if there is one and nothing else is asked."""
        asked = await self.acting.store.read(lambda book: book.chats.asked(incoming.room, incoming.person))
        if asked is not None or await self._open(incoming) is None:
            return None
        left = await self.acting.once(incoming, lambda book: book.drafts.drop(incoming.room, incoming.person))
        return [] if left is None else [Answer(Card("Nothing was created."), private=True)]

    async def press(self, incoming: Incoming) -> list[Answer]:
        """A button of the conversation: ``press answer ID say KEY VALUE``, ``... back``, ``... create`` and others."""
        draft, what, *words = (*words_of(incoming.line.removeprefix(PRESS))[1:], "", "")
        kept = await self._open(incoming)
        if kept is None or kept[0].id != draft:
            raise Refused("That belongs to a conversation that is over; nothing was done.", "`create` begins anew.")
        talk, before = kept
        words = [word for word in words if word]
        match what, words:
            case "say", [key, *said] if key == talk.at:
                return await self._answered(incoming, talk, before, " ".join(said))
            case "fill", pairs:
                return await self._filled(incoming, talk, before, dict(pair.split("=", 1) for pair in pairs))
            case "back", [] | [_] if not words or words[0] == talk.at:
                return await self._step(incoming, talk.before(), before)
            case "create", [] if talk.at == END:
                return await self._created(incoming, talk)
            case "change", [] if talk.at == END:
                return self._changed(talk)
            case "leave", []:
                return await self.leave(incoming) or []
        raise Refused("That button belongs to an earlier question; nothing was done.", "Use the newest one.")

    async def _answered(self, incoming: Incoming, talk: Talk, before: Draft, said: str) -> list[Answer]:
        """Take an answer, and ask the next question; or ask the same again, with what is wrong."""
        if said.strip().lower() in _BACK and (talk.at != q.NAME or talk.at == END):
            return await self._step(incoming, talk.before(), before)
        question = talk.question
        if question is None:
            return await self._asked(incoming, talk)
        known = await self._known(incoming.person)
        try:
            value = checked(talk.sheet, question, said, known)
        except Refused as refusal:
            return await self._asked(incoming, talk, f"{refusal} {refusal.hint}".strip())
        sheet = talk.sheet.answered(question.key, value)
        return await self._step(incoming, replace(talk, sheet=sheet).after(question.key), before)

    async def _filled(self, incoming: Incoming, talk: Talk, before: Draft, said: Mapping[str, str]) -> list[Answer]:
        """Take a whole form. Complaints name the fields that they are about."""
        known, sheet, wrong = await self._known(incoming.person), replace(talk.sheet, answers={}), []
        for question in sheet.questions:
            try:
                sheet = sheet.answered(question.key, checked(sheet, question, said.get(question.key, ""), known))
            except Refused as refusal:
                wrong.append(f"{question.key}: {refusal} {refusal.hint}".strip())
        if wrong:
            return [Answer(Card(f"{len(wrong)} to mend", Tone.BAD, code="\n".join(wrong)), private=True)]
        return await self._step(incoming, replace(talk, sheet=sheet, at=END), before)

    async def _step(self, incoming: Incoming, talk: Talk, before: Draft) -> list[Answer]:
        kept = json.loads(before.document)
        if await self._keep(incoming, talk, kept["accounts"], before) is None:
            return []
        return await self._asked(incoming, talk)

    async def _keep(self, incoming: Incoming, talk: Talk, accounts: Sequence[str], before: Draft | None) -> bool | None:
        """Keep where the conversation is; None when this delivery did so before. Two answers at once are one."""
        document = talk.document(accounts, self._clusters())
        until = self.acting.clock.now() + GOOD_FOR
        draft = Draft(talk.id, incoming.room, incoming.person, document, until)

        def keep(book: SqlBook) -> bool:
            if before is not None and book.drafts.find(incoming.room, incoming.person) != before:
                raise Refused("That question was answered meanwhile; nothing was done.", "Use the newest one.")
            book.drafts.put(draft)
            return True

        return await self.acting.once(incoming, keep, f"asked: {talk.at}")

    async def _asked(self, incoming: Incoming, talk: Talk, complaint: str = "") -> list[Answer]:
        """Ask what is open, or show the whole."""
        question = talk.question
        if question is not None:
            choices = await self._choices(incoming.person, talk, question)
            return [Answer(question_card(talk.id, talk.sheet, question, choices, complaint), private=True)]
        known, texts = await self._known(incoming.person), talk.sheet.filled()
        wrong = [one for text in texts for one in known.complaints(text)]
        back = next((one for one in reversed(talk.sheet.questions) if complaints_at(one, texts, known)), None)
        if wrong and back is not None and talk.at != END:
            return await self._asked(incoming, replace(talk, at=back.key), str(wrong[0]))
        return [Answer(whole_card(talk.id, texts, wrong), private=True)]

    async def _created(self, incoming: Incoming, talk: Talk) -> list[Answer]:
        """Define each pipeline, as if the person had said it. What is refused leaves the conversation as it is."""
        answers: list[Answer] = []
        for number, text in enumerate(talk.sheet.filled()):
            key = f"{incoming.key}:{number}" if incoming.key else ""
            answers += await self.say(replace(incoming, line=f"define\n{text}", key=key))
            if any(answer.card.tone is Tone.BAD for answer in answers):
                return answers
        await self.acting.once(incoming, lambda book: book.drafts.drop(incoming.room, incoming.person), "created")
        return answers

    def _changed(self, talk: Talk) -> list[Answer]:
        """Hand the definitions over, to be changed and sent."""
        texts = talk.sheet.filled()
        form = DefineForm(talk.sheet.answers[q.NAME], texts[0]) if len(texts) == 1 else None
        text = "Change this, then say `define` and send it; several are sent one by one."
        return [Answer(Card("As it is now", text=text, code="---\n".join(texts)), private=True, form=form)]

    def _begun(self, found: Template, accounts: tuple[str, ...]) -> Talk:
        asked = questions_of(found.documents, clusters=self._clusters(), accounts=accounts)
        return Talk(secrets.token_hex(4), found.name, Sheet(found.documents, asked), asked[0].key)

    async def _open(self, incoming: Incoming) -> tuple[Talk, Draft] | None:
        """The conversation with the person in this room, if it is not too old."""
        kept = await self.acting.store.read(lambda book: book.drafts.find(incoming.room, incoming.person))
        if kept is None or kept.expires_at < self.acting.clock.now():
            return None
        return read(kept), kept

    def _clusters(self) -> tuple[str, ...]:
        return tuple(sorted(self.transports.clusters or ()))

    async def _known(self, person: PersonId) -> Known:
        return await self.acting.store.read(lambda book: known_to(book, person, self.transports))

    async def _choices(self, person: PersonId, talk: Talk, question: Question) -> list[str]:
        """What can be pressed instead of typed, the default first."""
        answers, account = talk.sheet.answers, talk.sheet.answers.get(q.ACCOUNT, q.NONE)
        default = talk.sheet.default_of(question, person)
        offered: Sequence[str] = question.choices
        if question.key == q.GROUP:
            known = await self._known(person)
            offered = [one for one in (default, *known.groups) if one not in known.closed or one in known.groups]
            return list(offered)
        if question.key == q.REVIEWERS:
            offered = (*(await self.acting.store.read(lambda book: book.people.names())), q.NOBODY)
        elif question.key == q.REPOSITORY and account != q.NONE:
            offered = await self.offers.repositories(person, account)
        elif question.key in ("branch", "tag") and account != q.NONE:
            kind = "branches" if question.key == "branch" else "tags"
            offered = (*await self.offers.refs(person, account, answers.get(q.REPOSITORY, ""), kind), default)
            return list(offered)
        elif question.key.startswith("port"):
            free = await self.acting.store.read(lambda book: free_port(book, set(answers.values())))
            return [free]
        return [default, *offered]

    async def _form(self, incoming: Incoming, talk: Talk) -> CreateForm:
        """All questions at once, for a chat that has forms."""
        blanks = []
        for one in talk.sheet.questions:
            if one.is_closed:
                value = talk.sheet.default_of(one, incoming.person)
            else:
                value = next(iter(await self._choices(incoming.person, talk, one)), "")
            blanks.append(Blank(one.key, one.title, value, one.hint, one.choices if one.is_closed else ()))
        return CreateForm(talk.id, talk.template, tuple(blanks))


def make_creating(transports: Transports, say: Say, offers: Offers | None = None) -> MakeFeature:
    """Offer it; `say` carries lines out, `offers` knows what forges have."""
    return lambda acting, _ask: Conversation(acting, transports, say, offers or NoOffers()).feature()
