"""What starts a pipeline without a person, in words: the clock, hooks, channels and pushes. Pure."""

from collections.abc import Iterator
from datetime import datetime

from bot.cards import Field
from engine.clock import next_time
from engine.definition import Pipeline, Start
from engine.source import AutoBuild


def starts_fields(pipeline: Pipeline, now: datetime) -> tuple[Field, ...]:
    """Say it as a field of a card; nothing when only people start the pipeline."""
    ways = [_in_words(start, pipeline.pipeline, now) for start in pipeline.starts]
    sources = (stage.source for stage in pipeline.stages if stage.source is not None)
    ways += [f"pushes to {_refs(source.auto_build)}" for source in sources if source.auto_build is not None]
    return (Field("Starts", "; ".join(ways)),) if ways else ()


def _in_words(start: Start, pipeline: str, now: datetime) -> str:
    if start.webhook is not None:
        return f"webhook {start.webhook} (`hooks {pipeline}`)"
    if start.channel is not None:
        return " of ".join(filter(None, (f"channel {start.channel}", ", ".join(start.heard))))
    due = next_time(start, now)
    comes = "never comes" if due is None else f"next on {due:%d %B, %H:%M}"
    return f"cron {start.cron}, {comes} {start.timezone}"


def _refs(auto: AutoBuild) -> str:
    return " and ".join(_patterns(auto))


def _patterns(auto: AutoBuild) -> Iterator[str]:
    for what, patterns in (("branches", auto.branches), ("tags", auto.tags)):
        if patterns:
            yield f"{what} {', '.join(patterns)}"
