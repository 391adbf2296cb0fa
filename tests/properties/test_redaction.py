"""Base64 hides a secret from whoever looks for it as it is; the redaction is not taken in."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from engine.redaction import HIDDEN, Redaction


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_base64_shows_no_three_characters_of_a_secret_whatever_stands_beside_it(before: bytes, after: bytes) -> None:
    secret = "Tr0ub4dor&3-correct"
    redaction = Redaction()
    redaction.add(secret)
    clean = redaction.clean(base64.b64encode(before + secret.encode() + after).decode())
    assert HIDDEN in clean
    left = clean.partition(HIDDEN)
    assert len(left[0]) <= (len(before) + 2) * 8 // 6 + 1
    assert len(left[2]) <= (len(after) + 2) * 8 // 6 + 4
