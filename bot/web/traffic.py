"""Where the console's strip of steady traffic comes from, when there is any: the demo's own requests."""

from typing import Protocol


class TrafficSource(Protocol):
    """Somebody who sends requests all the time and counts the answers."""

    def latest(self) -> dict[str, object] | None:
        """Return the last second, or None before there is one.

        ``per_second``, ``failed`` and ``total`` are counts, ``by_version`` is the count of each version's name.
        """
        ...
