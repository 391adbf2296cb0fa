"""The database: whether it can be reached and written to, and what it tells of rooms and definitions."""

from bot.doctor.finding import Finding, ill, well
from bot.doctor.waiting import in_time
from bot.settings import Settings
from engine.errors import Broken
from storage.examine import Seen, examine

PATIENCE = 5.0
_STATES = {
    "absent": "there is no file yet; the first start makes it",
    "new": "empty; `sluice serve` makes its tables",
    "current": "reachable and writable, its tables are this version's",
}


async def look(settings: Settings, patience: float = PATIENCE) -> tuple[list[Finding], Seen]:
    """Look at the database; returns also what it holds, as far as it tells."""
    if not settings.database and _is_before_the_start(settings):
        return [well("database", "SQLite in the home; the first start makes it")], Seen("absent")
    seen = await _in_time(settings.database_url, patience)
    if isinstance(seen, Broken):
        return [ill("database", str(seen), seen.hint)], Seen("absent")
    return [_finding(settings, seen.state)], seen


def _is_before_the_start(settings: Settings) -> bool:
    try:
        return not (settings.home / "sluice.db").exists()
    except OSError:
        return False


def _finding(settings: Settings, state: str) -> Finding:
    name = settings.database_url.partition(":")[0].partition("+")[0]
    if state == "old":
        return ill("database", f"{name}: its tables are an older version's.", "sluice migrate")
    if state == "other":
        return ill("database", f"{name}: it holds somebody else's tables.", "Set SLUICE_DATABASE to one for Sluice.")
    return well("database", f"{name}: {_STATES[state]}")


async def _in_time(url: str, patience: float) -> Seen | Broken:
    try:
        return await in_time(lambda: _seen_or_why_not(url), patience, "database")
    except TimeoutError:
        cure = "See that a database answers at the address in SLUICE_DATABASE, and that nothing stands in between."
        return Broken(f"The database does not answer within {patience:g} s.", cure)


def _seen_or_why_not(url: str) -> Seen | Broken:
    try:
        return examine(url)
    except Broken as error:
        return error
