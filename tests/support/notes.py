"""A pipeline that deploys nothing: a repository and a review. Quick, and enough for whatever is about people."""

from pathlib import Path

from tests.support.bot import a_repository


def notes(
    root: Path, *, review: str = "{reviewers: [ann, bob]}", code: str = "", head: str = "", gate: str = ""
) -> str:
    """The definition, with `code` added to the source stage, `gate` to the review and `head` before the stages."""
    repository = root / "notes"
    if not repository.exists():
        a_repository(repository, "v1", "v2")
    return f"""\
pipeline: notes
description: Reads the notes and asks.
variables:
  tag: v1
  note: nothing
{head}
stages:
  - name: code
    source: {{git: "{repository}", tag: "${{tag}}"}}
{code}
  - name: review
    review: {review}
{gate}
"""
