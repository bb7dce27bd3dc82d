"""What the tests of TLS share."""

import pytest

from .factory import Factory


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Keys and authorities, made once."""
    return Factory(tmp_path_factory.mktemp("pki"))
