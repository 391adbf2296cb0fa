"""What becomes of a child's output on its way into a log."""

from hypothesis import given
from hypothesis import strategies as st

from engine.forges.credential import Credential
from engine.outlets import MAX_LINE, Collected, LogOutlet

SECRET = "s3cr3t/of+ann"


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_lines_do_not_depend_on_how_the_output_is_cut_into_chunks(output: bytes, cuts: list[int]) -> None:
    whole: list[str] = []
    pieces: list[str] = []
    for log, places in ((whole, []), (pieces, sorted(cuts))):
        outlet = LogOutlet(log.append)
        for start, end in zip([0, *places], [*places, len(output)], strict=True):
            outlet(output[start:end])
        outlet.close()
    assert "\n".join(whole).split("\n") == "\n".join(pieces).split("\n")


_NEAR_A_CUT = st.sampled_from([1, 2]).flatmap(lambda n: st.integers(n * MAX_LINE - 15, n * MAX_LINE + 3))


@given(st.one_of(_NEAR_A_CUT, st.integers(0, 3 * MAX_LINE)), st.integers(50, 5000), st.booleans())
def test_no_part_of_a_secret_gets_into_a_log(before: int, chunk: int, ended: bool) -> None:  # noqa: FBT001 - drawn
    log: list[str] = []
    outlet = LogOutlet(log.append, scrub=Credential("ann", SECRET).scrub)
    output = b"x" * before + SECRET.encode() + b"y" * 20_000 + (b"\n" if ended else b"")
    for start in range(0, len(output), chunk):
        outlet(output[start : start + chunk])
    outlet.close()
    said = "\n".join([*log, *outlet.last_lines()])
    assert "s3" not in said
    assert "ann" not in said


def test_a_log_that_is_full_gets_a_note_and_the_last_lines() -> None:
    log: list[str] = []
    outlet = LogOutlet(log.append, allowance=100)
    for number in range(1000):
        outlet(f"line {number}\n".encode())
    outlet.close()
    assert "8790 bytes of it are not kept" in log[-1]
    assert log[-1].endswith("line 998\nline 999")
    assert len(log) < 20


def test_what_is_collected_is_bounded() -> None:
    collected = Collected(allowance=5)
    for _ in range(10):
        collected(b"abc")
    assert collected.text() == "abcab"


def test_a_secret_is_scrubbed_in_the_forms_it_travels_in() -> None:
    credential = Credential("ann", SECRET)
    said = f"a {SECRET} b s3cr3t%2Fof%2Bann c YW5uOnMzY3IzdC9vZithbm4= d"
    assert credential.scrub(said) == "a *** b *** c *** d"
    assert SECRET not in repr(credential)
