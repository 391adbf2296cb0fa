"""The terminal's side: finds the running bot through its socket."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bot.cards import Card
from engine.errors import Broken, Refused
from engine.model import Person, PersonId
from storage.codec import load

SECONDS = 60.0
_BROKEN = 500


class NotRunning(Broken):
    """Nobody listens at the socket, which a bot that was killed may have left behind."""


class Client:
    """Talks to the bot whose socket is at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, name: str, line: str) -> list[Card]:
        """Return the answers to a line."""
        return [load(Card, json.dumps(card)) for card in self._ask("POST", "/say", {"as": name, "line": line})]

    def news(self, after: int, run: str = "") -> tuple[int, list[dict[str, str]]]:
        """Return the newest entry's number and what happened after `after`; waits a little for something to happen."""
        answer = self._ask("GET", f"/news?after={after}&run={run}")
        return answer["seq"], answer["news"]

    def link(self, name: str) -> str:
        """Return a one-time link into the console."""
        return str(self._ask("POST", "/link", {"as": name})["link"])

    def add_person(self, name: str, email: str | None, phone: str | None) -> Person:
        """Make a person known, or change where they are told; None leaves an address as it is."""
        answer = self._ask("POST", "/person", {"name": name, "email": email, "phone": phone}, "phone")
        return Person(PersonId(answer["name"]), answer["email"], answer["phone"])

    def remove_person(self, name: str) -> str | None:
        """Know a person no more. Returns what still asks them; None when nobody did know them."""
        answer = self._ask("DELETE", "/person", {"name": name}, "removed")
        return str(answer.get("asking", "")) if answer["removed"] else None

    def _ask(self, method: str, path: str, body: Mapping[str, str | None] | None = None, has: str = "") -> Any:
        """Return the answer, which has at least `has`."""
        with self._open() as http:
            given = http.request(method, path, json=body)
        try:
            answer = given.json()
        except ValueError:
            answer = None
        if answer is None or (has and has not in answer and "error" not in answer):
            raise Broken("The Sluice that runs here is another version than this command.", "Start it anew.")
        if "error" in answer:
            raise (Refused if given.status_code < _BROKEN else Broken)(answer["error"], answer["hint"])
        return answer

    @contextmanager
    def _open(self) -> Iterator[httpx.Client]:
        knock(self._path)
        try:
            transport = httpx.HTTPTransport(uds=str(self._path))
            with httpx.Client(transport=transport, base_url="http://sluice", timeout=SECONDS, trust_env=False) as http:
                yield http
        except httpx.HTTPError as error:
            raise Broken(f"Sluice did not answer: {error}") from error


def knock(path: Path) -> None:
    """Find out whether a bot listens at `path`. httpx would leave the socket open when none does."""
    with socket.socket(socket.AF_UNIX) as knocking:
        try:
            knocking.connect(str(path))
        except PermissionError as error:
            raise Broken(f"{path} belongs to somebody else.", "Say it as the user whom Sluice runs as.") from error
        except OSError as error:
            raise NotRunning(
                "Sluice is not running here.", f"Start it with `sluice serve`. (Looked at {path}.)"
            ) from error
