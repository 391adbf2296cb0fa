"""Cards as rich as the console ever shows them, for its tests and for looking at it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.cards import Ballot, Button, Card, Field, Split, Stop, Table, Tone

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
BEGAN = (datetime.now(UTC) - timedelta(seconds=134)).isoformat()


def stages(current: str, state: str) -> tuple[Stop, ...]:
    names = (
        ("code", "source", 3.2),
        ("image", "build", 48.0),
        ("gray", "gray", 21.0),
        ("review", "review", 0.0),
        ("official", "official", 64.0),
    )
    at = [name for name, _, _ in names].index(current)
    settled = tuple(Stop(name, kind, "succeeded", seconds) for name, kind, seconds in names[:at])
    here = Stop(*names[at][:2], state, 134.0, started_at=BEGAN)
    return (*settled, here, *(Stop(name, kind, "pending") for name, kind, _ in names[at + 1 :]))


def gray_release(observed: float | None = 19.4, wanted: int = 20, key: str = "shop-api-42") -> Card:
    split = Split(
        wanted,
        observed,
        {"gray": 4846, "stable": 20139},
        {"gray": 0, "stable": 0},
        rules="cookie beta=yes, or header X-Tester matches team-(a|b)",
        gray="shop-api@2f5c1e",
        stable="shop-api@9b01aa",
        instances="4 stable, 1 gray (20 %)",
    )
    ballot = Ballot("Both reviewers must pass", (("ann", "looks good"),), (), ("bob",), "28 November, 04:15 UTC")
    buttons = (
        Button("Approve", f"press approve {key} 4", primary=True),
        Button("Refuse", f"press reject {key} 4", danger=True),
        Button("Split …", f"split {key} 40"),
        Button("Roll back", f"rollback {key}", danger=True),
    )
    fields = (Field("Version", "v2"), Field("Requested by", "cleo"), Field("Commit", "2f5c1e7 · Speed up the basket"))
    return Card(
        "shop-api 42: v2 waits for a review",
        Tone.ASKING,
        topology=stages("review", "awaiting_review"),
        split=split,
        ballot=ballot,
        fields=fields,
        buttons=buttons,
        key=key,
        badge="waits for bob",
    )


def failed_promotion(key: str = "basket-7") -> Card:
    stops = stages("official", "held")
    return Card(
        "basket 7: the promotion failed",
        Tone.BAD,
        "2 of 5 new instances did not get ready in a minute: GET /healthz answered 503.\n"
        "All traffic stays on basket@71c0d2, which is healthy.",
        topology=(*stops[:-1], replace(stops[-1], detail="readiness: 503 from basket-stable-4")),
        buttons=(
            Button("Retry", f"retry {key}", primary=True),
            Button("Roll back", f"rollback {key}", danger=True),
            Button("Stop", f"stop {key}", danger=True),
        ),
        key=key,
        badge="held until 05:12",
    )


def finished_run(key: str = "mail-118") -> Card:
    stops = tuple(
        Stop(name, kind, "succeeded", seconds)
        for name, kind, seconds in (
            ("code", "source", 2.0),
            ("image", "build", 31.0),
            ("gray", "gray", 18.0),
            ("review", "review", 4012.0),
            ("official", "official", 52.0),
        )
    )
    fields = (Field("Version", "v31"), Field("Took", "1 h 08 m"), Field("Requests meanwhile", "871,204, none failed"))
    return Card(
        "mail 118: v31 is released to everybody",
        Tone.GOOD,
        topology=stops,
        fields=fields,
        buttons=(Button("Roll back", f"rollback {key}", danger=True),),
        key=key,
        badge="released",
    )


def building(key: str = "search-3") -> Card:
    return Card(
        "search 3: image is being built",
        Tone.BUSY,
        topology=stages("image", "running"),
        fields=(Field("Version", "main"),),
        buttons=(Button("Stop", f"stop {key}", danger=True),),
        key=key,
        badge="running",
    )


def pipelines() -> Card:
    rows = (
        ("shop-api", "canary", "shop-api-42", "waits for a review", "ann"),
        ("basket", "canary", "basket-7", "promotion failed", "bob"),
        ("mail", "blue-green", "mail-118", "released", "cleo"),
        ("search", "canary", "search-3", "running", "dan"),
    )
    return Card("4 pipelines", table=Table(("Pipeline", "Strategy", "Last run", "State", "Started by"), rows))


def long_logs(run: str = "shop-api-42", lines: int = 160) -> Card:
    text = "\n".join(
        f"04:{n // 60:02}:{n % 60:02}  image  step {n}: compiled module {n * 7 % 97}, {n * 13} objects, nothing unusual"
        for n in range(lines)
    )
    return Card(f"Logs of {run}", code=text)


def hostile() -> Card:
    return Card(
        f"hostile {HOSTILE}",
        Tone.STOPPED,
        HOSTILE,
        topology=(Stop(HOSTILE, 'source"><script>alert(3)</script>', "running", 1.0, HOSTILE, HOSTILE),),
        split=Split(
            10, 12.5, {HOSTILE: 3}, {}, rules=HOSTILE, gray=HOSTILE, stable=HOSTILE, instances=HOSTILE, earlier=HOSTILE
        ),
        ballot=Ballot(HOSTILE, ((HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE),), (HOSTILE,), HOSTILE),
        fields=(Field(HOSTILE, HOSTILE),),
        table=Table((HOSTILE,), ((HOSTILE,),)),
        code=HOSTILE,
        buttons=(Button(HOSTILE, HOSTILE),),
        key=HOSTILE,
        badge=HOSTILE,
    )
