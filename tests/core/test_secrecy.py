"""Lines that carry a secret: what is kept and shown of them holds none."""

import pytest

from bot.acting import audited
from bot.secrecy.codes import code_in
from bot.secrecy.lines import SEALED, carries_secret, conceal, masked, reveal
from engine.errors import Broken
from storage.vault import Vault, new_key

TOKEN = "ghp_abcdefghijklmnopqrstuvwx"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
VAULT = Vault([new_key()])


@pytest.mark.parametrize(
    ("line", "head", "secret"),
    [
        (f"account bind github {TOKEN}", "account bind github", TOKEN),
        (f"/account bind gitlab as team at https://git.example.com {TOKEN}", "", TOKEN),
        (f"sluice account bind github app 12 installation 7\n{PEM}", "", PEM),
        ("ACCOUNT BIND gitee 0123456789abcdef", "ACCOUNT BIND gitee", "0123456789abcdef"),
        (f"*account bind github {TOKEN}*", "account bind github", TOKEN),
        ("```\nsecret set shop token two words\n```", "secret set shop token", "two words"),
        ("_/secret set \u201cshop\u201d \u2018token\u2019 \u201chunter2\u201d_", "/secret set", "\u201chunter2\u201d"),
        ("/sluice `secret set shop token hunter2`", "/sluice secret set", "hunter2"),
        ("*secret set shop token hunter2", "*secret set shop token", "hunter2"),
        ("\u201csecret set shop token hunter2\u201d", "\u201csecret set shop token", "hunter2\u201d"),
        (
            "account bind devcloud\nID SECRET tenant/ann password",
            "account bind devcloud",
            "ID SECRET tenant/ann password",
        ),
    ],
)
def test_a_secret_is_sealed_and_opened_again_with_whether_others_read_it(line: str, head: str, secret: str) -> None:
    kept = conceal(VAULT, line, alone=True)
    assert secret not in kept
    assert kept.startswith(head)
    said = reveal(VAULT, kept.split()[-1])
    assert (said.secret, said.alone) == (secret, True)
    assert conceal(VAULT, kept, alone=False) == kept
    assert carries_secret(line)
    assert carries_secret(kept)
    for shown in (masked(line), masked(kept), audited(line), audited(kept), repr(said)):
        assert secret not in shown
        assert SEALED not in shown


@pytest.mark.parametrize(
    "line", ["account bind github", "account bind github as me at https://x.example", "list", "run shop"]
)
def test_a_line_without_a_secret_stays_as_it_is(line: str) -> None:
    assert conceal(VAULT, line, alone=True) == masked(line) == line
    assert not carries_secret(line)


QUOTED = (
    "\u201c{}\u201d",
    "\u2018{}\u2019",
    "'{}'",
    '"{}"',
    "`{}`",
    "*{}*",
    "_{}_",
    "\u00ab{}\u00bb",
    "({})",
    "||{}||",
    "{},",
)


@pytest.mark.parametrize("around", QUOTED)
@pytest.mark.parametrize("line", ["secret set hello pw", "/secret set hello pw", "sluice account bind github"])
def test_no_mark_round_any_of_its_words_shows_a_secret_or_lets_it_be_kept(line: str, around: str) -> None:
    words = line.split()
    typed = [" ".join([*words[:at], around.format(word), *words[at + 1 :]]) for at, word in enumerate(words)]
    for said in (*typed, around.format(line), " ".join(map(around.format, words))):
        for given in (f"{said} hunter2", f"> {said} hunter2", f"{said}\nhunter2"):
            kept = conceal(VAULT, given, alone=True)
            assert "hunter2" not in kept
            assert "hunter2" in reveal(VAULT, kept.split()[-1]).secret
            assert carries_secret(given)
            for shown in (masked(given), masked(kept), audited(given), audited(kept)):
                assert "hunter2" not in shown
                assert SEALED not in shown


@pytest.mark.parametrize(
    "line",
    [
        "secret@sluice_bot set hello pw hunter2",
        "@sluice secret set hello pw hunter2",
        "> /sluice account bind github hunter2",
        "\u00absecret set hello pw hunter2\u00bb",
        "secret\nset hello pw hunter2",
        "secret s\\et hello pw hunter2",
        'secret s"e"t hello pw hunter2',
        'secret "set hello pw hunter2"',
        "```sh\nsecret set hello pw hunter2\n```",
    ],
)
def test_a_secret_is_hidden_also_in_a_line_that_is_no_command(line: str) -> None:
    assert carries_secret(line)
    for shown in (masked(line), audited(line), conceal(VAULT, line, alone=True)):
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    "line", ["secret list hello", "the secret set of hello", "account unbind github", "secretset a b"]
)
def test_what_only_looks_like_it_stays(line: str) -> None:
    assert conceal(VAULT, line, alone=True) == masked(line) == line
    assert not carries_secret(line)


