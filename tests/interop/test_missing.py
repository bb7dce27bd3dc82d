"""A peer that is not installed is a visible skip, and a failure where all are expected to be there."""

import pytest

from .conftest import missing, need


def test_a_missing_peer_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="storescp is not installed"):
        missing("storescp")


def test_a_missing_peer_fails_where_all_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        need("no-such-program")
