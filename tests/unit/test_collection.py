"""The suite is the same in every process that collects it: xdist refuses one that differs between its workers."""

from __future__ import annotations

import gzip

import pytest


@pytest.mark.parametrize("content", [gzip.compress(b"holds the second of its making"), b"\x00"])
def test_no_test_is_named_by_bytes(request: pytest.FixtureRequest, content: bytes) -> None:
    named_by_bytes = [
        item.nodeid
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        for value in item.callspec.params.values()
        if isinstance(value, bytes) and value and repr(value)[2:-1] in item.name
    ]
    assert named_by_bytes == []
