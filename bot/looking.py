"""That somebody has looked is written down beside the answer, which does not wait for it.

The danger is a disk that is filled by looking, and an answer that is kept by what only accompanies it. So the same
line (or file) of the same person in the same room is written once in a while; what cannot be written is logged; and
what is still to be written when Sluice ends is written first: the store does everything that was posted before it
closes. What shows a secret does not come here: it is written down in a transaction of its own, before it is shown.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.errors import SluiceError
from storage.audit import LONGEST, Deed
from storage.store import SqlStore

AGAIN = timedelta(minutes=1)
"""How long a line that was said is not written down anew."""
FILES_AGAIN = timedelta(hours=1)
"""How long a file that was given over HTTP is not."""
MOST = 10_000
"""How many looks are remembered; beyond that the oldest is forgotten, and written down anew."""
About = tuple[str, str, str, str]
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Looking:
    """Remembers until when which look is written down."""

    _until: dict[About, datetime] = field(default_factory=dict)

    def note(self, store: SqlStore, deed: Deed, again: timedelta = AGAIN) -> None:
        """Write it down soon, unless the same was within `again`. Never raises what keeps the answer."""
        about = (deed.person, deed.account, deed.room, deed.line[:LONGEST])
        if deed.at < self._until.get(about, deed.at):
            return
        self._until.pop(about, None)
        while len(self._until) >= MOST:
            self._until.pop(next(iter(self._until)))
        self._until[about] = deed.at + again
        try:
            store.post(lambda book: book.audit.add(deed)).add_done_callback(self._heard(about))
        except SluiceError as error:
            _LOG.warning("Not audited: %s", error)

    def _heard(self, about: About) -> Callable[["asyncio.Future[None]"], None]:
        """Return what forgets a look that could not be written, so that the next one is."""

        def heard(written: "asyncio.Future[None]") -> None:
            if not written.cancelled() and (error := written.exception()) is not None:
                self._until.pop(about, None)
                _LOG.warning("Not audited: %s", error)

        return heard
