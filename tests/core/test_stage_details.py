"""What a stage has brought, in the line that card and thread show."""

import pytest

from bot.presenters import detail_of
from engine.model import Json, StageKind, StageRun, StageState

IMAGE: Json = {"image": "shop/api:v1", "digest": f"sha256:{'ab' * 32}"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "shop/api:v1 abababababab"),
        ({"builder": "docker"}, "shop/api:v1 abababababab (docker)"),
        ({"builder": "bundle", "why": "though x"}, "shop/api:v1 abababababab (bundle though x)"),
    ],
)
def test_a_build_names_its_builder_and_why_where_that_may_surprise(more: Json, said: str) -> None:
    assert detail_of(StageRun("image", StageKind.BUILD, StageState.SUCCEEDED, outputs={**IMAGE, **more})) == said
