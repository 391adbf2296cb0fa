"""Which labels of an image are its own. Pure, but for the records of orders, which are files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.builders.docker_labels import ORDER, Pinned, key_of, labels_of, made_by, written_on
from engine.builders.docker_orders import Orders
from engine.image_build import Recipe
from engine.ports import BuildOrder, Commit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT = Commit("https://example.com/shop.git", "main", "a" * 40, "One", "ann", NOW)
IMAGE = f"sha256:{'1' * 64}"


def order(run: str = "shop-1", image: str = "shop/api:v1", **recipe: Any) -> BuildOrder:
    minute = timedelta(minutes=1)
    return BuildOrder(COMMIT, image, "", "", {}, minute, "docker", Recipe(**recipe), "shop", run)


LABELS = labels_of(order(), "f" * 64, "us")
STEPS = [f"/bin/sh -c #(nop)  LABEL {name}={LABELS[name]}" for name in sorted(LABELS)]


def test_labels_that_the_last_steps_of_an_image_wrote_are_its_own() -> None:
    assert written_on(LABELS, ["/bin/sh -c #(nop) ADD file:1 in / ", *STEPS]) == LABELS
    assert made_by(written_on(LABELS, STEPS)) == "built by shop-1"


@pytest.mark.parametrize(
    ("labels", "steps"),
    [
        (LABELS, [*STEPS, "/bin/sh -c exit 0"]),
        (LABELS, STEPS[:-1]),
        (LABELS, [*STEPS[:-1], "/bin/sh -c #(nop)  LABEL another=1"]),
        ({**LABELS, ORDER: "e" * 64}, STEPS),
        (LABELS, []),
        ({}, STEPS),
        ({name: value for name, value in LABELS.items() if name != ORDER}, STEPS),
    ],
)
def test_labels_that_were_inherited_or_changed_are_nobodys(labels: dict[str, str], steps: list[str]) -> None:
    assert written_on(labels, steps) == {}


def test_an_order_is_known_by_its_words_its_run_and_its_tag_whatever_its_inputs_are_now(tmp_path: Path) -> None:
    orders, asked = Orders(tmp_path), order(base_image="shop/base:latest")
    key = key_of(asked, Pinned("shop/base@sha256:1"))
    assert orders.announced(asked) == ""
    orders.announce(asked, key)
    assert Orders(tmp_path).announced(order(base_image="shop/base:latest")) == key
    for other in (
        order(run="shop-2", base_image="shop/base:latest"),
        order(image="shop/api:v2", base_image="shop/base:latest"),
        order(base_image="shop/base:v2"),
    ):
        assert orders.announced(other) == ""


def test_records_go_with_their_images_and_half_written_ones_count_as_none(tmp_path: Path) -> None:
    orders = Orders(tmp_path)
    orders.finish("a" * 64, IMAGE)
    orders.announce(order(), "a" * 64)
    (tmp_path / "orders" / ("b" * 64)).write_text("sha2")
    assert orders.image("b" * 64) == ""
    later = datetime.now(UTC) + timedelta(days=1)
    orders.forget({IMAGE}, later - timedelta(days=2))
    assert len([*(tmp_path / "orders").iterdir()]) == 3
    orders.forget({IMAGE}, later)
    assert (orders.image("a" * 64), orders.announced(order())) == (IMAGE, "")
    orders.forget((), later)
    assert [*(tmp_path / "orders").iterdir()] == []
