"""A house in which runs of the pipeline `shop` get as far as a test says, by what a worker would report."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from engine import commands as c
from engine.control import Order
from engine.model import PersonId, Release, Run, StageKind, Verdict, Way
from engine.transitions import ENGINE
from tests.support.house import House
from tests.support.store import ANN, LOBBY, a_release

SETTINGS = {"service": {"port": 18080}, "instances": 2, "strategy": "canary", "target": "process"}
SHOP = """
pipeline: shop
variables:
  tag: v1
stages:
  - name: gray
    gray: {image: "shop/api:${tag}", service: {port: 18080}, deadline: 14d}
  - name: review
    review: {reviewers: [ann], deadline: 8h, on_refusal: ON_REFUSAL}
  - name: official
    official: {}
"""


def shop(on_refusal: str = "take_back", more: str = "") -> str:
    return SHOP.replace("ON_REFUSAL", on_refusal) + more


@dataclass
class Releasing:
    """Brings runs on. Each run without an earlier release places one of its own, named by its number."""

    house: House

    async def request(self, **order: Any) -> Run:
        given = {"pipeline": "shop", "by": ANN, "room": LOBBY, "changes": {}}
        return await self.house.control.request(Order(**{**given, **order}))

    async def redeploy(self, number: int, way: Way = Way.ROLL_BACK, **order: Any) -> Run:
        history = await self.history()
        release = next(one for one in history if one.number == number)
        return await self.request(redeploys=release, way=way, **order)

    async def history(self) -> list[Release]:
        return await self.house.store.read(lambda book: book.releases.history("shop", 99))

    async def work(self, run: Run) -> Run:
        """Do what a worker does next for the run, with success."""
        run = await self.house.load(run)
        about = await self._about(run)
        if run.unwinding is not None:
            return await self.house.control.submit(c.ReportUnwound(**about))
        if run.stage.kind is StageKind.REVIEW:
            deadline = self.house.clock.now() + timedelta(hours=8)
            ask = c.ReportReview(**about, fingerprint="f", plan={}, deadline=deadline)
            return await self.house.control.submit(ask)
        return await self.house.control.submit(c.ReportSuccess(**about, outputs=await self._placed(run)))

    async def unwound(self, run: Run) -> c.Command:
        """The worker's report that the run is taken back."""
        return c.ReportUnwound(**await self._about(await self.house.load(run)))

    async def fail(self, run: Run) -> Run:
        about = await self._about(await self.house.load(run))
        return await self.house.control.submit(c.ReportFailure(**about, reason="It broke."))

    async def in_review(self, **order: Any) -> Run:
        return await self.work(await self.work(await self.request(**order)))

    async def vote(self, run: Run, verdict: Verdict = Verdict.APPROVE) -> Run:
        return await self.house.control.submit(c.CastVote(run=run.id, by=ANN, verdict=verdict))

    async def released(self, **order: Any) -> Run:
        """A run that has released to everybody."""
        return await self.work(await self.vote(await self.in_review(**order)))

    async def refused(self) -> Run:
        return await self.vote(await self.in_review(), Verdict.REJECT)

    async def rolled_back(self, run: Run, reason: str = "too many errors", by: PersonId = ANN) -> Run:
        await self.house.control.submit(c.RollBack(run=run.id, by=by, reason=reason))
        return await self.work(run)

    async def pass_time(self, span: timedelta) -> None:
        """Let time pass, and every timer fire that has become due."""
        self.house.clock.pass_time(span)
        now = self.house.clock.now()
        for timer in await self.house.store.read(lambda book: book.timers.due(now, 99)):
            await self.house.store.transact(lambda book, timer=timer: self.house.control.fire(book, timer))  # type: ignore[misc]

    async def _about(self, run: Run) -> dict[str, Any]:
        house, now = self.house, self.house.clock.now()
        await house.store.transact(lambda book: book.runs.abandon(None))
        claims = await house.store.transact(lambda book: book.runs.claim("w", now, now, 99))
        token = next(claim.token for claim in claims if claim.run == run.id)
        return {
            "run": run.id,
            "by": ENGINE,
            "stage": run.position,
            "attempt": run.stage.attempt,
            "token": token,
        }

    async def _placed(self, run: Run) -> dict[str, Any]:
        if run.stage.kind not in (StageKind.GRAY, StageKind.OFFICIAL):
            return {}
        if run.redeploys:
            return {"release": run.redeploys}
        image = f"shop/api:v{run.number}"
        release = replace(a_release(f"shop@{run.number}"), settings=SETTINGS, image=image)
        await self.house.store.transact(lambda book: book.releases.add(release))
        return {"release": release.id}
