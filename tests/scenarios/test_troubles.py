"""What keeps a run from going on is said where people look, and the run goes on when it has passed."""

from pathlib import Path

from engine.errors import Interrupted
from engine.ports import Placement
from engine.rollout.fleet import Fleet
from tests.support.bot import a_new_bot
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop

SICK = "The place does not answer."


class Sickly(ModelTarget):
    """A target that cannot be asked anything for a while."""

    is_sick = True

    async def observe(self, placement: Placement) -> Fleet:
        if self.is_sick:
            raise Interrupted(SICK)
        return await super().observe(placement)


async def test_a_place_that_does_not_answer_is_named_in_the_room_once_and_the_run_goes_on_when_it_does(
    tmp_path: Path,
) -> None:
    target = Sickly()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await bot.start("run hello")

        async def told() -> list[str]:
            return [card.title for card in await bot.cards() if card.title == f"{run}: {SICK}"]

        async def is_told() -> bool:
            return bool(await told())

        await eventually(is_told, "the trouble is told")
        target.is_sick = False
        await bot.asks(run)
        assert len(await told()) == 1
