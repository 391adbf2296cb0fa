"""Quantities in the one form that the API stores: ``0.5`` becomes ``500m``, ``1024Mi`` becomes ``1Gi``."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.support.kube_kinds import Json

_WRITTEN = re.compile(r"^([+-]?[\d.]+)([a-zA-Z]*)$")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_NO_PREFIX = _DECIMAL.index("")


def canonical(quantity: Any) -> Any:
    """A quantity as it is stored; what is none stays."""
    number = _number(quantity)
    if number is None:
        return quantity
    is_binary = str(quantity).rstrip("i") != str(quantity)
    return _shortest(number, _BINARY, 0, 1024) if is_binary else _shortest(number, _DECIMAL, _NO_PREFIX, 1000)


def amount(quantity: Any) -> Decimal:
    """How much a quantity is; one that is none is nothing."""
    return _number(quantity) or Decimal(0)


def is_quantity(quantity: Any) -> bool:
    return _number(quantity) is not None


def _number(quantity: Any) -> Decimal | None:
    found = _WRITTEN.match(str(quantity))
    if found is None:
        return None
    try:
        number = Decimal(found[1])
    except InvalidOperation:
        return None
    if found[2] in _BINARY[1:]:
        return number * Decimal(1024) ** _BINARY.index(found[2])
    return number * Decimal(1000) ** (_DECIMAL.index(found[2]) - _NO_PREFIX) if found[2] in _DECIMAL else None


def _shortest(total: Decimal, prefixes: tuple[str, ...], plain: int, step: int) -> str:
    """`total` with the greatest prefix that leaves a whole number."""
    if total == 0:
        return "0"
    for place in range(len(prefixes) - 1, -1, -1):
        count = total / Decimal(step) ** (place - plain)
        if count == count.to_integral_value():
            return f"{int(count)}{prefixes[place]}"
    return str(total)


def canonical_resources(resources: Json) -> Json:
    """A container's resources with canonical quantities."""
    limits = {name: canonical(one) for name, one in (resources.get("limits") or {}).items()}
    requests = {name: canonical(one) for name, one in (resources.get("requests") or {}).items()}
    known = {"limits": limits} if limits else {}
    known |= {"requests": requests} if requests else {}
    return {**{name: one for name, one in resources.items() if name not in ("limits", "requests")}, **known}
