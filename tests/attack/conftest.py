"""The marker of the tests that take something from the machine."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "faults: takes descriptors, disk space or network packets away; needs root on Linux, else skipped"
    )
