"""What canary and istio have in common: a track ``stable`` that stays, and ``gray`` beside it that comes and goes.

The danger is at promotion and at abort, not in the canary: requests sent to a copy that is being replaced, a gray track
ended while something still leads to it, or a way back onto a stable track that is half new.

The promise: gray is up before anything leads to it, and nothing else changes until the proxy follows. At promotion gray
keeps its share while stable is rolled in place; only a stable track that is wholly at its release gets everything; and
gray is ended last, unrouted and drained. A roll-back is the same walk with the old release, wherever it is begun. If
stable cannot reach its release, both copies that work keep serving and the walk stands still: whoever waits for it may
ask for the roll-back instead.

Where instances of the old release do not know how to leave (`shelter`), none of them ends while requests reach it:
stable keeps all of them beside gray, however many they are, and at promotion gray grows to the whole and takes
everything while stable is replaced. A gray track that another release has left is drained before it changes for that.

With `recreate` the stable track goes down as a whole to be replaced. Requests are sent to gray for that time, if gray
is settled and at a release that they may see; without gray the interruption is what was asked for.

The preview port leads to gray while there is one and it is routed to, else to stable.
"""

from engine.rollout.fleet import Advice, Done, GoalKind, Launch, ReleaseId, Route, Scale, Wait
from engine.rollout.steps import (
    STABLE,
    Scene,
    adopted,
    cleared,
    followed,
    kept_count,
    launched,
    only,
    rerouted,
    rescued,
    retired,
    settled,
    strong,
    unrouted,
)

GRAY = "gray"


def advise(scene: Scene, beside_gray: int) -> Advice:
    """Say what is next. `beside_gray` is how many instances stable has while gray is there."""
    match scene.goal.kind:
        case GoalKind.GRAY:
            return _share(scene, beside_gray)
        case GoalKind.PROMOTE:
            return _everything_on(scene, scene.new)
        case GoalKind.ROLL_BACK:
            return cleared(scene) if scene.goal.old is None else _everything_on(scene, scene.goal.old)
        case GoalKind.ADOPT:
            return adopted(scene)


def _everything_on(scene: Scene, release: ReleaseId) -> Advice:
    return (
        rescued(scene)
        or _stable_at(scene, release)
        or rerouted(scene, only(STABLE))
        or followed(scene)
        or retired(scene, scene.fleet.groups.keys() - {STABLE})
        or Done()
    )


def _share(scene: Scene, beside_gray: int) -> Advice:
    stable, gray = scene.group(STABLE), scene.group(GRAY)
    base = scene.goal.old or (stable.release if stable else None)
    if base is not None and (base == scene.new or (gray is not None and gray.release != scene.new)):
        return _everything_on(scene, base)
    return (
        rescued(scene)
        or (_base_at(scene, base) if base is not None else None)
        or _stable_whole(scene)
        or _gray_sized(scene, beside_gray)
        or rerouted(scene, _shared(scene))
        or _gray_settled(scene)
        or followed(scene)
        or _stable_sized(scene, beside_gray)
        or retired(scene, scene.fleet.groups.keys() - {STABLE, GRAY})
        or Done()
    )


def _base_at(scene: Scene, base: ReleaseId) -> Advice | None:
    """Stable runs the last good release and nothing else, in whatever number."""
    stable = scene.group(STABLE)
    if stable is None or stable.release != base:
        return _stable_at(scene, base)
    return None if set(stable.present) <= {base} else settled(stable)


def _stable_at(scene: Scene, release: ReleaseId) -> Advice | None:
    stable, count = scene.group(STABLE), kept_count(scene, STABLE, release)
    replaced = stable is not None and (stable.release != release or stable.count > count)
    return (_sheltered(scene, release) if replaced else None) or launched(scene, STABLE, release, count)


