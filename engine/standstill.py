"""Whether a run stands still now: the stored freezes, held against what the run belongs to.

Whatever goes back is let through, and so is what moves nothing, and a run that two people have let through.
"""

from datetime import datetime

from engine.book import Book
from engine.freezes import Plea, Standing, Subject, standing
from engine.model import Run, Way

LET_THROUGH = (Way.ROLL_BACK, Way.ADOPT)
"""Ways that no freeze keeps a run from."""


def frozen(book: Book, run: Run, at: datetime, *, firmly: bool = False) -> Standing | None:
    """Tell what freezes the run at `at`. `firmly`: it stays so until this transaction ends."""
    if run.override is not None or run.way in LET_THROUGH:
        return None
    freezes = book.freezes.all(firmly=firmly)
    return standing(freezes, subject_of(book, run), at) if freezes else None


def let_in(book: Book, pipeline: str, at: datetime) -> Plea | None:
    """Find what two people have agreed on: that one run of the pipeline may begin inside a freeze window."""
    found = (plea for plea in book.freezes.pleas() if plea.kind == "start" and plea.about == pipeline)
    return next((plea for plea in found if plea.confirmed_by and at < plea.expires_at), None)


def subject_of(book: Book, run: Run) -> Subject:
    """Tell what the run belongs to; its group is the one that the pipeline is in now, whatever version it runs."""
    return Subject(run.pipeline, book.pipelines.load(run.pipeline, run.version).group, run.workload)
