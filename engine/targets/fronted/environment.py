"""What an instance is told by its environment."""

from engine.model import Release
from engine.targets.fronted.state import InstanceRecord


def environment_of(instance: InstanceRecord, release: Release) -> dict[str, str]:
    """What the definition sets, and what Sluice itself says of an instance. PORT is where it has to listen."""
    own = {
        "PORT": str(instance.port),
        "SLUICE_INSTANCE": instance.name,
        "SLUICE_GROUP": instance.group,
        "SLUICE_TRACK": instance.group,
        "SLUICE_RELEASE": str(release.id),
        "SLUICE_VERSION": release.image.rpartition(":")[2],
    }
    settings = {str(name): str(value) for name, value in release.settings.get("environment", {}).items()}
    return settings | own
