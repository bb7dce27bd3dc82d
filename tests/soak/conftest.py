"""The marker of the short soak tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: the soak tests in their short form, half a minute")
