"""What connects Sluice with the world outside chats: the mail server, gateways, the public address of hooks."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from bot.doctor.finding import Finding, ill, odd, well
from bot.outside import mail_server
from bot.settings import Settings
from bot.wiring import hooks_in
from engine.definition import Pipeline, Recipient
from engine.errors import Refused, SluiceError
from engine.pipeline import resolve

_PHONE = "phone"


async def outside(settings: Settings, definitions: Iterable[str], patience: float) -> list[Finding]:
    """Look at what the settings name and at what definitions want of it."""
    pipelines = [pipeline for text in definitions if (pipeline := _read(text)) is not None]
    found = [*await _mail(settings, pipelines, patience), *_gateways(settings, pipelines)]
    return [*found, *_hooks(settings, pipelines)]


async def _mail(settings: Settings, pipelines: Sequence[Pipeline], patience: float) -> list[Finding]:
    if not settings.smtp_host:
        wanting = [one.pipeline for one in pipelines if any(to.email for to in _told(one))]
        cure = "Set SLUICE_SMTP_HOST and SLUICE_MAIL_FROM."
        return (
            [ill("mail", f"{wanting[0]} tells people by e-mail, and no mail server is set up.", cure)]
            if wanting
            else []
        )
    try:
        async with asyncio.timeout(patience):
            await mail_server(settings).look()
    except TimeoutError:
        return [ill("mail", f"{settings.smtp_host} does not answer.", "Look at SLUICE_SMTP_HOST and SLUICE_SMTP_PORT.")]
    except SluiceError as error:
        cure = error.hint or "Look at SLUICE_SMTP_USER, SLUICE_SMTP_PASSWORD and SLUICE_SMTP_SECURITY."
        return [ill("mail", str(error), cure)]
    if settings.mail_from.endswith("@localhost"):
        cure = "Set SLUICE_MAIL_FROM."
        return [odd("mail", f"Mail comes from {settings.mail_from}, which many servers refuse.", cure)]
    return [well("mail", f"{settings.smtp_host} takes mail from {settings.mail_from}")]


def _gateways(settings: Settings, pipelines: Sequence[Pipeline]) -> Iterator[Finding]:
    wanted: dict[str, str] = {}
    for one in pipelines:
        for to in _told(one):
            name = _PHONE if to.phone else to.gateway
            if name and name not in settings.gateways:
                wanted.setdefault(name, one.pipeline)
    for name, pipeline in wanted.items():
        yield ill(
            "gateways", f"{pipeline} tells people through {name}, which is not set up.", "Name it in SLUICE_GATEWAYS."
        )
    if _PHONE in settings.gateways and "{to}" not in settings.gateways[_PHONE].get_secret_value():
        yield odd(
            "gateways", "The address of phone has no {to} in it, so everybody has the same number.", "Write {to}."
        )


def _hooks(settings: Settings, pipelines: Sequence[Pipeline]) -> Iterator[Finding]:
    called = next((one.pipeline for one in pipelines if any(hooks_in(one))), None)
    if called is not None and not settings.hooks_url:
        sentence = f"{called} has hooks, and nobody outside this machine knows where they are called."
        yield odd("hooks", sentence, "Lead a public address to SLUICE_HOOKS_PORT, and set SLUICE_HOOKS_URL to it.")


def _told(pipeline: Pipeline) -> tuple[Recipient, ...]:
    return (*pipeline.notify.on_failure, *pipeline.notify.on_success)


def _read(text: str) -> Pipeline | None:
    try:
        return resolve(text, {})
    except Refused:
        return None
