"""What tests in more than one directory share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tls.factory import Factory


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Keys and authorities, made once."""
    from tls.factory import Factory

    return Factory(tmp_path_factory.mktemp("pki"))
