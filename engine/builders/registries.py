"""Which registry an image belongs to: by its organization, as the settings say. Pure.

Images are named organization/repository:tag everywhere in Sluice. Where they are is the operator's affair, so that a
definition goes on working when a registry moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.builders.registry import Registry
from engine.builders.shelf import parse_image


@dataclass(frozen=True, slots=True)
class Registries:
    """The registries of some organizations, and the one for all others (None: those stay in the Docker Engine)."""

    of: Mapping[str, Registry] = field(default_factory=dict)
    others: Registry | None = None

    def find(self, image: str) -> Registry | None:
        """Return the registry of organization/repository:tag; None when it has none."""
        return self.of.get(parse_image(image)[0], self.others)

    @property
    def every(self) -> tuple[Registry, ...]:
        """Each of them once."""
        known = [*self.of.values(), *([self.others] if self.others else [])]
        return tuple({registry.address: registry for registry in known}.values())

    def place_of(self, image: str) -> tuple[str, str]:
        """Return an image's full repository name, as Docker takes it, and its tag."""
        organization, repository, tag = parse_image(image)
        registry = self.find(image)
        name = f"{organization}/{repository}"
        return (f"{registry.host}/{name}" if registry else name), tag
