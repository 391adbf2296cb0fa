"""A way to a cluster for a bot that dies between two writes: the last one has landed, and nobody heard the answer."""

from engine.model import Json
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.kinds import Kind


class Killed(Exception):
    """The bot is dead. Nothing of Sluice's knows this error, so nothing goes on after it."""


class Mortal(Cluster):
    """A cluster that counts writes and kills whoever makes the last of `left`; None kills nobody."""

    left: int | None = None
    written: int = 0

    async def apply(
        self, kind: Kind, thing: Json, *, force: bool = False, dry: bool = False, manager: str = ""
    ) -> Json:
        answer = await super().apply(kind, thing, force=force, dry=dry, manager=manager)
        if not dry:
            self._spend()
        return answer

    async def merge(self, kind: Kind, namespace: str, name: str, change: Json) -> Json:
        answer = await super().merge(kind, namespace, name, change)
        self._spend()
        return answer

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> None:
        await super().delete(kind, namespace, name, uid=uid)
        self._spend()

    def _spend(self) -> None:
        self.written += 1
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed
