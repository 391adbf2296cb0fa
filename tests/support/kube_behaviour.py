"""How the pods of an image behave in the Kubernetes API stand-in, and what a kubelet then writes about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Does(StrEnum):
    """What becomes of a pod."""

    READY = "becomes ready"
    NEVER_READY = "runs, and its readiness probe fails"
    CRASHES = "ends with code 1 again and again"
    OUT_OF_MEMORY = "is killed for its memory again and again"
    NO_IMAGE = "its image cannot be pulled"
    NO_CONFIG = "names a ConfigMap that is not there"
    UNSCHEDULABLE = "fits on no node"
    FLAPS = "is ready and unready in turn"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`after`: how many steps after it was started a pod gets ready; of one that flaps, how long each turn is."""

    does: Does = Does.READY
    after: int = 1

    READY: ClassVar["Behaviour"]
    NEVER_READY: ClassVar["Behaviour"]
    CRASHES: ClassVar["Behaviour"]
    OUT_OF_MEMORY: ClassVar["Behaviour"]
    NO_IMAGE: ClassVar["Behaviour"]
    NO_CONFIG: ClassVar["Behaviour"]
    UNSCHEDULABLE: ClassVar["Behaviour"]
    FLAPS: ClassVar["Behaviour"]

    @staticmethod
    def ready_after(steps: int) -> "Behaviour":
        return Behaviour(Does.READY, steps)


Behaviour.READY = Behaviour()
Behaviour.NEVER_READY = Behaviour(Does.NEVER_READY)
Behaviour.CRASHES = Behaviour(Does.CRASHES)
Behaviour.OUT_OF_MEMORY = Behaviour(Does.OUT_OF_MEMORY)
Behaviour.NO_IMAGE = Behaviour(Does.NO_IMAGE)
Behaviour.NO_CONFIG = Behaviour(Does.NO_CONFIG)
Behaviour.UNSCHEDULABLE = Behaviour(Does.UNSCHEDULABLE)
Behaviour.FLAPS = Behaviour(Does.FLAPS, 2)

Behaviours = dict[str, Behaviour | Sequence[Behaviour]]
_MOST_RESTARTS = 5


def behaviour_of(images: Behaviours, image: str, turn: int) -> Behaviour:
    """How the pod with this image behaves that was the `turn`-th of it. The last of a row counts for all after it."""
    found = images.get(image) or next((one for key, one in images.items() if image.endswith(f"/{key}")), Behaviour())
    return found if isinstance(found, Behaviour) else found[min(turn, len(found) - 1)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a kubelet sees of a pod's container: why it waits, or how it ended last; else it runs."""

    ready: bool = False
    waiting: str = ""
    message: str = ""
    ended: str = ""
    code: int = 0
    restarts: int = 0


def seen(behaviour: Behaviour, age: int, image: str) -> Seen:
    """What is seen of a container, so many steps after its pod came to a node."""
    if age < 1:
        return Seen(waiting="ContainerCreating")
    told = {
        Does.READY: Seen(ready=age >= behaviour.after),
        Does.FLAPS: Seen(ready=(age - 1) // max(1, behaviour.after) % 2 == 0),
        Does.NO_IMAGE: _unpulled(image, first=age == 1),
        Does.NO_CONFIG: Seen(waiting="CreateContainerConfigError", message='configmap "settings" not found'),
        Does.CRASHES: _crashed("Error", 1, age),
        Does.OUT_OF_MEMORY: _crashed("OOMKilled", 137, age),
    }
    return told.get(behaviour.does, Seen())


def _unpulled(image: str, *, first: bool) -> Seen:
    why = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
    if first:
        return Seen(waiting="ErrImagePull", message=why)
    return Seen(waiting="ImagePullBackOff", message=f'Back-off pulling image "{image}": ErrImagePull: {why}')


def _crashed(reason: str, code: int, age: int) -> Seen:
    restarts = min(age, _MOST_RESTARTS)
    said = "back-off 10s restarting failed container"
    return Seen(waiting="CrashLoopBackOff", message=said, ended=reason, code=code, restarts=restarts)
