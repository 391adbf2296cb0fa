"""What is to be written to a cluster: objects to apply and objects to remove, as values."""

from dataclasses import dataclass

from engine.model import Json
from engine.targets.kubernetes.kinds import Kind


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply `thing`, all of it."""

    kind: Kind
    thing: Json

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.thing["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the object of that name, if it is still the one with this `uid`."""

    kind: Kind
    name: str
    uid: str


Write = Apply | Remove
