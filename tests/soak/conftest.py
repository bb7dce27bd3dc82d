"""The marker of the short soak test."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: the soak test in its short form, a quarter of a minute")
