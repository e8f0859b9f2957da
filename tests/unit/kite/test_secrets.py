"""`Secret` shows itself nowhere, `redact` masks what others wrote."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from dataclasses import dataclass

import pytest

from tickertui.kite.secrets import MASK, Secret, redact

VALUE = "hunter2-hunter2"


@dataclass(frozen=True)
class Holder:
    secret: Secret


def test_no_text_form_shows_the_value() -> None:
    secret = Secret(VALUE)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        repr(Holder(secret)),
    ]
    assert not [text for text in shown if "hunter" in text]
    assert MASK in str(secret)
    record = logging.LogRecord("x", logging.INFO, "f", 1, "token %s", (secret,), None)
    assert record.getMessage() == f"token {MASK}"
    assert secret.reveal() == VALUE


def test_it_does_not_leave_by_another_door() -> None:
    secret = Secret(VALUE)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)
    assert copy.deepcopy(secret) is copy.copy(secret) is secret


def test_it_compares_and_hashes_by_value() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret(VALUE[1:])
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1
    assert not Secret("")
    assert Secret("x")


def test_redact() -> None:
    token = Secret("a/b+c=d")
    text = "wss://x?access_token=a%2Fb%2Bc%3Dd or a/b+c=d or a/b%2Bc%3Dd and key0123"
    assert redact(text, token, "key0123", None, "") == f"wss://x?access_token={MASK} or {MASK} or {MASK} and {MASK}"
    assert redact("the cat", "cat") == "the cat"
