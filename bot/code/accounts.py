"""Binding accounts at forges, listing them, and letting go of them.

The danger is the token: it must not stand in a room, a log or an audit. So it is taken only where nobody else reads
along (a direct chat, a form), arrives here sealed, is tried at the forge at once, and is kept sealed. Nothing shows it
again.

An account is its person's, until they share it: then others may name it in definitions. Unbinding asks first, because
webhooks and source stages stop working; what was attached with the account is taken away with it before it is
forgotten.
"""

import re
import shlex
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from bot.acting import Acting
from bot.cards import Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.feature import Ask, Feature
from bot.forms import BindForm
from bot.grammar import Said
from bot.keyring import Keyring, check_accounts, may_use, moment, rebound, usable
from bot.secrecy.lines import SEALED, Whispered, conceal, reveal
from engine.errors import Interrupted, Refused
from engine.forges.hosting import Access, ForgeName, Login
from engine.forges.hosts import KINDS, api_of, forge_named, origin_of
from engine.model import Json, PersonId
from storage.book import SqlBook
from storage.code_accounts import CodeAccount

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOW = "Write `account bind FORGE`, `account unbind NAME`, `account share NAME` or `account unshare NAME`."
_OPTIONS = ("as", "at", "app", "installation")


@dataclass(frozen=True, slots=True)
class Binding:
    """What somebody wants to bind: the words of the line, without its secret."""

    forge: ForgeName
    name: str
    origin: str
    app: str = ""
    installation: str = ""


