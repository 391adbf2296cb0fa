"""Why a package is not taken or not given: facts, which whoever asked can do something about."""

from collections.abc import Sequence

from engine.errors import Refused
from engine.packages import PackagePath


class NoPackage(Refused):
    """Nothing is kept under this path."""

    def __init__(self, path: PackagePath, near: Sequence[str] = ()) -> None:
        others = f"There is {', '.join(near)}." if near else "`packages` lists what there is."
        super().__init__(f"There is no package {path}.", others)


class PackageTaken(Refused):
    """The path has another content, now or before it was deleted, or one that differs from it only in case."""

    def __init__(self, path: PackagePath, why: str) -> None:
        super().__init__(f"{path} {why}; nothing was changed.", "What is in a version stays. Take another version.")


class VersionClosed(Refused):
    """The version takes no more files."""

    def __init__(self, path: PackagePath, why: str) -> None:
        super().__init__(f"{path.of_version} takes no more files: {why}.", "Put it into another version.")


class WrongContent(Refused):
    """What arrived is not what was announced."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; nothing was kept.", "Upload it again, and compare the file with its source.")


class TooLarge(Refused):
    """A file is larger than any may be."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"A file of a package has {size_of(most)} at most (SLUICE_PACKAGES_LARGEST).",
            "Split it, or have the setting raised.",
        )


class QuotaExceeded(Refused):
    """There is no room for the file."""

    def __init__(self, whose: str, setting: str, sizes: tuple[int, int, int], by: Sequence[tuple[str, int]]) -> None:
        """`sizes` in bytes: used, allowed, and asked for now; `by` are the packages that use most of it."""
        used, most, asked = sizes
        what = ", ".join(f"{path} {size_of(size)}" for path, size in by)
        super().__init__(
            f"{whose} has used {size_of(used)} of {size_of(most)}, and this needs {size_of(asked)} more."
            f"{f' Most of it: {what}.' if what else ''}",
            f"Delete what nobody needs (`package delete PATH`), or have {setting} raised.",
        )


class Crowded(Refused):
    """Too many uploads at once."""

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} uploads that are not finished.", "Finish them, or end them with DELETE.")


def size_of(count: int) -> str:
    """Write a number of bytes for people: 512 B, 3.4 KiB, 1.0 GiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the next unit
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
