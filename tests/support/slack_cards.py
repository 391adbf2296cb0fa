"""One card of every kind, as the presenters make them, for the golden files of a chat."""

from dataclasses import replace

from bot.cards import Ballot, Button, Card, Field, Split, Stop, Table, Tone

HOSTILE = (
    "<!channel> <!here|here> <@U024BE7LH> <#C024BE7LR> <https://evil.example|your bank> @everyone *bold* _it_ `x` "
    "```y``` ~no~ &lt; :boom: http://evil.example \u202egnp.exe\u202c \u0007 مرحبا 👩‍👩‍👧‍👦 e\u0301"
)


def stages(at: int, state: str, detail: str = "") -> tuple[Stop, ...]:
    done = (
        Stop("code", "source", "succeeded", 3.2, "2f5c1e7a9b01 Speed up the basket"),
        Stop("image", "build", "succeeded", 48.0, "shop-api:v2 71c0d2aa9e1f"),
        Stop("gray", "gray", "succeeded", 21.0),
        Stop("review", "review", "succeeded", 4012.0),
        Stop("official", "official", "succeeded", 64.0),
    )
    to_come = (replace(stop, state="pending", seconds=None, detail="") for stop in done[at + 1 :])
    return (*done[:at], replace(done[at], state=state, seconds=134.0, detail=detail), *to_come)


def running() -> Card:
    split = Split(
        20,
        19.4,
        {"gray": 4846, "stable": 20139},
        {"gray": 3, "stable": 0},
        "",
        "shop-api@2f5c1e",
        "shop-api@9b01aa",
        "4 stable, 1 gray (20 %)",
    )
    return Card(
        "shop-api-42 · version=v2",
        Tone.BUSY,
        "3 of 5 instances are ready",
        topology=stages(2, "running"),
        split=split,
        fields=(Field("Asked for by", "cleo"), Field("Running for", "2 min 14 s")),
        buttons=(
            Button("Gray 5 %", "split shop-api-42 5"),
            Button("Gray 50 %", "split shop-api-42 50", danger=True),
            Button("Roll back", "rollback shop-api-42", danger=True),
        ),
        key="shop-api-42",
        badge="running",
    )


def review() -> Card:
    seen = "shop-api-42 3 1 8a7f"
    return Card(
        "shop-api-42 · version=v2",
        Tone.ASKING,
        topology=stages(3, "awaiting_review"),
        split=Split(20, None, rules="cookie beta=yes", gray="shop-api@2f5c1e", stable="shop-api@9b01aa"),
        ballot=Ballot("Everybody must pass", (("ann", "looks good"),), (), ("bob", "dan"), "28 November, 04:15 UTC"),
        fields=(Field("Asked for by", "cleo"), Field("Commit", "2f5c1e7a9b01 Speed up the basket (cleo, main)")),
        buttons=(
            Button("Approve", f"press approve {seen}", primary=True),
            Button("Reject", f"press reject {seen}", danger=True),
            Button("Roll back", "rollback shop-api-42", danger=True),
        ),
        key="shop-api-42",
        badge="waits for review",
    )


def held() -> Card:
    return Card(
        "shop-api-42 · version=v2",
        Tone.BAD,
        "2 of 5 new instances did not get ready in a minute: GET /healthz answered 503.\nHeld until 05:12 UTC.",
        topology=stages(4, "held", "readiness: 503 from shop-api-4"),
        fields=(Field("Asked for by", "cleo"),),
        buttons=(
            Button("Retry", "press retry shop-api-42 4 1 -", primary=True),
            Button("Roll back", "rollback shop-api-42", danger=True),
        ),
        key="shop-api-42",
        badge="held",
    )


def succeeded() -> Card:
    return Card(
        "shop-api-42 · version=v2",
        Tone.GOOD,
        topology=tuple(replace(stop) for stop in stages(4, "succeeded")),
        fields=(Field("Asked for by", "cleo"), Field("Took", "1 h 8 min")),
        buttons=(Button("Roll back", "rollback shop-api-42", danger=True),),
        key="shop-api-42",
        badge="succeeded",
    )


