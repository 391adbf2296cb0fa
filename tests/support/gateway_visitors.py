"""Visitors who come through a gateway, as a process of their own: `python -m tests.support.gateway_visitors`."""

import json
import sys
from dataclasses import dataclass

from tests.support.visitors import Address, Errand, keep_visiting


@dataclass(frozen=True, slots=True)
class Gate:
    """The one address of a gateway."""

    address: Address

    def pick(self) -> Address:
        """Go there."""
        return self.address

    def __str__(self) -> str:
        return "through the gateway"


def main() -> None:
    """Visit until the input ends."""
    host, port, rate, told = sys.argv[1:]
    keep_visiting(Gate((host, int(port))), [Errand(**each) for each in json.loads(told)], float(rate))


if __name__ == "__main__":
    main()
