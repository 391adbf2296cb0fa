"""What an operator says of each registry that images are pushed to, under a name of its own."""

import re
from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_ORGANIZATION = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII)
_ADDRESS = re.compile(
    r"(?:https?://)?(?P<host>[A-Za-z0-9._-]+|\[[0-9a-f:]+\])(?P<port>:[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?"
)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a registry's name has small letters, digits and dashes, at most 63")
    return name


def _address(address: str) -> str:
    """Check ``registry.example.com``, ``registry.example.com/team`` or ``http://127.0.0.1:5000``.

    A host without a dot and a port would be a folder of Docker's own registry to an engine.
    """
    found = _ADDRESS.fullmatch(address)
    if not found or not (found["port"] or "." in found["host"] or found["host"] == "localhost"):
        raise ValueError(
            "a registry is HOST.DOMAIN, HOST:PORT or HOST.DOMAIN/FOLDER; http:// in front means without TLS"
        )
    return address.rstrip("/")


def _organization(name: str) -> str:
    if not _ORGANIZATION.fullmatch(name):
        raise ValueError("an organization has small letters, digits, dots and dashes")
    return name


RegistryName = Annotated[str, AfterValidator(_named)]


class RegistrySettings(BaseModel):
    """One registry: where it is, who pushes, and which organizations' images are there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    address: Annotated[str, AfterValidator(_address)]
    """HOST[:PORT][/FOLDER]; ``http://`` in front means that Sluice asks it without TLS."""
    user: str = ""
    password: SecretStr | None = None
    organizations: tuple[Annotated[str, AfterValidator(_organization)], ...] = Field(default=())
    """The organizations whose images are there; empty: those of all that no other registry has."""


def each_image_has_one_home(registries: dict[str, RegistrySettings]) -> dict[str, RegistrySettings]:
    """Refuse settings by which an image would belong to two registries."""
    named = Counter(name for one in registries.values() for name in set(one.organizations))
    for name, times in named.items():
        if times > 1:
            raise ValueError(f"the organization {name} is in {times} registries; write it in one")
    if sum(not one.organizations for one in registries.values()) > 1:
        raise ValueError("more than one registry names no organizations; only one can have those of all others")
    return registries
