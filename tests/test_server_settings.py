"""How a server may be asked to behave."""

import math
from typing import Any

import pytest

from dcmecho.acceptor import AcceptorTimeouts
from dcmecho.errors import UsageError
from dcmecho.handler import Handler
from dcmecho.server_settings import ServerSettings
from dcmecho.uids import ACCEPTABLE_TRANSFER_SYNTAXES, EXPLICIT_VR_BIG_ENDIAN


def test_defaults_are_those_of_echoscp() -> None:
    settings = ServerSettings()
    assert settings.ae_title == "ECHOSCP"
    assert settings.bind_address is None
    assert type(settings.handler) is Handler
    assert settings.timeouts == AcceptorTimeouts(30.0, 30.0, 30.0)
    assert settings.policy.max_pdu == 16382
    assert settings.policy.transfer_syntaxes == ACCEPTABLE_TRANSFER_SYNTAXES
    assert settings.policy.preferred == ()
    assert settings.policy.called_ae_titles is None
    assert settings.policy.calling_ae_titles is None
    assert settings.tls is None


def test_the_policy_is_made_of_what_was_asked() -> None:
    settings = ServerSettings(
        ae_title=" MINE ",
        require_called_ae_title=True,
        calling_ae_titles=["A", " B "],
        max_pdu=0,
        preferred_transfer_syntaxes=(EXPLICIT_VR_BIG_ENDIAN,),
        transfer_syntaxes=(EXPLICIT_VR_BIG_ENDIAN,),
    )
    assert settings.policy.called_ae_titles == frozenset(["MINE"])
    assert settings.policy.calling_ae_titles == frozenset(["A", "B"])
    assert settings.policy.max_pdu == 0
    assert settings.policy.preferred == settings.policy.transfer_syntaxes == (EXPLICIT_VR_BIG_ENDIAN,)


def test_nobody_is_not_anybody() -> None:
    assert ServerSettings(calling_ae_titles=[]).policy.calling_ae_titles == frozenset()


@pytest.mark.parametrize(
    "options",
    [
        {"ae_title": ""},
        {"ae_title": "A" * 17},
        {"calling_ae_titles": ["A\\B"]},
        {"max_pdu": 100},
        {"acse_timeout": None},
        {"acse_timeout": 0},
        {"dimse_timeout": -1},
        {"network_timeout": math.nan},
        {"max_association_pdu": 1023},
        {"max_message_length": 1023},
    ],
    ids=str,
)
def test_what_is_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ServerSettings(**options)


def test_one_string_of_calling_titles_is_a_slip() -> None:
    with pytest.raises(UsageError):
        ServerSettings(calling_ae_titles="MODALITY")


@pytest.mark.parametrize("name", ["dimse_timeout", "network_timeout"])
def test_unlimited(name: str) -> None:
    options: dict[str, Any] = {name: None}
    assert None in ServerSettings(**options).timeouts._fields()


def test_a_handler_that_is_an_empty_collection_is_still_the_handler() -> None:
    class Recorder(Handler, list[str]):
        pass

    recorder = Recorder()
    assert ServerSettings(handler=recorder).handler is recorder
