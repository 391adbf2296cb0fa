"""Whether a run stands still now: the stored freezes, held against what the run belongs to.

Whatever goes back is let through, and so is a run that two people have let through.
"""

from datetime import datetime

from engine.book import Book
from engine.freezes import Plea, Standing, Subject, standing
from engine.model import Run, Way


def frozen(book: Book, run: Run, at: datetime, *, firmly: bool = False) -> Standing | None:
    """Tell what freezes the run at `at`. `firmly`: it stays so until this transaction ends."""
    if run.override is not None or run.way is Way.ROLL_BACK:
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
