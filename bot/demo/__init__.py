"""The demo: a gray release from end to end on this machine, with a person (`tour`) or without one (`play`)."""

from bot.demo.story import INTERRUPTED, play
from bot.demo.tour import tour

__all__ = ["INTERRUPTED", "play", "tour"]
