"""Where the files of a process target lie, and that nothing of it is left outside."""

from pathlib import Path

from engine.targets.fronted.layout import Layout


def too_deep(root: Path) -> Layout:
    """A layout whose sockets do not fit under its root."""
    layout = Layout(root.joinpath(*["deep" * 10] * 3))
    assert layout.sockets != layout.run
    return layout


def test_whoever_only_looks_leaves_nothing_outside_of_the_root(tmp_path: Path) -> None:
    layout = too_deep(tmp_path)
    layout.make()
    assert layout.workloads.is_dir()
    assert not layout.sockets.exists()


def test_what_listens_has_its_sockets_outside_until_it_ends(tmp_path: Path) -> None:
    layout = too_deep(tmp_path)
    layout.make()
    layout.make_sockets()
    layout.supervisor_socket.touch()
    assert layout.sockets.stat().st_mode & 0o777 == 0o700
    layout.drop_sockets()
    assert not layout.sockets.exists()
