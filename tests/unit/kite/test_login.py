"""The daily login: what a user may paste, and the private file that keeps the token."""

from __future__ import annotations

import json
import os
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.kite.login import IncompletePaste, LoginError, TokenFile, login_url, parse_redirect
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST, ManualClock

REQUEST_TOKEN = "aB3dEfGh1jKlMnOpQrStUvWxYz012345"


@pytest.mark.parametrize(
    "pasted",
    [
        REQUEST_TOKEN,
        f"  {REQUEST_TOKEN}\n",
        f"https://127.0.0.1:57654/?action=login&status=success&request_token={REQUEST_TOKEN}",
        f"http://127.0.0.1/?request_token={REQUEST_TOKEN}&action=login&status=success&state=x%20y",
        f"https://example.com/callback#request_token={REQUEST_TOKEN}",
        f"?status=success&request_token={REQUEST_TOKEN}",
        f"request_token={REQUEST_TOKEN}",
        f"'https://127.0.0.1/?request_token={REQUEST_TOKEN}'",
        f"https://127.0.0.1/?status=success&request_\ntoken={REQUEST_TOKEN}",
    ],
)
def test_an_address_or_the_bare_token(pasted: str) -> None:
    assert parse_redirect(pasted).reveal() == REQUEST_TOKEN


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("", "nothing was pasted"),
        ("  \n", "nothing was pasted"),
        ("https://127.0.0.1:57654/?action=login&status=cancelled", "was not finished"),
        (f"https://127.0.0.1/?status=error&request_token={REQUEST_TOKEN}", "was not finished"),
        ("https://kite.zerodha.com/connect/login?api_key=abcdefgh&v=3", "no request_token in what was pasted"),
        ("https://127.0.0.1/?request_token=", "no request_token in what was pasted"),
        ("https://127.0.0.1/?request_token=a%00b%20c%3Cscript", "no request_token in what was pasted"),
        ("what is a token?", "no request_token in what was pasted"),
        ("http://[bad", "no request_token in what was pasted"),
    ],
)
def test_nonsense_gets_one_sentence_that_does_not_repeat_it(pasted: str, message: str) -> None:
    with pytest.raises(LoginError) as caught:
        parse_redirect(pasted)
    assert message in str(caught.value)
    assert REQUEST_TOKEN not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_token_or_a_login_error(pasted: str) -> None:
    try:
        token = parse_redirect(pasted)
    except LoginError:
        return
    assert token.reveal().replace("-", "").replace("_", "").isalnum()


ADDRESS = f"http://127.0.0.1:8080/done?status=success&request_token={REQUEST_TOKEN}&action=login"


@pytest.mark.parametrize("width", [*range(5, 60, 3), 80])
@pytest.mark.parametrize("between", ["\n", "\r\n", "\r", "\n   ", " "])
def test_an_address_may_be_wrapped_anywhere(width: int, between: str) -> None:
    wrapped = between.join(ADDRESS[start : start + width] for start in range(0, len(ADDRESS), width))
    assert parse_redirect(wrapped).reveal() == REQUEST_TOKEN


@pytest.mark.parametrize(
    "pasted",
    [
        f"http://127.0.0.1:8080/done?status=success\n&action=login\n&request_token={REQUEST_TOKEN}\n",
        f"http://127.0.0.1:8080/done?request_token={REQUEST_TOKEN}\n&status=success\n&action=login",
        f"Logged in; you are sent to\n{ADDRESS}\nthank you",
        f"http://127.0.0.1/?request_token={REQUEST_TOKEN}\nthank you",
        f"{ADDRESS}\nsee http://127.0.0.1:8765/simulator/state",
        f"https://kite.zerodha.com/connect/login?v=3&api_key=abcdefgh\n{ADDRESS}",
        f"http://127.0.0.1/?status=success&request_token={'x' * 32}&action=login\n{ADDRESS}",
        f"http://127.0.0.1/?status=success&request_token=aB3dEfG\n{ADDRESS}",
        f"http://127.0.0.1/?status=success&request_token=aB3dEfGh1jK\n{REQUEST_TOKEN}",
        f"{REQUEST_TOKEN[:9]}\n{REQUEST_TOKEN[9:]}\n",
        f"token:\n{REQUEST_TOKEN}\nbye",
        f"<{ADDRESS}>",
    ],
)
def test_the_whole_text_is_looked_through(pasted: str) -> None:
    assert parse_redirect(pasted).reveal() == REQUEST_TOKEN


