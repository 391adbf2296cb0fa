"""What visitors got is on the card as it was: not forgotten when the share changes, not diluted by the promotion."""

from dataclasses import dataclass, field
from pathlib import Path

from bot.cards import Split
from engine.model import RunState
from engine.ports import Placement, Traffic
from engine.rollout.fleet import Move
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray


@dataclass
class Counting(ModelTarget):
    """A place whose proxy has counted what a test says."""

    counts: Traffic = field(default_factory=Traffic)
    grows: int = 0
    """So many requests reach each group after every move."""

    def __post_init__(self) -> None:
        ModelTarget.__init__(self)

    async def perform(self, placement: Placement, move: Move) -> None:
        await super().perform(placement, move)
        requests = {name: count + self.grows for name, count in self.counts.requests.items()}
        self.counts = Traffic(requests, self.counts.failed)

    async def traffic(self, workload: str) -> Traffic:
        return self.counts


async def split_on(bot: Bot, run: str) -> Split:
    card = await bot.app.dispatch.desk.card_of(await bot.run(run))
    assert card.split is not None
    return card.split


async def test_failures_under_an_earlier_share_stay_on_the_card_when_the_share_is_changed(tmp_path: Path) -> None:
    target = Counting()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await in_gray(bot)
        for share, gray, failed in ((25, 20, 20), (30, 27, 21)):
            target.counts = Traffic({"stable": 4 * gray, "gray": gray}, {"gray": failed})
            await bot.say(f"split {run} {share}")
            await bot.until(run, lambda run: run.stage.note == "" and bool(run.stage.fingerprint), "asks anew")
            split = await split_on(bot, run)
            assert split.requests == split.failed == {"stable": 0, "gray": 0}
            stable = f"stable {4 * gray} requests, 0 failed"
            assert split.earlier == f"before the share was changed: gray {gray} requests, {failed} failed; {stable}"
        assert split.earlier in words_of(await bot.app.dispatch.desk.card_of(await bot.run(run)))
        assert "27, 21 failed" in await bot.say(f"timeline {run}")


async def test_from_the_promotion_on_the_split_is_the_one_that_people_had(tmp_path: Path) -> None:
    target = Counting()
    async with a_new_bot(Shop(tmp_path, "blue_green", rest="0s").gray(), target=target) as bot:
        run = await in_gray(bot)
        target.counts = Traffic({"blue": 80, "green": 20})
        was = await split_on(bot, run)
        assert was.requests == {"stable": 80, "gray": 20}
        target.grows = 500
        for person in ("ann", "bob"):
            await bot.say(f"approve {run}", person)
        await bot.ends(run, RunState.SUCCEEDED)
        now = await split_on(bot, run)
        assert (now.wanted, now.observed, now.requests) == (was.wanted, was.observed, was.requests)
