"""Whatever is written as a path of the build directory, it leads inside or is refused."""

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from engine.image_build import Build
from engine.section import Mistake

PARTS = st.sampled_from(["..", ".", "", "a", "b.c", "~", " ", "\\", "C:", "%2e%2e", "\u2025", "a\nb", "\x00", "..."])
PATHS = st.one_of(st.lists(PARTS, max_size=6).map("/".join), st.text(max_size=40))


@given(PATHS)
def test_no_path_of_a_build_leads_out_of_its_directory(path: str) -> None:
    try:
        build = Build.model_validate({"image": "o/r:t", "dockerfile": path, "images": [{"image": "o/r:t", "to": path}]})
    except (ValueError, Mistake):
        return
    for found in (build.recipe.dockerfile, build.recipe.images[0][1]):
        inside = posixpath.normpath(posixpath.join("/build", found))
        assert inside.startswith("/build/")
        assert found.isprintable()