def test_a_token_of_another_length_is_taken_where_something_follows_it() -> None:
    assert parse_redirect("http://127.0.0.1/?request_token=short123&status=success").reveal() == "short123"
    assert parse_redirect(f"http://127.0.0.1/?request_token={'y' * 40}").reveal() == "y" * 40


@pytest.mark.parametrize("letters", [8, 9, 20, 31])
@pytest.mark.parametrize("before", ["http://127.0.0.1:8080/done?status=success&request_token=", "request_token=", ""])
def test_a_token_that_may_be_cut_is_not_taken(letters: int, before: str) -> None:
    for pasted in (f"{before}{REQUEST_TOKEN[:letters]}", f"{before}{REQUEST_TOKEN[:4]}\n{REQUEST_TOKEN[4:letters]}\n"):
        with pytest.raises(IncompletePaste) as refused:
            parse_redirect(pasted)
        assert REQUEST_TOKEN[:8] not in str(refused.value)


def test_what_may_be_cut_says_so_and_what_is_not_finished_is_no_beginning() -> None:
    with pytest.raises(IncompletePaste, match="may be cut: it has 9 characters and nothing follows it"):
        parse_redirect(f"http://127.0.0.1:8080/done?status=success&request_token={REQUEST_TOKEN[:9]}")
    with pytest.raises(IncompletePaste, match="no request_token"):
        parse_redirect("http://127.0.0.1:8080/done?status=success")
    with pytest.raises(LoginError) as refused:
        parse_redirect("http://127.0.0.1:8080/done?status=cancelled")
    assert not isinstance(refused.value, IncompletePaste)


def test_login_address() -> None:
    assert login_url("key+1") == "https://kite.zerodha.com/connect/login?v=3&api_key=key%2B1"
    assert login_url("k", "http://127.0.0.1:1/login") == "http://127.0.0.1:1/login?v=3&api_key=k"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 25, 9, 0, tzinfo=IST))


@pytest.fixture
def tokens(tmp_path: Path, clock: ManualClock) -> TokenFile:
    return TokenFile(tmp_path / "state" / "tokens", clock)


def test_a_token_is_kept_privately_and_found_again(tokens: TokenFile, clock: ManualClock) -> None:
    assert tokens.load("Z1") is None
    tokens.save("Z1", Secret("token-1"), "AB1234", clock.now())
    path = tokens.path("Z1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    stored = tokens.load("Z1")
    assert stored is not None
    assert (stored.token.reveal(), stored.user_id, stored.saved_at) == ("token-1", "AB1234", clock.now())
    assert "token-1" not in repr(stored)
    assert tokens.load("Z2") is None
    tokens.save("Z1", Secret("token-2"), "AB1234", clock.now())
    again = tokens.load("Z1")
    assert again is not None
    assert again.token.reveal() == "token-2"
    assert [file.name for file in path.parent.iterdir()] == ["session-Z1.json"]
    tokens.delete("Z1")
    tokens.delete("Z1")
    assert tokens.load("Z1") is None


@pytest.mark.parametrize(
    ("saved", "now", "kept"),
    [
        # (login, now): the broker flushes at 06:00 IST.
        ((24, 9, 0), (24, 23, 59), True),
        ((24, 9, 0), (25, 5, 59), True),
        ((24, 9, 0), (25, 6, 0), False),
        ((25, 5, 30), (25, 5, 59), True),
        ((25, 5, 30), (25, 6, 1), False),
        ((25, 6, 0), (25, 6, 0), True),
        ((23, 9, 0), (25, 5, 0), False),
    ],
)
def test_a_token_of_before_the_last_flush_is_none(
    tokens: TokenFile, clock: ManualClock, saved: tuple[int, int, int], now: tuple[int, int, int], kept: bool
) -> None:
    tokens.save("Z1", Secret("token-1"), "U", datetime(2026, 11, *saved, tzinfo=IST))
    clock.set(datetime(2026, 11, *now, tzinfo=IST))
    assert (tokens.load("Z1") is not None) is kept


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o610])
def test_a_file_that_others_can_read_is_refused(tokens: TokenFile, clock: ManualClock, mode: int) -> None:
    tokens.save("Z1", Secret("token-1"), "U", clock.now())
    tokens.path("Z1").chmod(mode)
    with pytest.raises(LoginError) as caught:
        tokens.load("Z1")
    assert f"can be read by others (mode {mode:04o})" in str(caught.value)
    assert str(tokens.path("Z1")) in str(caught.value)
    tokens.save("Z1", Secret("token-2"), "U", clock.now())
    assert tokens.load("Z1") is not None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"access_token": ""}', '{"access_token": "x", "user_id": "U", "saved_at": "yesterday"}',
     '{"access_token": "x", "user_id": "U", "saved_at": "2026-11-25T09:00:00"}', '{"access_token": 5}',
     '{"access_token": "x", "user_id": "U", "saved_at": "9999-12-31T23:59:59-12:00"}',
     '{"access_token": "x", "user_id": "U", "saved_at": "9999-12-31T07:00:00+05:30"}',
     '{"access_token": "\\ud800", "user_id": "U", "saved_at": "2026-11-25T09:00:00+05:30"}',
     '{"access_token": "x", "user_id": "\\u001b", "saved_at": "2026-11-25T09:00:00+05:30"}',
     pytest.param("[" * 100_000, id="nested too deeply")],
)  # fmt: skip
def test_a_damaged_file_is_named_with_the_way_out(tokens: TokenFile, clock: ManualClock, content: str) -> None:
    tokens.save("Z1", Secret("token-1"), "U", clock.now())
    tokens.path("Z1").write_text(content)
    with pytest.raises(LoginError, match="`tickertui login Z1` writes it anew"):
        tokens.load("Z1")