@dataclass(frozen=True, slots=True)
class CodeAccounts:
    """Binds and unbinds. `allow_http`: a forge may be asked without TLS."""

    acting: Acting
    ask: Ask
    keyring: Keyring
    allow_http: bool = False

    def feature(self) -> Feature:
        """What can be said about code accounts."""
        return Feature(
            says={"account": self.account, "accounts": self.accounts},
            confirms={"unbind account": _unbound},
            checks=(check_accounts,),
        )

    async def account(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Take the first word for what to do."""
        what, _, rest = said.text.strip().partition(" ")
        match what.lower():
            case "bind":
                return await self._bind(incoming, rest)
            case "unbind":
                return await self._unbind(incoming, _one_name(rest))
            case "share" | "unshare":
                return await self._share(incoming, _one_name(rest), shared=what.lower() == "share")
            case _:
                raise Refused("That is not how account is said.", _HOW)

    async def accounts(self, incoming: Incoming, _said: Said) -> list[Answer]:
        """List what the person may use."""
        found = await self.acting.store.read(lambda book: book.code_accounts.all())
        rows = tuple(
            _row(one, incoming.person) for one in found if may_use(one, incoming.person) or _is_own(one, incoming)
        )
        if not rows:
            text = "`account bind github` binds one, alone with me; or gitlab, gitee, devcloud."
            return [Answer(Card("You have no code account.", text=text), private=True)]
        head = ("Name", "Forge", "Login", "Bound", "Last used", "")
        return [Answer(Card("Code accounts", table=Table(head, rows)), private=True)]

    async def _bind(self, incoming: Incoming, rest: str) -> list[Answer]:
        binding, said = self._read(incoming, rest)
        if said is None:
            form = BindForm(binding.forge, binding.name, binding.origin, binding.app, binding.installation)
            return [Answer(_how_to(binding), private=True, form=form)]
        if not said.alone:
            raise Refused(
                "Others read along here, so the token is not taken. Take it back at the forge, and make another one.",
                f"Say `account bind {binding.forge}` to me in a direct chat.",
            )
        await self.acting.store.read(lambda book: _check_free(book, binding, incoming.person))
        self.keyring.redaction.add(said.secret, *said.secret.split())
        access = self._access(binding, said.secret)
        login = await self._tried(access)
        account = self._account(incoming, binding, login, said.secret)

        def keep(book: SqlBook) -> CodeAccount:
            _check_free(book, binding, incoming.person)
            kept = rebound(book.code_accounts.find(binding.name), account)
            book.code_accounts.put(kept)
            for one in book.attached.all():
                if one.account == kept.name and one.state == "wanted":
                    book.attached.put(replace(one, checked_at=None, trouble=""))
            return kept

        kept = await self.acting.once(incoming, keep, f"{login.login} at {binding.origin} is bound as {binding.name}.")
        self.keyring.forget(binding.name)
        return [] if kept is None else [Answer(_bound(kept, login), private=True)]

    def _read(self, incoming: Incoming, rest: str) -> tuple[Binding, Whispered | None]:
        line = conceal(self.keyring.vault, f"account bind {rest}", alone=incoming.is_alone)
        words = line.split()[2:]
        if not words:
            raise Refused("At which forge?", f"Write `account bind` and one of {', '.join(ForgeName)}.")
        sealed = words.pop() if words[-1].startswith(SEALED) else ""
        forge, options = forge_named(words[0]), _options(words[1:])
        origin = origin_of(options["at"], allow_http=self.allow_http) if "at" in options else KINDS[forge].origin
        name = options.get("as", forge.value if origin == KINDS[forge].origin else _name_of(origin))
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!r} cannot be an account's name.", "Use small letters, digits and dashes, at most 63.")
        binding = Binding(forge, name, origin, options.get("app", ""), options.get("installation", ""))
        return binding, reveal(self.keyring.vault, sealed) if sealed else None

    def _access(self, binding: Binding, secret: str) -> Access:
        return Access(
            forge=binding.forge,
            origin=binding.origin,
            api=api_of(binding.forge, binding.origin, self.keyring.github_api),
            secret=secret,
            app=binding.app,
            installation=binding.installation,
        )

    async def _tried(self, access: Access) -> Login:
        """Ask the forge who this is. What passes is refused, too: a person waits, and can say it again."""
        if not access.secret.isascii() or (not access.app and len(access.secret.split()) > _most_words(access.forge)):
            raise Refused("That is no token: it has a space, a line break or a foreign letter in it.", "Copy it again.")
        try:
            return await self.keyring.hosts.of(access).whoami()
        except Interrupted as error:
            raise Refused(f"{error} Nothing was bound.", "Say it again in a while.") from error

    def _account(self, incoming: Incoming, binding: Binding, login: Login, secret: str) -> CodeAccount:
        return CodeAccount(
            name=binding.name,
            forge=binding.forge.value,
            origin=binding.origin,
            login=login.login,
            person=incoming.person,
            bound_at=self.acting.clock.now(),
            sealed=self.keyring.vault.seal(secret),
            app=binding.app,
            installation=login.installation,
            missing=login.missing,
        )

    async def _unbind(self, incoming: Incoming, name: str) -> list[Answer]:
        account, users = await self.acting.store.read(lambda book: _to_unbind(book, name, incoming.person))
        text = "Sluice forgets how it signs in there. Its webhooks are taken away first."
        if users:
            text += f" No push starts these any more, and their source cannot be fetched with it: {', '.join(users)}."
        card = Card(f"Unbind {name}, {account.login} at {account.origin}?", Tone.ASKING, text)
        what = {"verb": "unbind account", "name": name, "bound": account.bound_at.isoformat(), "room": incoming.room}
        return await self.ask(incoming, card, "yes", what, "Unbind")

    async def _share(self, incoming: Incoming, name: str, *, shared: bool) -> list[Answer]:
        def share(book: SqlBook) -> Card:
            account = usable(book, incoming.person, name)
            if account.person != incoming.person:
                raise Refused(f"{name} is {account.person}'s.", "Only whoever bound it decides who uses it.")
            book.code_accounts.share(name, shared=shared)
            if not shared:
                return Card(f"{name} is only yours now.", text="Pipelines that name it already keep it.")
            return Card(f"Everybody may name {name} in definitions now.", text="Nobody can see its token.")

        card = await self.acting.once(incoming, share)
        return [] if card is None else [Answer(card, private=True)]


def _unbound(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Begin to unbind: `bot.pushes.attaching` takes away what is attached, then forgets the account."""
    account, _ = _to_unbind(book, what["name"], incoming.person)
    if account.bound_at.isoformat() != what["bound"]:
        raise Refused(f"{account.name} was bound anew since you were asked.", "Say it again.")
    book.code_accounts.leave(account.name, acting.clock.now(), what["room"])
    return Card(f"{account.name} is being unbound.", Tone.STOPPED, "Nothing new is done with it from now on.")


def _to_unbind(book: SqlBook, name: str, person: PersonId) -> tuple[CodeAccount, list[str]]:
    """The account and the pipelines it attaches webhooks for. That of somebody who is gone may be unbound by all."""
    account = book.code_accounts.load(name)
    if account.person != person and book.people.find(account.person) is not None:
        raise Refused(f"{name} is {account.person}'s.", "Only whoever bound it can unbind it.")
    if account.leaving_at is not None:
        raise Refused(f"{name} is being unbound already.", "`accounts` shows when it is gone.")
    return account, [one.pipeline for one in book.attached.all() if one.account == name and one.is_open]


def _check_free(book: SqlBook, binding: Binding, person: PersonId) -> None:
    there = book.code_accounts.find(binding.name)
    if there is None:
        return
    if there.leaving_at is not None:
        raise Refused(f"{binding.name} is being unbound.", "Say it again when `accounts` does not list it any more.")
    if there.person != person or (there.forge, there.origin) != (binding.forge, binding.origin):
        other = f"`account bind {binding.forge} as {person}-{binding.forge}` takes another name."
        raise Refused(f"The name {binding.name} is taken by another code account.", other)


def _options(words: list[str]) -> dict[str, str]:
    if len(words) % 2 or any(word.lower() not in _OPTIONS for word in words[::2]):
        raise Refused(
            "That is not how an account is bound.",
            "`account bind FORGE [as NAME] [at URL] [app ID] [installation ID]`.",
        )
    return {word.lower(): value for word, value in zip(words[::2], words[1::2], strict=True)}


def _name_of(origin: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", (urlsplit(origin).hostname or "").lower()).strip("-")[:63]


def _most_words(forge: ForgeName) -> int:
    return 4 if forge is ForgeName.DEVCLOUD else 1


def _one_name(rest: str) -> str:
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    if len(words) != 1:
        raise Refused("Which account?", "`accounts` lists them by name.")
    return words[0]


def _is_own(account: CodeAccount, incoming: Incoming) -> bool:
    return account.person == incoming.person


def _how_to(binding: Binding) -> Card:
    kind = KINDS[binding.forge]
    return Card(
        f"Bind an account at {kind.title}",
        text=f"Send me, alone: `account bind {binding.forge}` and the token behind it, on one line. I try it, keep it "
        "sealed, and show it to nobody.",
        fields=(Field("Where it is made", kind.how), Field("What it may", kind.scopes)),
    )


def _bound(account: CodeAccount, login: Login) -> Card:
    fields = [Field("Login", f"{login.login} ({login.name})" if login.name else login.login)]
    fields += [Field("May", ", ".join(login.scopes))] if login.scopes else []
    fields += [Field("Missing", "; ".join(login.missing))] if login.missing else []
    text = f"Name it in a definition: `account: {account.name}`. Pushes by {login.login} are yours from now on. "
    text += "If your message with the token still stands somewhere, delete it."
    return Card(f"{account.name} is bound.", Tone.BAD if login.missing else Tone.GOOD, text, fields=tuple(fields))


def _row(account: CodeAccount, person: PersonId) -> tuple[str, ...]:
    notes = ["shared" if account.shared else "", "" if account.person == person else f"{account.person}'s"]
    notes += ["being unbound" if account.leaving_at else "", *(f"lacks {one}" for one in account.missing)]
    return (
        account.name,
        KINDS[ForgeName(account.forge)].title,
        account.login,
        moment(account.bound_at),
        moment(account.used_at),
        ", ".join(filter(None, notes)),
    )
