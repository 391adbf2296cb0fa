"""Defining pipelines: the text read, kept as the next version, and what follows from it elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.acting import Acting
from bot.acts.replacing import replaced
from bot.cards import Button, Card, Field, Tone
from bot.chat import Answer, Incoming
from bot.desk import Desk, Transports
from bot.feature import CheckSources, Follow
from bot.forms import DefineForm
from bot.grammar import BY_NAME, Said
from bot.rights.grants import unfenced
from bot.rights.holders import check_name, sight_of
from bot.rights.sights import Sights
from bot.wiring import check_circles
from engine.definition import Pipeline
from engine.errors import SluiceError
from engine.model import PersonId
from engine.pipeline import Complaints, Definition, parse, resolve
from engine.ports import StoredPipeline
from engine.source import Source
from storage.book import SqlBook

_HOW_TO_DEFINE = Card(
    "There is no definition yet",
    text="Write `define`, and the YAML on the lines below it. `export PIPELINE` gives one that is there.",
    fields=(Field("To write none", "`create` asks a few questions; `templates` shows what it begins with"),),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A definition that was kept as this version, in place of the one `before` it."""

    version: int
    before: StoredPipeline | None = None


@dataclass(slots=True)
class Defining:
    """Defines pipelines. Each of `checks` may refuse a definition; each of `follows` is done when one was kept."""

    acting: Acting
    desk: Desk
    transports: Transports
    sights: Sights
    checks: list[CheckSources] = field(default_factory=list)
    follows: list[Follow] = field(default_factory=list)

    async def edit(self, _incoming: Incoming, said: Said) -> list[Answer]:
        """Give the definition to be changed."""
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        text = "Change this, then say `define` and send it."
        card = Card(f"{stored.name}, version {stored.version}", text=text, code=stored.text)
        return [Answer(card, private=True, form=DefineForm(stored.name, stored.text))]

    async def define(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Keep the definition that the line brings, or say how to bring one."""
        if not said.text.strip():
            return [Answer(_HOW_TO_DEFINE, private=True, form=DefineForm())]
        definition = await self._read(unfenced(said.text))
        kept = await self.acting.store.transact(lambda book: self._kept(book, definition, incoming))
        return [] if kept is None else [await self._defined(definition.pipeline, kept)]

    async def define_all(self, incoming: Incoming, texts: Sequence[str]) -> list[Answer]:
        """Define each, as if its text had been said; all of them, or none when something is wrong with one."""
        definitions = [await self._read(text) for text in texts]

        def keep(book: SqlBook) -> list[Kept | None]:
            return [
                self._kept(
                    book, one, replace(incoming, line=f"define\n{one.text}", key=_numbered(incoming.key, number))
                )
                for number, one in enumerate(definitions)
            ]

        every = await self.acting.store.transact(keep)
        self.sights.forget()
        answered = zip(definitions, every, strict=True)
        return [await self._defined(one.pipeline, kept) for one, kept in answered if kept is not None]

    async def _read(self, text: str) -> Definition:
        people = await self.acting.store.read(lambda book: book.people.names())
        return parse(
            text,
            people=people,
            clusters=self.transports.clusters,
            allow_local=self.transports.local,
            allow_http=self.transports.plain,
        )

    def _kept(self, book: SqlBook, definition: Definition, incoming: Incoming) -> Kept | None:
        """Keep a definition; None when this delivery did so before."""
        words = f"{definition.pipeline.pipeline} is defined."
        return self.acting.once_in(book, incoming, lambda book: self._saved(book, definition, incoming), words)

    async def _defined(self, pipeline: Pipeline, kept: Kept) -> Answer:
        shown = await self.desk.show(Said(BY_NAME["show"], (pipeline.pipeline,), pipeline.pipeline))
        card = Card(
            f"{pipeline.pipeline} is defined, version {kept.version}",
            Tone.GOOD,
            pipeline.description,
            topology=shown.topology,
            fields=(
                *(replaced(kept.before, pipeline, self.acting.clock.now()) if kept.before else ()),
                *shown.fields[2:],
                *await self.desk.untold(_asked(pipeline)),
                *await self._followed(pipeline.pipeline),
            ),
            buttons=(Button("Run", f"run {pipeline.pipeline}", primary=True),),
        )
        return Answer(card)

    def _saved(self, book: SqlBook, definition: Definition, incoming: Incoming) -> Kept:
        """Keep a definition, if no feature refuses it."""
        check_circles(book, definition, sight_of(book, incoming.person).hidden)
        now, pipeline = self.acting.clock.now(), definition.pipeline
        before = book.pipelines.load(pipeline.pipeline) if pipeline.pipeline in book.pipelines.names() else None
        if before is None:
            check_name(book, pipeline.pipeline)
        for check_sources in self.checks:
            check_sources(book, incoming.person, _sources(pipeline), _sources_before(before))
        version = book.pipelines.save(pipeline.pipeline, pipeline.group, definition.text, incoming.person, now)
        return Kept(version, before if before is not None and before.version != version else None)

    async def _followed(self, pipeline: str) -> list[Field]:
        """Do what follows from a definition that is kept; what does not work is said beside it."""
        fields: list[Field] = []
        for follow in self.follows:
            try:
                fields += await follow(pipeline)
            except SluiceError as error:
                fields.append(Field("Not yet", f"{error} {error.hint}".strip()))
        return fields


def _numbered(key: str, number: int) -> str:
    """The key of one of several things that one delivery does."""
    return f"{key}:{number}" if key else ""


def _asked(pipeline: Pipeline) -> tuple[PersonId, ...]:
    """Whom the pipeline's reviews ask, each once."""
    reviews = [stage.review for stage in pipeline.stages if stage.review is not None]
    names = [name for review in reviews for name in (*review.reviewers, *review.deputies)]
    return tuple(PersonId(name) for name in dict.fromkeys(names))


def _sources(pipeline: Pipeline) -> tuple[Source, ...]:
    return tuple(stage.source for stage in pipeline.stages if stage.source is not None)


def _sources_before(before: StoredPipeline | None) -> tuple[Source, ...]:
    """What the newest definition fetches from; nothing when there is none, or none that a run can be made of."""
    try:
        return () if before is None else _sources(resolve(before.text, {}))
    except Complaints:
        return ()
