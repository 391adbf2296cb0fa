"""However late events, lists and own writes come: what is known never goes back behind an own write, and ends true."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.targets.kubernetes.cache import Cache

Json = dict[str, Any]
NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.sampled_from([{"app": "web"}, {"app": "web", "more": "yes"}])


class LateNews(RuleBasedStateMachine):
    """An API that is true at once, and a cache that hears of it late; each list begins a new watch."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.truth: dict[str, Json] = {}
        self.history: list[tuple[int, str, Json]] = []
        self.cache = Cache("app=web", slim=True)
        self.number = self.cache.replace([], "0", self.cache.turn())
        self.told = 0
        self.underway: tuple[int, int | None, list[Json]] | None = None
        self.ours: dict[str, tuple[str, int]] = {}
        self.removed: set[str] = set()

    def happened(self, word: str, thing: Json) -> None:
        self.history.append((self.version, word, thing))

    def put(self, name: str, labels: dict[str, str]) -> Json:
        self.version += 1
        there = self.truth.get(name)
        uid = there["metadata"]["uid"] if there else f"uid-{self.version}"
        metadata = {"name": name, "uid": uid, "resourceVersion": str(self.version), "labels": labels}
        thing = {"metadata": metadata}
        self.truth[name] = thing
        self.happened("MODIFIED" if there else "ADDED", thing)
        return thing

    def remove(self, name: str) -> None:
        self.version += 1
        thing = self.truth.pop(name)
        gone = {"metadata": {**thing["metadata"], "resourceVersion": str(self.version)}}
        self.happened("DELETED", gone)

    @rule(name=NAMES, labels=LABELS)
    def somebody_writes(self, name: str, labels: dict[str, str]) -> None:
        self.put(name, labels)

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def somebody_removes(self, data: st.DataObject) -> None:
        self.remove(data.draw(st.sampled_from(sorted(self.truth))))

    @rule(name=NAMES, labels=LABELS)
    def sluice_writes(self, name: str, labels: dict[str, str]) -> None:
        thing = self.put(name, labels)
        self.cache.note(thing)
        self.ours[name] = (thing["metadata"]["uid"], self.version)

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def sluice_removes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.truth)))
        uid = self.truth[name]["metadata"]["uid"]
        self.remove(name)
        known = self.cache.things().get(name)
        self.cache.forget(name)
        self.ours.pop(name, None)
        if known is not None and known["metadata"]["uid"] == uid:
            self.removed.add(uid)

    @precondition(lambda self: self.told < len(self.history))
    @rule()
    def an_event_arrives(self) -> None:
        _, word, thing = self.history[self.told]
        self.told += 1
        self.cache.take(self.number, word, thing)

    @precondition(lambda self: self.underway is None)
    @rule()
    def a_list_is_asked_for(self) -> None:
        self.underway = (self.cache.turn(), None, [])

    @precondition(lambda self: self.underway is not None and self.underway[1] is None)
    @rule()
    def the_api_makes_the_list(self) -> None:
        assert self.underway is not None
        self.underway = (self.underway[0], self.version, list(self.truth.values()))

    @precondition(lambda self: self.underway is not None and self.underway[1] is not None)
    @rule()
    def the_list_arrives(self) -> None:
        assert self.underway is not None
        turn, version, things = self.underway
        assert version is not None
        before = self.number
        self.number = self.cache.replace(things, str(version), turn)
        self.told = sum(1 for at, _, _ in self.history if at <= version)
        self.underway = None
        if self.history:
            self.cache.take(before, *self.history[-1][1:])  # the thread of the watch before had one in its hand

    @invariant()
    def nothing_goes_back_behind_an_own_write(self) -> None:
        for name, thing in self.cache.things().items():
            uid, version = self.ours.get(name, ("", 0))
            if thing["metadata"]["uid"] == uid:
                assert int(thing["metadata"]["resourceVersion"]) >= version

    @invariant()
    def nothing_that_sluice_removed_comes_back(self) -> None:
        assert self.removed.isdisjoint(one["metadata"]["uid"] for one in self.cache.things().values())

    def teardown(self) -> None:
        while self.told < len(self.history):
            self.an_event_arrives()
        assert self.cache.things() == self.truth


LateNews.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
test_what_is_known_never_goes_back_and_ends_true = LateNews.TestCase
