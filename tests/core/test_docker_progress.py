"""What an engine says while it works becomes lines for people, and not too many."""

from typing import Any

from engine.builders.docker_progress import EVERY, Progress


class Told:
    """A log, and a clock that is moved by hand."""

    def __init__(self, **settings: Any) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.progress = Progress(self.take, lambda: self.now, **settings)

    def take(self, text: str) -> None:
        self.lines += text.split("\n")

    def hear(self, *messages: dict[str, Any]) -> list[str]:
        for message in messages:
            self.progress.take(message)
        self.progress.close()
        return self.lines


def stream(*texts: str) -> list[dict[str, Any]]:
    return [{"stream": text} for text in texts]


def layer(name: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    return {"status": status, "id": name, "progressDetail": {"current": current, "total": total} if total else {}}


def test_every_line_of_a_step_is_kept_and_what_is_about_the_engine_itself_is_not() -> None:
    said = Told().hear(
        *stream(
            "Step 1/2 : FROM a", "\n", " ---> 0123456789ab\n", "Step 2/2 : RUN b", "\n", " ---> Running in 0123456789ab"
        ),
        *stream("\n", "one\ntwo", "\n", "\x1b[91mred\x1b[0m\n", "Removing intermediate container 0123456789ab\n"),
        *stream(" ---> Using cache\n", "Successfully built 0123456789ab\n"),
    )
    assert said == ["Step 1/2 : FROM a", "Step 2/2 : RUN b", "one", "two", "red", " ---> Using cache"]


def test_the_steps_that_only_label_are_left_out_and_not_counted() -> None:
    said = Told(ours=2).hear(*stream("Step 1/3 : FROM a", "\n", "Step 2/3 : LABEL x", "\n", "Step 3/3 : LABEL y", "\n"))
    assert said == ["Step 1/1 : FROM a"]


def test_a_thousand_messages_of_a_transfer_are_a_few_lines() -> None:
    told = Told()
    told.progress.take({"status": "Pulling from shop/base", "id": "v1"})
    for step in range(1000):
        told.now = step * 3 * EVERY / 1000
        told.progress.take(layer("a", "Downloading", step * 1000, 1_000_000))
    told.progress.take(layer("a", "Pull complete"))
    assert told.hear(layer("b", "Already exists")) == [
        "Fetching shop/base:v1",
        "Fetching shop/base:v1: 0 of 1 layers, 0.3 of 1.0 MB",
        "Fetching shop/base:v1: 0 of 1 layers, 0.7 of 1.0 MB",
        "Fetching shop/base:v1: 2 of 2 layers, 1.0 of 1.0 MB",
    ]


def test_what_came_of_it_is_known_afterwards() -> None:
    told = Told(verb="Pushing")
    told.hear({"aux": {"ID": "sha256:1"}}, {"aux": {"Tag": "v1", "Digest": "sha256:2"}}, layer("a", "Pushed"))
    assert (told.progress.image, told.progress.digest, told.progress.error) == ("sha256:1", "sha256:2", "")


def test_an_error_is_kept_in_whatever_form_it_comes() -> None:
    for message in ({"error": "no"}, {"errorDetail": {"message": "no"}}, {"error": "no", "errorDetail": None}):
        told = Told()
        told.hear(message)
        assert told.progress.error == "no"


def test_an_engine_that_waits_by_itself_is_noticed() -> None:
    told = Told()
    told.hear(layer("a", "Retrying in 5 seconds"))
    assert told.progress.is_stuck


def test_a_flood_is_bounded_and_its_last_lines_are_known() -> None:
    told = Told()
    for number in range(2000):
        told.progress.take({"stream": f"{number} {'x' * 1000}\n"})
    told.progress.take({"stream": "the end\n"})
    said = told.hear()
    assert sum(map(len, said)) < 1_200_000
    assert told.progress.last_lines()[-1] == "the end"


def test_nonsense_is_passed_over() -> None:
    odd: list[dict[str, Any]] = [{}, {"aux": None}, {"status": "x", "id": "a", "progressDetail": "?"}, {"other": 1}]
    odd += [layer("a", "Downloading") | {"progressDetail": {"current": "many", "total": -1}}]
    assert Told().hear(*odd)[-1].endswith("0 of 1 layers")
