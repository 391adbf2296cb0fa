"""Whether a delivery comes from whom the webhook was given to. Pure: headers, body and secret in, yes or no out.

Each forge proves it in its own way, some in two. What is compared with the secret is compared in constant time, so an
answer's time tells nothing of it. A proof that is older than an hour is none, where the proof holds the time.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.forges.hosting import ForgeName

FRESH = timedelta(hours=1)
"""How old a signed time may be, and how far ahead clocks may differ; deliveries are remembered for longer."""
_EVENTS = {
    ForgeName.GITHUB: ("x-github-event",),
    ForgeName.GITLAB: ("x-gitlab-event",),
    ForgeName.GITEE: ("x-gitee-event", "x-git-oschina-event"),
    ForgeName.DEVCLOUD: ("x-devcloud-event", "x-repo-event"),
}
_IDS = {
    ForgeName.GITHUB: ("x-github-delivery",),
    ForgeName.GITLAB: ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    ForgeName.GITEE: (),
    ForgeName.DEVCLOUD: ("x-devcloud-delivery", "x-request-id"),
}
_LONGEST_ID = 100
BRIEF = "brief"
"""How names of deliveries begin that are good for `FRESH` only: what is pushed later may have the same body."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived at a webhook's address. Names of headers are in small letters."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, *names: str) -> str:
        """Return the first of these headers that is there."""
        return next((self.headers[name] for name in names if self.headers.get(name)), "")


def event_of(forge: ForgeName, delivery: Delivery) -> str:
    """Return what happened, as the forge's header calls it."""
    return delivery.header(*_EVENTS[forge])[:_LONGEST_ID]


def is_proven(forge: ForgeName, secret: str, delivery: Delivery, now: datetime) -> bool:
    """Whether the delivery proves that it was sent by somebody who has the secret."""
    return bool(secret) and _PROOFS[forge](secret, delivery, now)


def keys_of(forge: ForgeName, delivery: Delivery) -> tuple[str, ...]:
    """Return what names this delivery: if one of them was seen before, this is a repetition.

    A delivery's own id is where the forge gives one. Where the body is signed, it names the delivery as well: whoever
    sends a signed one again under another id cannot sign another. Where neither is so, the body and its time do; a body
    without its time names it for as long as a forge tries.
    """
    own = delivery.header(*_IDS[forge])[:_LONGEST_ID]
    digest = hashlib.sha256(delivery.body)
    if forge is ForgeName.GITHUB:
        return tuple(filter(None, (own and f"id:{own}", f"body:{digest.hexdigest()[:40]}")))
    if own:
        return (f"id:{own}",)
    moment = delivery.header("x-gitee-timestamp", "webhook-timestamp")
    digest.update(moment.encode())
    return (f"{'body' if moment else BRIEF}:{digest.hexdigest()[:40]}",)


def _github(secret: str, delivery: Delivery, _now: datetime) -> bool:
    expected = hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    return _same(delivery.header("x-hub-signature-256"), f"sha256={expected}")


def _gitlab(secret: str, delivery: Delivery, now: datetime) -> bool:
    """Check the signature where there is one (GitLab's newer webhooks), the token itself otherwise."""
    signatures = delivery.header("webhook-signature")
    if not signatures:
        return _same(delivery.header("x-gitlab-token"), secret)
    given, number = delivery.header("webhook-timestamp"), delivery.header("webhook-id")
    if not number or not _is_fresh(given, now, 1):
        return False
    signed = f"{number}.{given}.".encode() + delivery.body
    expected = base64.b64encode(hmac.new(signing_key(secret), signed, hashlib.sha256).digest()).decode()
    return any(_same(one, f"v1,{expected}") for one in signatures.split()[:5])


def signing_key(secret: str) -> bytes:
    """Return the 32 bytes that GitLab signs with when it was given `signing_token` of this secret."""
    return hashlib.sha256(secret.encode()).digest()


def signing_token(secret: str) -> str:
    """Return the signing token that is pasted into GitLab for this secret: ``whsec_`` and base64."""
    return f"whsec_{base64.b64encode(signing_key(secret)).decode()}"


def _gitee(secret: str, delivery: Delivery, now: datetime) -> bool:
    """Check the signed time, or the password itself: which of them a webhook sends is chosen in Gitee."""
    given, moment = delivery.header("x-gitee-token"), delivery.header("x-gitee-timestamp")
    if _same(given, secret):
        return True
    signed = hmac.new(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256).digest()
    return _same(given, base64.b64encode(signed).decode()) and _is_fresh(moment, now, 1000)


def _devcloud(secret: str, delivery: Delivery, _now: datetime) -> bool:
    return _same(delivery.header("x-devcloud-token", "x-repo-token"), secret)


_PROOFS: Mapping[ForgeName, Callable[[str, Delivery, datetime], bool]] = {
    ForgeName.GITHUB: _github,
    ForgeName.GITLAB: _gitlab,
    ForgeName.GITEE: _gitee,
    ForgeName.DEVCLOUD: _devcloud,
}


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _is_fresh(moment: str, now: datetime, per_second: int) -> bool:
    if not (moment.isascii() and moment.isdigit()) or len(moment) > 15:  # noqa: PLR2004 - beyond any year that counts
        return False
    try:
        sent = datetime.fromtimestamp(int(moment) / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return False
    return abs(now - sent) <= FRESH
