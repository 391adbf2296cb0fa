"""Making a pipeline by answering questions, in any chat: `create`, then one question after another.

The danger is a conversation that is lost half way, that answers the wrong question because an old button was pressed,
or that makes something nobody has seen. So what was answered is in the database after each step; a button names the
conversation and the question that it was made for; and the whole is shown before anything is created. Creating is
saying `define`, by the same way as everybody else: the same complaints, the same rights, the same audit; of several
definitions all are kept, or none.
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
from bot.creating.cards import Place, question_card, shelf_card, whole_card
from bot.creating.choices import Choices
from bot.creating.filling import Known, Sheet, checked, complaints_at
from bot.creating.offers import NoOffers, Offers
from bot.creating.questions import Question, questions_of
from bot.creating.shelf import Template, seen_templates, template_of
from bot.creating.talk import END, Talk, known_to, read
from bot.desk import Transports
from bot.feature import Feature, MakeFeature
from bot.forms import Blank, CreateForm, DefineForm
from bot.grammar import PRESS, Said, words_of
from bot.rights.holders import holder_of
from engine.errors import Refused
from engine.forges.hosting import Page
from engine.model import PersonId
from storage.book import SqlBook
from storage.drafts import Draft

GOOD_FOR = timedelta(hours=1)
_BACK = ("back", "b")
Define = Callable[[Incoming, Sequence[str]], Awaitable[list[Answer]]]


@dataclass(slots=True)
class Conversation:
    """Asks and creates. `define` keeps definitions as if the person had said so, all of them or none."""

    acting: Acting
    transports: Transports
    define: Define
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
            case "more", [key, after, *page] if key == talk.at and after.isdecimal():
                return await self._asked(incoming, talk, at=Place(int(after), "".join(page)))
            case "fill", pairs:
                return await self._filled(incoming, talk, before, dict(pair.split("=", 1) for pair in pairs))
            case "back", [] | [_] if not words or words[0] == talk.at:
                return await self._step(incoming, talk.before(), before)
            case (("create" | "change"), []) if talk.at == END:
                return await self._created(incoming, talk) if what == "create" else self._changed(talk)
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
        if question.key == q.ACCOUNT:
            sheet = await self._with_namespaces(incoming.person, sheet)
        return await self._step(incoming, replace(talk, sheet=sheet).after(question.key), before)

    async def _with_namespaces(self, person: PersonId, sheet: Sheet) -> Sheet:
        """Leave out what is asked about namespaces where there are not two to choose from."""
        account = sheet.answers[q.ACCOUNT]
        found: Page[str] = Page(()) if account == q.NONE else await self.offers.namespaces(person, account)
        if len(found.items) > 1 or found.next:
            return replace(sheet, answers={key: said for key, said in sheet.answers.items() if key != q.NAMESPACE})
        return sheet.answered(q.NAMESPACE, "")

    async def _filled(self, incoming: Incoming, talk: Talk, before: Draft, said: Mapping[str, str]) -> list[Answer]:
        """Take a form, and ask what was not in it. Complaints name the fields that they are about."""
        known, sheet, wrong = await self._known(incoming.person), replace(talk.sheet, answers={}), []
        for question in _in_form(sheet):
            try:
                sheet = sheet.answered(question.key, checked(sheet, question, said.get(question.key, ""), known))
            except Refused as refusal:
                wrong.append(f"{question.key}: {refusal} {refusal.hint}".strip())
        if wrong:
            return [Answer(Card(f"{len(wrong)} to mend", Tone.BAD, code="\n".join(wrong)), private=True)]
        left = (one.key for one in sheet.asked if one.key not in sheet.answers)
        return await self._step(incoming, replace(talk, sheet=sheet, at=next(left, END)), before)

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

    async def _asked(
        self, incoming: Incoming, talk: Talk, complaint: str = "", at: Place | None = None
    ) -> list[Answer]:
        """Ask what is open, or show the whole."""
        question = talk.question
        if question is not None:
            choices = await self._choices().of(incoming.person, talk, question, at.page if at else "")
            if at and not choices.items:
                complaint = "The forge shows no more now."
            card = question_card(talk.id, talk.sheet, question, choices, complaint=complaint, at=at)
            return [Answer(card, private=True)]
        known, texts = await self._known(incoming.person), talk.sheet.filled()
        wrong = [one for text in texts for one in known.complaints(text)]
        back = next((one for one in reversed(talk.sheet.questions) if complaints_at(one, texts, known)), None)
        if wrong and back is not None and talk.at != END:
            return await self._asked(incoming, replace(talk, at=back.key), str(wrong[0]))
        return [Answer(whole_card(talk.id, texts, wrong), private=True)]

    async def _created(self, incoming: Incoming, talk: Talk) -> list[Answer]:
        """Define the pipelines, as if the person had said it. What is refused leaves the conversation as it is."""
        answers = await self.define(incoming, talk.sheet.filled())
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

    async def _form(self, incoming: Incoming, talk: Talk) -> CreateForm:
        """All questions at once, for a chat that has forms; but for those whose choices depend on a code account."""
        blanks, asked = [], _in_form(talk.sheet)
        for one in asked:
            if one.is_closed:
                value = talk.sheet.default_of(one, incoming.person)
            else:
                value = next(iter((await self._choices().of(incoming.person, talk, one)).items), "")
            blanks.append(Blank(one.key, one.title, value, one.hint, one.choices if one.is_closed else ()))
        return CreateForm(talk.id, talk.template, tuple(blanks), goes_on=len(asked) < len(talk.sheet.asked))

    def _choices(self) -> Choices:
        return Choices(self.acting.store, self.transports, self.offers)


def _in_form(sheet: Sheet) -> tuple[Question, ...]:
    """The questions that a form asks: where there are code accounts, what they can see is asked step by step."""
    has_accounts = any(one.key == q.ACCOUNT for one in sheet.questions)
    return tuple(one for one in sheet.asked if not (has_accounts and one.key in q.AT_FORGE))


def make_creating(transports: Transports, define: Define, offers: Offers | None = None) -> MakeFeature:
    """Offer it; `define` keeps definitions, `offers` knows what forges have."""
    return lambda acting, _ask: Conversation(acting, transports, define, offers or NoOffers()).feature()
