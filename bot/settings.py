"""What an operator sets: environment variables that begin with SLUICE_, all with defaults that suit one machine."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from bot.cluster_settings import ClusterName, ClusterSettings
from bot.registry_settings import RegistryName, RegistrySettings, each_image_has_one_home
from engine.errors import Broken
from storage.libpq import without_options

_MOST_TOLD = 3
_PASSWORD = re.compile(r"(?:[\w+.-]+://)?+[^:]*:(.*)@", re.DOTALL)


class Settings(BaseSettings):
    """The settings of one Sluice."""

    model_config = SettingsConfigDict(env_prefix="SLUICE_", extra="ignore", hide_input_in_errors=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".local" / "share" / "sluice")
    """Where everything is kept: database, bundles, workloads, the terminal's socket."""
    database: str = ""
    """An SQLAlchemy URL; empty: SQLite in `home`."""
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    """SQLite only. FULL waits for the disk at every commit: then a power cut loses nothing that was acknowledged."""
    host: str = "127.0.0.1"
    """Where the console listens."""
    port: int = Field(default=8787, ge=0, le=65535)
    """The console's port; 0 takes a free one."""
    hosts: tuple[str, ...] = ()
    """More names by which browsers may know the console."""
    https: bool = False
    """Whether a proxy in front of the console speaks TLS."""
    instances_host: str = "127.0.0.1"
    """The address on which workloads' fixed ports listen."""
    local_git: bool = False
    """Whether pipelines may fetch from repositories on this machine's disk."""
    plain_git: bool = False
    """Whether pipelines may fetch over http without TLS."""
    keys: SecretStr | None = None
    """What secrets are sealed with, the newest first, between commas; without it a key file in `home`."""
    private_forges: tuple[str, ...] = ()
    """Networks that are not public in which repositories and forges may be, for example ``10.0.0.0/8``."""
    ssh_names: tuple[str, ...] = ()
    """Hosts in repositories' ssh addresses that only this machine's ssh configuration knows; they are not judged."""
    github_api: str = "https://api.github.com"
    """Where GitHub's API is; GitHub Enterprise is named when an account is bound."""
    keep_days: int = Field(default=90, ge=1)
    """How many days logs, what runs applied, and what rooms showed are kept."""
    hooks_host: str = "127.0.0.1"
    """Where machines reach Sluice (Slack and Telegram over HTTP); a proxy with TLS stands in front of it."""
    hooks_port: int = Field(default=8788, ge=0, le=65535)
    """The port for machines: hooks, and chats over HTTP. 0 takes a free one."""
    hooks_url: str = ""
    """The public address that leads to the port for machines: what webhooks are given. Empty: none can be."""
    hooks_proxies: tuple[str, ...] = ()
    """Networks of proxies in front of that port, whose X-Forwarded-For is believed."""
    private_hooks: tuple[str, ...] = ()
    """Networks that are not public and that notifications may be sent to all the same."""
    console_url: str = ""
    """The public address of the console: notifications link there."""
    smtp_host: str = ""
    """The mail server. With it, people are told by e-mail."""
    smtp_port: int = 587
    """The mail server's port."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """Whether mail goes out over TLS: after STARTTLS, from the first byte, or not at all."""
    smtp_user: str = ""
    """Who logs in at the mail server; empty: nobody does."""
    smtp_password: SecretStr | None = None
    """The mail server's password."""
    mail_from: str = "sluice@localhost"
    """From whom mail comes."""
    gateways: dict[str, SecretStr] = Field(default_factory=dict)
    """Other ways to people: Apprise addresses by name, as JSON. `phone` has a {to} in it, where the number goes."""
    packages_largest: ByteSize = Field(default="5GiB", validate_default=True, gt=0)
    """Packages: the largest file, for example ``5GiB``."""
    packages_organization: ByteSize = Field(default="50GiB", validate_default=True, gt=0)
    """Packages: what one organization may have."""
    packages_total: ByteSize = Field(default="200GiB", validate_default=True, gt=0)
    """Packages: what all of them may have together."""
    slack_bot_token: SecretStr | None = None
    """Slack: the bot's token, ``xoxb-...``. With it, Sluice is in Slack."""
    slack_app_token: SecretStr | None = None
    """Slack: the app's token, ``xapp-...``, for Socket Mode, which needs no public address."""
    slack_signing_secret: SecretStr | None = None
    """Slack: what requests are signed with, for HTTP in place of Socket Mode."""
    slack_api: str = "https://slack.com/api/"
    """Where Slack's Web API is."""
    telegram_token: SecretStr | None = None
    """Telegram: the bot's token. With it, Sluice is in Telegram."""
    telegram_webhook: str = ""
    """Telegram: the public address that leads to the port for machines; empty: Sluice asks for updates itself."""
    telegram_secret: SecretStr | None = None
    """Telegram: the secret that a webhook's deliveries carry."""
    telegram_api: str = "https://api.telegram.org"
    """Where Telegram's Bot API is."""
    clusters: dict[ClusterName, ClusterSettings] = Field(default_factory=dict)
    """Kubernetes: the clusters by the names that pipelines use, as JSON."""
    docker_host: str = ""
    """The Docker Engine: unix://PATH or tcp://HOST:PORT; empty: DOCKER_HOST, or the usual socket."""
    registries: Annotated[dict[RegistryName, RegistrySettings], AfterValidator(each_image_has_one_home)] = Field(
        default_factory=dict
    )
    """The registries that built images are pushed to, by names, as JSON; empty: they stay in the Docker Engine."""

    @classmethod
    def read(cls) -> "Settings":
        """Read the environment. Raises `Broken` with what is wrong in it, and none of its values: some are secret."""
        try:
            return cls()
        except SettingsError as error:
            name = str(error).partition('"')[2].partition('"')[0]
            raise Broken(f"SLUICE_{name.upper()} is no JSON.", "README lists the settings, with examples.") from None
        except ValidationError as error:
            faults = [
                f"{_variable(one['loc'])}: {one['msg'].removeprefix('Value error, ')}."
                for one in error.errors(include_input=False)
            ]
            raise Broken(" ".join(faults[:_MOST_TOLD]), "README lists the settings.") from None

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """Everything that nobody may be shown, passwords in addresses too."""
        addresses = (value for _, value in self if isinstance(value, str))
        return (*_secrets_of(self), *(SecretStr(word) for one in addresses for word in _passwords_in(one)))

    def make_home(self) -> None:
        """Make the directory in which everything is kept, if it is missing. Raises `Broken`."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            hint = "SLUICE_HOME names a directory that you may write to."
            raise Broken(f"Sluice cannot keep anything in {self.home}: {error.strerror}.", hint) from error

    @property
    def database_url(self) -> str:
        """The database, as SQLAlchemy wants it."""
        return self.database or f"sqlite:///{self.home / 'sluice.db'}"

    @property
    def socket(self) -> Path:
        """Where the terminal reaches the running bot."""
        return self.home / "sluice.sock"


def _variable(place: tuple[int | str, ...]) -> str:
    """Name a setting as people write it: ``SLUICE_CLUSTERS, prod, registry``."""
    first, *more = map(str, place)
    return ", ".join([f"SLUICE_{first.upper()}", *more])


def _passwords_in(address: str) -> Iterator[str]:
    """The password, as it is written and as it is meant; also what others take for one where an @ is not encoded."""
    found = _PASSWORD.match(without_options(address))
    if found and not address.startswith("sqlite"):
        for word in dict.fromkeys([found[1], *found[1].split("@")]):
            yield from {word, unquote(word)} - {""}


def _secrets_of(model: BaseModel) -> Iterator[SecretStr]:
    for _, value in model:
        if isinstance(value, SecretStr):
            yield value
        elif isinstance(value, dict):
            for one in value.values():
                yield from [one] if isinstance(one, SecretStr) else _secrets_of(one)
