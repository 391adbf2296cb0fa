"""Looking at webhooks and at what they delivered; and the secret, which is shown once, to one person."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.acting import Acting
from bot.cards import Button, Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.feature import Feature
from bot.grammar import Said
from bot.keyring import moment
from bot.pushes.attaching import Attaching, state_of, want_anew
from bot.pushes.delivered import delivered_of
from engine.errors import Broken, Refused
from engine.forges.hosting import ForgeName
from engine.forges.proving import signing_token
from storage.attached import Attached, State
from storage.book import SqlBook
from storage.pushes import KeptPush

LATEST = 20
_WAYS = ("secret", "rotate", "retry")
_PASTE = {
    ForgeName.GITHUB: "Settings, Webhooks, Add webhook. Content type: application/json. Events: just the push event.",
    ForgeName.GITLAB: "Settings, Webhooks. Trigger: push events, tag push events. The secret goes into Secret token, "
    "or the signing token into Signing token.",
    ForgeName.GITEE: "Management, WebHooks (管理, WebHooks). Signature key (签名密钥) or password. Push and Tag Push.",
    ForgeName.DEVCLOUD: "Settings, Webhooks. Token type X-Repo-Token. Push and Tag Push.",
}


@dataclass(frozen=True, slots=True)
class Pushes:
    """Shows and rotates."""

    acting: Acting
    attaching: Attaching

    def feature(self) -> Feature:
        """What can be said about pushes."""
        return Feature(says={"webhook": self.webhook, "pushes": self.pushes}, follows=(self.attaching.follow,))

    async def webhook(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the webhook of a pipeline, or do something about it."""
        name, way = said.words[0], (said.words[1].lower() if len(said.words) > 1 else "")
        if way and way not in _WAYS:
            raise Refused(f"A webhook cannot be told to {way!r}.", f"Write one of {', '.join(_WAYS)}, or nothing.")
        await self.attaching.load()
        one = await self.acting.store.read(lambda book: _present(book, name))
        if way in ("secret", "rotate") and not one.is_open:
            hint = f"`webhook {name} retry` tries that at once." if one.state == "leaving" else ""
            raise Refused(f"The webhook of {name} is {state_of(one)}", hint)
        if way == "secret":
            return await self._secret(incoming, one)
        if way == "rotate":
            return await self._rotated(incoming, one)
        if way == "retry":
            await self.acting.once(
                incoming, lambda book: want_anew(book, one), f"The webhook of {name} is tried again."
            )
            await self.attaching.soon(name)
        return [Answer(await self._card(name), private=True)]

    async def _card(self, name: str) -> Card:
        one, latest = await self.acting.store.read(lambda book: (_present(book, name), book.pushes.latest(name, 1)))
        fields = [Field("Repository", one.repository), Field("State", state_of(one))]
        fields += [Field("Attached with", one.account)] if one.account else []
        fields += [Field("Last asked", moment(one.checked_at))] if one.account else []
        fields += [Field("Last delivery", f"{moment(latest[0].at)}: {latest[0].said or 'under way'}")] if latest else []
        if refused := self.attaching.last_refused(one):
            fields.append(Field("Last refused", f"{moment(refused[0])}: {refused[1]}"))
        retry = (Button("Try again", f"webhook {name} retry"),) if one.trouble else ()
        tone = Tone.BAD if one.trouble else Tone.PLAIN
        return Card(f"Pushes start {name}", tone, fields=tuple(fields), buttons=retry)

    async def _secret(self, incoming: Incoming, one: Attached) -> list[Answer]:
        """Show address and secret, the first time that it is asked in private."""
        _check_alone(incoming)
        if not self.attaching.naming.url:
            hint = "Whoever runs Sluice sets SLUICE_HOOKS_URL to the public address of the port for machines."
            raise Refused("Nobody knows yet at which address a forge reaches Sluice.", hint)
        shown = await self.acting.once(
            incoming, lambda book: _shown(book, one), f"The secret of {one.pipeline}'s webhook was shown."
        )
        return [] if shown is None else [Answer(self._told(one), private=True)]

    async def _rotated(self, incoming: Incoming, one: Attached) -> list[Answer]:
        """Take the address out of use; what is attached gets the new one at once."""
        naming = self.attaching.naming
        state: State = "wanted" if one.account else "manual"
        anew = naming.marked(
            replace(one, generation=one.generation + 1, shown=False, state=state, trouble="", checked_at=None)
        )

        def rotate(book: SqlBook) -> Card:
            book.attached.put(anew)
            text = (
                f"`webhook {one.pipeline}` tells whether it is attached anew."
                if one.account
                else f"`webhook {one.pipeline} secret` tells the new one."
            )
            return Card(
                f"The webhook of {one.pipeline} has a new address and secret.",
                Tone.GOOD,
                f"The old ones are dead. {text}",
            )

        card = await self.acting.once(incoming, rotate)
        await self.attaching.load()
        await self.attaching.soon(one.pipeline)
        return [] if card is None else [Answer(card, private=True)]

    def _told(self, one: Attached) -> Card:
        naming, forge = self.attaching.naming, ForgeName(one.forge)
        secret = naming.secret(one)
        lines = [f"URL:    {naming.address(one)}", f"Secret: {secret}"]
        lines += [f"Signing token: {signing_token(secret)}"] if forge is ForgeName.GITLAB else []
        text = f"Shown once; `webhook {one.pipeline} rotate` makes new ones. {_PASTE[forge]}"
        return Card(f"For the webhook of {one.repository}", Tone.PLAIN, text, code="\n".join(lines))

    async def pushes(self, _incoming: Incoming, said: Said) -> list[Answer]:
        """List the latest deliveries."""
        name = said.words[0]
        found = await self.acting.store.read(lambda book: _latest(book, name))
        if not found:
            card = Card(f"Nothing was pushed to {name} yet.", text=f"`webhook {name}` tells whether pushes get here.")
            return [Answer(card, private=True)]
        head = ("When", "Pushed", "By", "What became of it")
        return [Answer(Card(f"Pushes to {name}", table=Table(head, tuple(map(_row, found)))), private=True)]


def _row(kept: KeptPush) -> tuple[str, ...]:
    try:
        push = delivered_of(kept).push
    except Broken:
        return moment(kept.at), "cannot be read any more", "", kept.said or "under way"
    what = f"{push.kind} {push.ref} {'deleted' if push.is_deletion else push.after[:12]}"
    return moment(kept.at), what, push.login, kept.said or "under way"


def _latest(book: SqlBook, name: str) -> Sequence[KeptPush]:
    book.pipelines.load(name)
    return book.pushes.latest(name, LATEST)


def _present(book: SqlBook, name: str) -> Attached:
    book.pipelines.load(name)
    found = next((one for one in book.attached.of(name) if one.is_open or one.trouble), None)
    if found is None:
        raise Refused(f"No push starts {name}.", "Write auto_build into its source stage: branches: [main].")
    return found


def _shown(book: SqlBook, one: Attached) -> bool:
    now = book.attached.find(one.pipeline, one.repository)
    if now is None or now.shown:
        raise Refused(
            f"The secret of {one.pipeline}'s webhook was shown already, and is shown once.",
            f"`webhook {one.pipeline} rotate` makes a new one; the old one is dead then.",
        )
    book.attached.put(replace(now, shown=True))
    return True


def _check_alone(incoming: Incoming) -> None:
    if not incoming.is_alone:
        raise Refused("A secret is for you alone, and others read along here.", "Say it to me in a direct chat.")
