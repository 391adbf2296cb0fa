"""What one instance has on a cluster: resources, liveness, volumes, lifecycle, monitoring, and the values in them."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from engine.fields import HttpPath, Name, Port, SomeTime, from_to, shown, spelled
from engine.section import Conflict, Mistake, Section, exactly_one

_CPU_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_MEMORY_UNITS = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)([A-Za-z]{0,2})", re.ASCII)
_LABELS = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
_LONGEST_COMMAND = 4000


def _measured(value: object, units: Mapping[str, Decimal]) -> Decimal | None:
    """A quantity as a number of processors or bytes; None when it is none, or nothing at all."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None or found[2] not in units:
        return None
    return Decimal(found[1]) * units[found[2]] or None


def bytes_of(memory: str) -> int:
    """Return an amount of memory (``256Mi``, ``1G``) as bytes."""
    return int(_measured(memory, _MEMORY_UNITS) or 0)


def processors(quantity: str) -> Decimal:
    """How many processors a checked quantity is: 0.25 for ``250m``."""
    return _measured(quantity, _CPU_UNITS) or Decimal(0)


def _quantity(units: Mapping[str, Decimal], what: str, instead: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, str | int | float) and _measured(value, units) is None:
            raise Mistake(f"{shown(value)} is not an amount of {what}", instead)
        return str(value) if isinstance(value, int | float) else value

    return read


def _runnable(value: str) -> str:
    if len(value) > _LONGEST_COMMAND or not value.isprintable() or not value.strip():
        raise Mistake(f"{shown(value)} is not a command", "one line, for example python3 server.py")
    try:
        shlex.split(value)
    except ValueError:
        raise Mistake(f"{shown(value)} leaves a quote or a backslash open", "it with its end") from None
    return value


Cpus = Annotated[str, BeforeValidator(_quantity(_CPU_UNITS, "processors", "for example 250m, 0.5 or 2"))]
Bytes = Annotated[str, BeforeValidator(_quantity(_MEMORY_UNITS, "memory with its unit", "for example 256Mi or 1Gi"))]
Command = Annotated[str, AfterValidator(_runnable)]
FilePath = Annotated[
    str,
    AfterValidator(
        spelled(
            r"/(?!(.*/)?\.\.(/|$))[!-9;-~]{0,1000}", "is not a path from the root down", "for example /var/log/shop"
        )
    ),
]
DomainName = Annotated[
    str, AfterValidator(spelled(rf"(?=.{{1,253}}$){_LABELS}", "is not a domain name", "for example shop-api.internal"))
]


class Liveness(Section):
    """When an instance that was ready counts as lost: `failures` in a row of a path or of opening a port."""

    http: HttpPath | None = None
    tcp: Port | None = None
    every: SomeTime = timedelta(seconds=10)
    failures: Annotated[int, BeforeValidator(from_to(1, 100))] = 3

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One check, one way."""
        yield from exactly_one(given, "http", "tcp")


class Cpu(Section):
    """Processors of one instance: what is set aside for it, and the most it gets."""

    request: Cpus | None = None
    limit: Cpus | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Keep the request within the limit."""
        yield from _within_limit(given, _CPU_UNITS)


class Memory(Section):
    """Memory of one instance: what is set aside for it, and the most it gets."""

    request: Bytes | None = None
    limit: Bytes | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Keep the request within the limit."""
        yield from _within_limit(given, _MEMORY_UNITS)


def _within_limit(given: Mapping[str, Any], units: Mapping[str, Decimal]) -> Iterator[Conflict]:
    request, limit = _measured(given.get("request"), units), _measured(given.get("limit"), units)
    if request is not None and limit is not None and request > limit:
        problem = f"{given['request']} is more than the limit of {given['limit']}"
        yield Conflict("request", problem, f"{given['limit']} or less")


class Resources(Section):
    """What one instance may use of the machine it runs on."""

    cpu: Cpu | None = None
    memory: Memory | None = None


class Volume(Section):
    """A directory in every instance that comes from outside of it."""

    name: Name
    mount: FilePath
    host_path: FilePath | None = None
    claim: DomainName | None = None
    empty: Literal["disk", "memory"] | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One directory comes from one place, and is not the root of everything."""
        yield from exactly_one(given, "host_path", "claim", "empty")
        if isinstance(given.get("mount"), str) and not given["mount"].strip("/"):
            yield Conflict("mount", "the root directory of an instance comes from its image", "a directory below it")


class Lifecycle(Section):
    """What runs at the start of an instance, right after it and before its end, instead of what the image says."""

    command: Command | None = None
    post_start: Command | None = None
    pre_stop: Command | None = None


class Monitoring(Section):
    """Where an instance tells its own figures."""

    port: Port
    path: HttpPath = "/metrics"
