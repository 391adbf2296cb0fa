"""A mail server that is slow, silent or rude: what it has taken is sent, and nothing but mail waits for it."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from bot.heralds.faults import Away, NotEver
from bot.heralds.mail_server import AT_ONCE, MailServer
from tests.support.eventually import eventually
from tests.support.rude_mail_server import RudeMailServer, rude_mail_server


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "s@example.com", "team@example.com", "shop-1 succeeded"
    mail.set_content("All is well")
    return mail


def a_certificate() -> bytes:
    """A certificate that nobody but itself vouches for, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.com")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = made.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return signed.public_bytes(pem) + key.private_bytes(pem, pkcs8, serialization.NoEncryption())


def server(rude: RudeMailServer, within: float = 60.0) -> MailServer:
    return MailServer("127.0.0.1", rude.port, "none", within=within)


@pytest.mark.parametrize("bye", [b"221 bye", b"421 too busy", b"500 what", b"221", b"no number"])
async def test_what_a_server_says_at_the_end_does_not_undo_that_it_took_the_mail(bye: bytes) -> None:
    async with rude_mail_server(bye) as rude:
        await server(rude).send(a_mail())
        assert rude.taken == 1


async def test_a_mail_that_was_taken_is_sent_although_the_time_is_over_while_it_is_said_good_bye() -> None:
    async with rude_mail_server(b"") as rude:
        await server(rude, within=0.5).send(a_mail())
        assert rude.taken == 1


@pytest.mark.parametrize("word", [b"HELLO", b"EHLO", b"MAIL", b"RCPT", b"DATA"])
async def test_a_server_that_falls_silent_is_away_when_the_time_is_over_and_its_connection_is_cut(word: bytes) -> None:
    async with rude_mail_server(silent_from=word) as rude:
        sending = asyncio.create_task(server(rude, within=0.3).send(a_mail()))
        with pytest.raises(Away, match="longer than"):
            await sending
        assert rude.taken == 0
        if word != b"HELLO":  # a connection that was never greeted ends with the time of its one answer
            await rude.gone.wait()


async def test_names_are_looked_up_and_files_read_while_a_mail_server_is_silent() -> None:
    async with rude_mail_server(silent_from=b"MAIL") as rude:
        mails = server(rude, within=30.0)
        sending = [asyncio.create_task(mails.send(a_mail())) for _ in range(40)]
        await eventually(lambda: rude.connected == AT_ONCE)
        async with asyncio.timeout(5):
            await asyncio.to_thread(int)
        assert rude.connected == AT_ONCE
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await rude.gone.wait()


@pytest.mark.parametrize(
    ("security", "user", "says", "said", "cure"),
    [
        ("starttls", "", {}, "offers no STARTTLS", "SLUICE_SMTP_SECURITY"),
        ("tls", "", {}, "does not speak TLS", "SLUICE_SMTP_SECURITY"),
        ("none", "ann", {}, "lets nobody log in", "SLUICE_SMTP_USER"),
        (
            "none",
            "ann",
            {b"EHLO": b"250-here\r\n250 AUTH PLAIN", b"AUTH": b"535 no"},
            "does not take the user",
            "SLUICE_SMTP_PASSWORD",
        ),
        ("none", "", {b"MAIL": b"530 log in"}, "wants a login or TLS first", "SLUICE_SMTP_USER"),
    ],
)
async def test_what_a_server_wants_otherwise_is_said_with_the_setting_that_changes_it(
    security: Literal["starttls", "tls", "none"], user: str, says: dict[bytes, bytes], said: str, cure: str
) -> None:
    async with rude_mail_server() as rude:
        rude.says = says
        mails = MailServer("127.0.0.1", rude.port, security, user, SecretStr("x"))
        with pytest.raises(Away, match=said) as raised:
            await mails.send(a_mail())
        assert cure in raised.value.hint


async def test_a_certificate_that_is_not_trusted_is_said_with_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "all.pem").write_bytes(a_certificate())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "all.pem")
    listening = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with listening:
        mails = MailServer("127.0.0.1", listening.sockets[0].getsockname()[1], "tls")
        with pytest.raises(Away, match="certificate is not good: self") as raised:
            await mails.send(a_mail())
    assert "SSL_CERT_FILE" in raised.value.hint


async def test_an_address_that_no_server_of_old_takes_is_no_trouble_of_the_server() -> None:
    mail = a_mail()
    del mail["To"]
    mail["To"] = "jörg@example.com"
    async with rude_mail_server() as rude:
        with pytest.raises(NotEver, match="not plain ASCII"):
            await server(rude).send(mail)
