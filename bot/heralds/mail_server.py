"""The mail server, spoken to by the standard library: it tells whether an address or the server is the trouble.

Apprise, which speaks to all other services, says no more than that something did not work; then a mail to somebody who
left years ago would be tried for a day, and called a trouble of the server.

The danger: a server that is slow or silent, which keeps threads that others wait for, or takes a mail after it was
given up and is sent again. The promise: mails have threads of their own; a try is over in time, and its connection is
cut then; a mail that was taken is sent, whatever the server says at the end.
"""

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Literal

from pydantic import SecretStr

from bot.heralds.faults import Away, NotEver, NotNow, NotSetUp
from engine.errors import SluiceError

SECONDS = 15.0
"""How long one answer of the server may take."""
BYE = 2.0
"""How long the last one may take, which changes nothing."""
WITHIN = 60.0
"""How long a whole try may take, in seconds: less than the courier's lease."""
AT_ONCE = 4
"""How many mails go out at once."""
_SECURITY = "Whoever runs Sluice sets SLUICE_SMTP_SECURITY to starttls, tls (mostly SLUICE_SMTP_PORT 465) or none."
_LOGIN = "Whoever runs Sluice sets SLUICE_SMTP_USER and SLUICE_SMTP_PASSWORD."
_TRUST = (
    "It has to be for SLUICE_SMTP_HOST as it is written, and by an authority that this machine trusts: "
    "SSL_CERT_FILE names a file with others."
)
_WANTS_LOGIN = 530
_PERMANENT = 500
"""From this code on, SMTP's answers are final."""


@dataclass(slots=True)
class _Line:
    """The connection of one try, which may be cut from outside its thread. `taken`: the mail has arrived."""

    taken: bool = False
    _server: smtplib.SMTP | None = None
    _is_cut: bool = False
    _alone: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, server: smtplib.SMTP) -> None:
        """Go on with this connection, unless it is too late."""
        with self._alone:
            if self._is_cut:
                raise TimeoutError
            self._server = server

    def cut(self) -> None:
        """End it: whoever waits for an answer waits no more."""
        with self._alone:
            self._is_cut = True
            line = self._server.sock if self._server is not None else None
            if line is not None:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, "sluice-mail")


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server; an empty `host`: there is none. `security`: TLS after STARTTLS, from the first byte, or none.

    A try takes no longer than `within` seconds.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretStr | None = field(default=None, repr=False)
    within: float = WITHIN
    _own: ThreadPoolExecutor = field(default_factory=_threads, repr=False, compare=False)

    async def send(self, mail: EmailMessage) -> None:
        """Hand over one mail. Raises `NotNow`, `Away` or `NotEver`."""
        if not self.host:
            raise NotSetUp("No mail server is set up.", "Whoever runs Sluice sets SLUICE_SMTP_HOST.")
        await self._try(lambda server: server.send_message(mail), parseaddr(mail["To"])[1])

    async def look(self) -> None:
        """Connect, log in and leave. Raises as `send` does."""
        await self._try(lambda server: server.noop(), "")

    async def _try(self, act: Callable[[smtplib.SMTP], object], to: str) -> None:
        """Do it in a thread of its own. The connection is cut when it takes too long, or when nobody waits any more."""
        line, loop = _Line(), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.within):
                await loop.run_in_executor(self._own, self._translated, line, act, to)
        except TimeoutError:
            if not line.taken:
                raise Away(f"{self.host} takes longer than {self.within:g} seconds.") from None
        finally:
            line.cut()

    def _translated(self, line: _Line, act: Callable[[smtplib.SMTP], object], to: str) -> None:
        """Do it. What the server says is not repeated: it may hold what others wrote."""
        try:
            self._do(line, act)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise _refusal(f"{self.host} does not take mail for {to} ({code}).", code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise NotEver(f"{self.host} does not take mail for {to}: the address is not plain ASCII.") from error
        except smtplib.SMTPConnectError as error:
            raise Away(f"{self.host} takes no connection ({error.smtp_code}).") from error
        except smtplib.SMTPResponseException as error:
            if error.smtp_code == _WANTS_LOGIN:
                raise Away(f"{self.host} wants a login or TLS first (530).", hint=f"{_LOGIN} {_SECURITY}") from error
            raise _refusal(f"{self.host} does not take the mail ({error.smtp_code}).", error.smtp_code) from error
        except ssl.SSLCertVerificationError as error:
            raise Away(f"{self.host}: its certificate is not good: {error.verify_message}.", hint=_TRUST) from error
        except ssl.SSLError as error:
            raise Away(f"{self.host} does not speak TLS on port {self.port}.", hint=_SECURITY) from error
        except (smtplib.SMTPException, OSError) as error:
            hint = "SLUICE_SMTP_HOST, SLUICE_SMTP_PORT and SLUICE_SMTP_SECURITY say where and how."
            raise Away(f"{self.host} cannot be reached ({type(error).__name__}).", hint=hint) from error

    def _do(self, line: _Line, act: Callable[[smtplib.SMTP], object]) -> None:
        server = self._connected(line)
        try:
            line.hold(server)
            act(server)
            line.taken = True
            with contextlib.suppress(smtplib.SMTPException, OSError):
                _hurry(server)
                server.quit()
        finally:
            server.close()

    def _connected(self, line: _Line) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        try:
            line.hold(server)
            if self.security == "starttls":
                self._secure(server, context)
            if self.user:
                self._log_in(server)
        except BaseException:
            server.close()
            raise
        return server

    def _secure(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        try:
            server.starttls(context=context)
        except smtplib.SMTPNotSupportedError as error:
            raise Away(f"{self.host} offers no STARTTLS on port {self.port}.", hint=_SECURITY) from error

    def _log_in(self, server: smtplib.SMTP) -> None:
        try:
            server.login(self.user, self.password.get_secret_value() if self.password else "")
        except smtplib.SMTPAuthenticationError as error:
            said = f"{self.host} does not take the user and the password ({error.smtp_code})."
            raise Away(said, hint=_LOGIN) from error
        except smtplib.SMTPNotSupportedError as error:
            hint = f"Leave SLUICE_SMTP_USER out where none is wanted. {_SECURITY}"
            raise Away(f"{self.host} lets nobody log in on port {self.port}.", hint=hint) from error


def _hurry(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        server.sock.settimeout(BYE)


def _refusal(sentence: str, code: int) -> SluiceError:
    return NotEver(sentence) if code >= _PERMANENT else NotNow(sentence)