def refused() -> Card:
    return Card(
        "shop-api-42",
        Tone.BAD,
        "bob refused it: the basket loses its items",
        topology=stages(3, "rejected", "the basket loses its items"),
        ballot=Ballot("One of them is enough", (("ann", ""),), (("bob", "the basket loses its items"),)),
        key="shop-api-42",
        badge="rejected",
    )


def table() -> Card:
    rows = (
        ("shop-api", "canary", "shop-api-42", "waits for a review", "ann"),
        ("basket", "canary", "basket-7", "promotion failed", "bob"),
    )
    return Card("Pipelines", table=Table(("Pipeline", "Strategy", "Last run", "State", "Started by"), rows))


def narrow_table() -> Card:
    return Card("Variables", table=Table(("Variable", "Value"), (("version", "v2"), ("region", "eu-west-1"))))


def log() -> Card:
    lines = (f"image │ step {number}: compiled module {number * 7 % 97}" for number in range(300))
    return Card("Log of shop-api-42", code="\n".join(lines))


def question() -> Card:
    return Card(
        "Start shop-api?",
        Tone.ASKING,
        table=Table(("Variable", "Value", ""), (("version", "v2", "changed"),)),
        fields=(Field("To change one", "run shop-api NAME=VALUE"),),
        buttons=(Button("Start", "yes 81c2", primary=True), Button("Leave it", "no 81c2")),
    )


def error() -> Card:
    return Card("Run shop-api-41 is done; it cannot be approved.", Tone.BAD, "`status` shows what is going on.")


def frozen() -> Card:
    return Card(
        "shop-api-42 · version=v2",
        Tone.ASKING,
        "Pipeline shop-api is frozen until Mon 09 March 2026, 08:00 (Europe/Berlin) by ann: nobody is on call (f3). "
        "official begins after it.",
        topology=stages(4, "frozen"),
        ballot=Ballot("At least 2 of 3 must pass", (("ann", ""), ("bob", ""))),
        fields=(
            Field("Asked for by", "cleo"),
            Field("May not pass it", "cleo, who asked for the run"),
            Field("Deputies", "dan, since 28 November, 04:15 UTC"),
        ),
        buttons=(Button("Roll back", "rollback shop-api-42", danger=True),),
        key="shop-api-42",
        badge="frozen",
    )


def locked() -> Card:
    return Card(
        "shop-api is locked by ann since 01 March, 03:12 UTC: rolled back by ann from shop/api:v2: too many errors.",
        Tone.BAD,
        "`unlock shop-api` lets it be released again.",
        buttons=(Button("Unlock", "unlock shop-api", danger=True),),
    )


def hostile() -> Card:
    return Card(
        HOSTILE,
        Tone.STOPPED,
        HOSTILE,
        topology=(Stop(HOSTILE, HOSTILE, "running", 1.0, HOSTILE, HOSTILE), Stop(HOSTILE, HOSTILE, HOSTILE)),
        split=Split(10, 12.5, {HOSTILE: 3}, {HOSTILE: 1}, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        ballot=Ballot(HOSTILE, ((HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE),), (HOSTILE,), HOSTILE),
        fields=(Field(HOSTILE, HOSTILE),),
        table=Table((HOSTILE,), ((HOSTILE, HOSTILE),)),
        code=HOSTILE,
        buttons=(Button(HOSTILE, HOSTILE), Button(HOSTILE, HOSTILE, danger=True)),
        key=HOSTILE,
        badge=HOSTILE,
    )


CARDS = {
    made.__name__: made()
    for made in (
        running,
        review,
        held,
        succeeded,
        refused,
        table,
        narrow_table,
        log,
        question,
        error,
        locked,
        frozen,
        hostile,
    )
}