def _sheltered(scene: Scene, release: ReleaseId) -> Advice | None:
    """No request is sent to a stable track whose instances cannot leave quietly, or that goes down as a whole.

    Gray takes them. It is made for that where it has to be; for a track that goes down as a whole, only if it is there.
    """
    stable, gray, goal = scene.group(STABLE), scene.group(GRAY), scene.goal
    if stable is None:
        return None
    if goal.shelter and goal.kind is GoalKind.PROMOTE and stable.release == goal.old:
        left = unrouted(scene, STABLE, goal.drain, f"{STABLE} to drain")
        return left and (_gray_takes_over(scene, release) or left)
    if not goal.recreate or gray is None or not gray.is_settled():
        return None
    return rerouted(scene, only(GRAY)) or followed(scene) if gray.release in (release, stable.release) else None


def _gray_takes_over(scene: Scene, release: ReleaseId) -> Advice | None:
    """All requests are sent to a whole gray track of `release`. One of another release is drained before it changes."""
    gray = scene.group(GRAY)
    return (
        (_gray_left(scene) if gray is not None and gray.release != release else None)
        or launched(scene, GRAY, release, scene.goal.instances)
        or rerouted(scene, only(GRAY))
        or followed(scene)
    )


def _gray_left(scene: Scene) -> Advice | None:
    """Nothing leads to gray, and it has drained. Stable is whole before it takes all requests."""
    stable, goal = scene.fleet.groups[STABLE], scene.goal
    short = stable.count < goal.instances and scene.fleet.route.refers_to(GRAY)
    return (
        (Scale(STABLE, goal.instances, goal.drain) if short else None)
        or strong(scene, STABLE)
        or rerouted(scene, only(STABLE))
        or followed(scene)
        or unrouted(scene, GRAY, goal.drain, f"{GRAY} to drain")
    )


def _gray_sized(scene: Scene, beside_gray: int) -> Advice | None:
    """Gray is asked to be what it should be. Before it gets smaller, stable is large enough and has its share."""
    gray, count = scene.group(GRAY), scene.goal.gray_instances
    if gray is not None and gray.release == scene.new and gray.count == count:
        return None
    gives = gray is not None and gray.count > count and scene.fleet.route.refers_to(GRAY)
    before = (_stable_grown(scene, beside_gray) or rerouted(scene, _shared(scene))) if gives else None
    return before or followed(scene) or Launch(GRAY, scene.new, count)


def _stable_whole(scene: Scene) -> Scale | None:
    """Stable is as large as the whole while gray, for which it made room, is gone or fails and gets no request."""
    stable, gray, goal = scene.group(STABLE), scene.group(GRAY), scene.goal
    if stable is None or not goal.shared or scene.fleet.route.refers_to(GRAY):
        return None
    if gray is not None and gray.is_settled():
        return None
    return Scale(STABLE, goal.instances, goal.drain) if stable.count < goal.instances else None


def _gray_settled(scene: Scene) -> Wait | None:
    return settled(scene.fleet.groups[GRAY])


def _shared(scene: Scene) -> Route:
    """Build the route of the gray release. Where there is no stable track, everything goes to gray."""
    goal = scene.goal
    share = goal.share if scene.group(STABLE) else 100
    weights = {name: part for name, part in ((STABLE, 100 - share), (GRAY, share)) if part > 0}
    return Route(weights, goal.rules, GRAY if goal.rules else None, GRAY)


def _stable_sized(scene: Scene, beside_gray: int) -> Advice | None:
    """Stable has as many instances as it should beside gray. It gives some up only while all of them are ready."""
    stable = scene.group(STABLE)
    if stable is None or stable.count <= beside_gray or scene.goal.shelter:
        return _stable_grown(scene, beside_gray)
    return settled(stable) or Scale(STABLE, beside_gray, scene.goal.drain)


def _stable_grown(scene: Scene, count: int) -> Advice | None:
    """Stable has so many instances, or more, and all are ready."""
    stable = scene.group(STABLE)
    if stable is None:
        return None
    return Scale(STABLE, count, scene.goal.drain) if stable.count < count else settled(stable)