def test_a_pipe_in_the_files_place_is_not_waited_for(tokens: TokenFile) -> None:
    tokens.path("Z1").parent.mkdir(parents=True)
    os.mkfifo(tokens.path("Z1"), 0o600)
    with pytest.raises(LoginError, match="is not a file"):
        tokens.load("Z1")


def test_the_stamp_changes_with_whatever_makes_another_answer(tokens: TokenFile, clock: ManualClock) -> None:
    path = tokens.path("Z1")
    assert tokens.stamp("Z1") is None, "there is not even a directory"
    tokens.save("Z1", Secret("token-1"), "U", clock.now())
    stamps = [tokens.stamp("Z1")]
    assert tokens.stamp("Z1") == stamps[0]
    kept = path.stat()
    tokens.save("Z1", Secret("token-2"), "U", clock.now())
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # a disk with coarse times, a file of the same length
    stamps.append(tokens.stamp("Z1"))
    path.chmod(0o644)
    stamps.append(tokens.stamp("Z1"))
    path.unlink()
    stamps.append(tokens.stamp("Z1"))
    path.parent.rmdir()
    path.parent.write_text("")
    stamps.append(tokens.stamp("Z1"))
    assert len(set(stamps)) == len(stamps)
    assert stamps[3] is None
    assert stamps[4] is not None, "a place that cannot be asked is not the same as no token"


def test_a_directory_open_to_others_is_closed(tmp_path: Path, clock: ManualClock) -> None:
    tmp_path.chmod(0o755)
    TokenFile(tmp_path, clock).save("Z1", Secret("t"), "U", clock.now())
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_an_account_name_is_no_way_out_of_the_directory(tokens: TokenFile, clock: ManualClock) -> None:
    tokens.save("../../evil", Secret("t"), "U", clock.now())
    assert tokens.path("../../evil").parent == tokens.path("Z1").parent
    assert tokens.load("../../evil") is not None


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, clock: ManualClock) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    with pytest.raises(LoginError, match="cannot be kept in"):
        TokenFile(obstacle / "tokens", clock).save("Z1", Secret("t"), "U", clock.now())


def test_times_are_kept_with_their_zone(tokens: TokenFile, clock: ManualClock) -> None:
    at = clock.now() - timedelta(hours=1)
    tokens.save("Z1", Secret("t"), "U", at)
    assert json.loads(tokens.path("Z1").read_text())["saved_at"] == "2026-11-25T08:00:00+05:30"
    assert os.listdir(tokens.path("Z1").parent) == ["session-Z1.json"]
