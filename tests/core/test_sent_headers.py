"""Headers that Sluice sets itself are set by nobody else, in whatever letters: two of one name would be read as one."""

import pytest

from engine.pipeline import check

DEFINITION = """\
pipeline: shop
stages:
  - name: code
    source: {{git: "https://git.example.com/shop.git"}}
    tell:
      - webhook: https://hooks.example.com/a
        headers: {{{name}: "0"}}
"""


@pytest.mark.parametrize("name", ["Sluice-Depth", "sluice-depth", "SLUICE-DEPTH", "Idempotency-Key", "host"])
def test_a_header_that_sluice_sets_is_refused(name: str) -> None:
    [found] = check(DEFINITION.format(name=name))
    assert f"{name} is set by Sluice" in found.problem


def test_another_header_is_sent() -> None:
    assert check(DEFINITION.format(name="X-Depth")) == ()
