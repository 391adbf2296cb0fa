"""Kubernetes' quantities (``500m``, ``0.5``, ``256Mi``) as numbers, and sums of them as Kubernetes writes them."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

_WRITTEN = re.compile(
    r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII
)
_UNITS = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("num", -3)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
_BINARY = [(f"{unit}i", 1024**power) for power, unit in reversed(list(enumerate("KMGTPE", 1)))]


def amount(value: Any) -> Decimal | None:
    """How much `value` is, in processors or bytes; None when it is no quantity."""
    found = None if isinstance(value, bool) else _WRITTEN.fullmatch(str(value))
    if found is None:
        return None
    number, exponent, unit = found.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _UNITS[unit or ""])


def cpus(values: Iterable[Any]) -> str:
    """The sum of `values` as processors, in thousandths where it is not whole; empty when there is nothing to sum."""
    known = _known(values)
    if not known:
        return ""
    total = sum(known)
    return f"{int(total)}" if total == int(total) else f"{int(total * 1000)}m"


def memory(values: Iterable[Any]) -> str:
    """The sum of `values` as bytes, in the largest binary unit that leaves no rest; empty when there are none."""
    known = _known(values)
    if not known:
        return ""
    total = int(sum(known))
    return next((f"{total // size}{unit}" for unit, size in _BINARY if total and total % size == 0), str(total))


def _known(values: Iterable[Any]) -> list[Decimal]:
    return [each for each in map(amount, values) if each is not None]
