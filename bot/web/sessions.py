"""Who is signed in: one-time links, and the sessions that they open.

A link's token and a session's id are random and known only to the browser; what is kept is their hash. A link is a
small file named by its hash, so another process (`sluice link`) can make one, and using it up is removing the file,
which succeeds for one caller only. Sessions are one file, mode 0600, so that a restart of the bot signs nobody out.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from engine.model import PersonId
from engine.ports import Clock

LINK_LIFE = timedelta(minutes=10)
IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
SAVED_EVERY = timedelta(minutes=5)
LINKS = "web-links"
FILE = "web-sessions.json"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in. `name` tells sessions apart without giving anything away."""

    id: str
    person: PersonId
    name: str

    @property
    def token(self) -> str:
        """What every POST of this session must carry: known to its pages only."""
        return hmac.new(self.id.encode(), b"form", hashlib.sha256).hexdigest()

    def accepts(self, token: str) -> bool:
        """Whether a POST that carries `token` comes from one of the session's pages."""
        return hmac.compare_digest(self.token.encode(), token.encode())


@dataclass(slots=True)
class _Kept:
    person: str
    began: float
    seen: float


@dataclass(slots=True)
class Sessions:
    """Links and sessions under the directory `home`, which is made when it is missing."""

    home: Path
    clock: Clock
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _saved_at: datetime | None = None

    def __post_init__(self) -> None:
        """Read the sessions that an earlier process kept."""
        (self.home / LINKS).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._kept = _read(self.home / FILE)

    def new_link(self, person: PersonId) -> str:
        """Return the path of a link that signs `person` in, once, within ten minutes."""
        self._drop_old_links()
        token = secrets.token_urlsafe(32)
        expires = (self.clock.now() + LINK_LIFE).timestamp()
        _write(self._link(token), json.dumps({"person": person, "expires": expires}))
        return f"/in/{token}"

    def invited(self, token: str) -> PersonId | None:
        """Whom the link is for, while it can still be used. Looking uses nothing up."""
        try:
            link = json.loads(self._link(token).read_text())
        except (OSError, ValueError):
            return None
        return PersonId(link["person"]) if self._now() < link["expires"] else None

    def open(self, token: str) -> Session | None:
        """Use the link up and begin a session; None when it is not, or no longer, good."""
        person = self.invited(token)
        try:
            self._link(token).unlink()
        except OSError:
            return None
        if person is None:
            return None
        name = secrets.token_urlsafe(32)
        self._kept[_hash(name)] = _Kept(person, self._now(), self._now())
        self._save()
        return Session(name, person, _hash(name)[:12])

    def find(self, name: str) -> Session | None:
        """Return the session whose id the browser sent, unless it has been idle for 12 hours or is a week old."""
        kept = self._kept.get(_hash(name)) if name else None
        if kept is None:
            return None
        if self._is_over(kept):
            self.end(name)
            return None
        kept.seen = self._now()
        if self._saved_at is None or self.clock.now() - self._saved_at > SAVED_EVERY:
            self._save()
        return Session(name, PersonId(kept.person), _hash(name)[:12])

    def is_open(self, name: str) -> bool:
        """Whether the session could still be used. Asking does not count as using it."""
        kept = self._kept.get(_hash(name))
        return kept is not None and not self._is_over(kept)

    def end(self, name: str) -> None:
        """Sign out."""
        if self._kept.pop(_hash(name), None) is not None:
            self._save()

    def _is_over(self, kept: _Kept) -> bool:
        now = self._now()
        return now - kept.seen > IDLE.total_seconds() or now - kept.began > LONGEST.total_seconds()

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _link(self, token: str) -> Path:
        return self.home / LINKS / _hash(token)

    def _drop_old_links(self) -> None:
        for link in (self.home / LINKS).iterdir():
            try:
                if json.loads(link.read_text())["expires"] <= self._now():
                    link.unlink()
            except (OSError, ValueError, KeyError):
                continue

    def _save(self) -> None:
        oldest = self._now() - IDLE.total_seconds()
        self._kept = {name: kept for name, kept in self._kept.items() if kept.seen >= oldest}
        _write(self.home / FILE, json.dumps({name: asdict(kept) for name, kept in self._kept.items()}))
        self._saved_at = self.clock.now()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _read(path: Path) -> dict[str, _Kept]:
    try:
        stored = json.loads(path.read_text())
        return {name: _Kept(**kept) for name, kept in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