@pytest.mark.parametrize(
    "secret", [TOKEN, PEM, "glpat-0123456789abcdefghij", "github_pat_0123456789abcdefghij", PEM[:50]]
)
def test_a_token_where_none_belongs_is_cut_out_for_good(secret: str) -> None:
    kept = conceal(VAULT, f"acount bind github {secret} now", alone=True)
    assert secret not in kept
    assert kept == masked(kept)


def test_what_was_sealed_by_nobody_is_not_opened() -> None:
    with pytest.raises(Broken):
        reveal(VAULT, f"{SEALED}gAAAAABforged")
    sealed = conceal(Vault([new_key()]), f"account bind github {TOKEN}", alone=True).split()[-1]
    with pytest.raises(Broken):
        reveal(VAULT, sealed)


@pytest.mark.parametrize(
    "line",
    [
        "link AVSC-WBEL",
        "/link avsc wbel",
        "sluice link avscwbel",
        "AVSC-WBEL",
        "avsc-wbel",
        "AVSC WBEL",
        " AVSCWBEL ",
        "avsc2wbe",
        "AVSC\u2013WBEL",
        "*AVSC-WBEL*",
        "`link AVSC-WBEL`",
        "```\nlink AVSC-WBEL\n```",
        "link `AVSC-WBEL`",
        "link\nAVSC-WBEL",
        "link \u201cavsc wbel\u201d",
        "\u201cAVSC-WBEL\u201d",
        "\u2018avsc-wbel\u2019",
        "'AVSC WBEL'",
        "*link AVSC-WBEL",
        "\u201clink\u201d AVSC-WBEL",
        "sluice *link* AVSC-WBEL",
        "> link AVSC-WBEL",
        "\u00ablink AVSC-WBEL\u00bb",
        "/link@sluice_bot AVSC-WBEL",
        "> AVSC-WBEL",
    ],
)
def test_a_code_is_found_however_it_is_typed_and_never_written_down(line: str) -> None:
    plain = "".join(sign for sign in code_in(line).upper() if sign.isalnum())
    assert plain in ("AVSCWBEL", "AVSC2WBE")
    assert audited(line).removesuffix("(a code)").strip().lower() in ("", "link", "/link", "sluice link")


@pytest.mark.parametrize(
    "line",
    ["payments", "branches", "what them", "help runs", "run shop-test", "approve hello-12", "link", "test2-prod"],
)
def test_ordinary_words_are_no_code_and_stay_in_the_audit(line: str) -> None:
    assert code_in(line) == ""
    assert audited(line) == line


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:hunter2@git.example.com/x.git", "https://me:•••@git.example.com/x.git"),
        ("HTTPS://:hunter2@git.example.com", "HTTPS://:•••@git.example.com"),
        ("https://hunter2@git.example.com/x.git", "https://•••@git.example.com/x.git"),
        ("git+https://hunter2@git.example.com/x.git", "git+https://•••@git.example.com/x.git"),
        ("postgresql+psycopg://me:p@hunter2/tail@db/x", "postgresql+psycopg://me:•••@db/x"),
        ("ssh://git:hunter2@git.example.com", "ssh://git:•••@git.example.com"),
        ("https://me:123456@git.example.com", "https://me:•••@git.example.com"),
    ],
)
def test_a_password_in_an_address_is_shown_nowhere(address: str, shown: str) -> None:
    for said in (f"run cred url={address}", f"no such thing ({address})", f"account bind github at {address} {TOKEN}"):
        assert masked(said) == said.replace(address, shown).replace(TOKEN, "(a secret)")
        assert masked(masked(said)) == masked(said)


@pytest.mark.parametrize(
    "address",
    [
        "ssh://git@git.example.com/x.git",
        "git@git.example.com:x.git",
        "https://git.example.com/@ann/x",
        "http://127.0.0.1:8080/?mail=ann@example.com",
        "oci://registry:5000/shop@sha256:0123",
        "https://git.example.com ann@example.com",
        "docker://img:v1.2@sha256:0123",
        "https://[::1]:8080/x@y",
    ],
)
def test_an_address_without_a_password_is_shown_as_it_is(address: str) -> None:
    assert masked(f"run cred url={address}") == f"run cred url={address}"
