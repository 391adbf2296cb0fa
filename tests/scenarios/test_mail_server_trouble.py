"""A mail server that is slow, silent or rude: what it has taken is sent, and nothing but mail waits for it."""

import asyncio
from email.message import EmailMessage

import pytest

from bot.heralds.faults import Away
from bot.heralds.mail_server import AT_ONCE, MailServer
from tests.support.eventually import eventually
from tests.support.rude_mail_server import RudeMailServer, rude_mail_server


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "s@example.com", "team@example.com", "shop-1 succeeded"
    mail.set_content("All is well")
    return mail


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
