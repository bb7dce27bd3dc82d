"""What a verification may be asked to do."""

import math
from typing import Any

import pytest

from dcmecho.errors import UsageError
from dcmecho.requestor import associate_request
from dcmecho.settings import LONGEST_TIMEOUT, VerificationSettings, check_ae_title
from dcmecho.uids import PROPOSABLE_TRANSFER_SYNTAXES

TIMEOUTS = ("connect_timeout", "socket_timeout", "acse_timeout", "dimse_timeout", "deadline")


def test_defaults_are_those_of_echoscu() -> None:
    settings = VerificationSettings()
    assert (settings.called_ae_title, settings.calling_ae_title) == ("ANY-SCP", "ECHOSCU")
    assert settings.transfer_syntaxes == ("1.2.840.10008.1.2",)
    assert settings.presentation_contexts == 1
    assert settings.max_pdu == 16384
    assert [getattr(settings, name) for name in TIMEOUTS] == [None, 60.0, 30.0, None, None]
    assert settings.ip_version is None
    assert settings.tls is None
    assert settings.observer is None


class TestAETitle:
    @pytest.mark.parametrize(
        ("title", "found"), [("A", "A"), ("A" * 16, "A" * 16), ("  My PACS  ", "My PACS"), ("a'b\"c~", "a'b\"c~")]
    )
    def test_good(self, title: str, found: str) -> None:
        assert check_ae_title(title) == found

    @pytest.mark.parametrize(
        "title", ["", "   ", "A" * 17, "A\\B", "A\nB", "A\x1b[2J", "A\x7f", "\u00c4", "\u202e", "\n"]
    )
    def test_bad(self, title: str) -> None:
        with pytest.raises(UsageError, match="called AE title") as caught:
            VerificationSettings(called_ae_title=title)
        assert str(caught.value).isprintable()
        with pytest.raises(UsageError, match="calling AE title"):
            VerificationSettings(calling_ae_title=title)


@pytest.mark.parametrize("name", TIMEOUTS)
class TestTimeouts:
    @pytest.mark.parametrize("value", [None, 0.001, 1, 3600.5, LONGEST_TIMEOUT])
    def test_good(self, name: str, value: float | None) -> None:
        options: dict[str, Any] = {name: value}
        assert getattr(VerificationSettings(**options), name) == value

    @pytest.mark.parametrize("value", [0, -1, -0.0, math.nan, math.inf, -math.inf, LONGEST_TIMEOUT + 1])
    def test_bad(self, name: str, value: float) -> None:
        options: dict[str, Any] = {name: value}
        with pytest.raises(UsageError, match=name):
            VerificationSettings(**options)


@pytest.mark.parametrize("value", [0, 4096, 131072])
def test_max_pdu(value: int) -> None:
    assert VerificationSettings(max_pdu=value).max_pdu == value


@pytest.mark.parametrize("value", [-1, 1, 4095, 131073])
def test_max_pdu_out_of_range(value: int) -> None:
    with pytest.raises(UsageError, match="max_pdu"):
        VerificationSettings(max_pdu=value)


@pytest.mark.parametrize("value", [-1, 0, 129])
def test_presentation_contexts_out_of_range(value: int) -> None:
    with pytest.raises(UsageError, match="presentation_contexts"):
        VerificationSettings(presentation_contexts=value)


@pytest.mark.parametrize("value", [0, 5, "4"])
def test_ip_version(value: Any) -> None:
    with pytest.raises(UsageError, match="ip_version"):
        VerificationSettings(ip_version=value)


class TestTransferSyntaxes:
    def test_all_that_can_be_proposed(self) -> None:
        settings = VerificationSettings(transfer_syntaxes=PROPOSABLE_TRANSFER_SYNTAXES, presentation_contexts=128)
        assert associate_request(settings).encode()

    @pytest.mark.parametrize("value", [(), ("",), ("1." + "2" * 63,), ("1.2\u0664",)])
    def test_bad(self, value: tuple[str, ...]) -> None:
        with pytest.raises(UsageError, match="transfer_syntaxes"):
            VerificationSettings(transfer_syntaxes=value)

    def test_one_string_is_a_slip(self) -> None:
        """A string is a sequence of strings of one character: each would be proposed as a UID."""
        with pytest.raises(UsageError):
            VerificationSettings(transfer_syntaxes="1.2.840.10008.1.2")  # type: ignore[arg-type] # the slip

    @pytest.mark.parametrize("uid", ["implicit", "1.2 ", "1.2\n", "1.2\x1b"])
    def test_what_is_no_uid(self, uid: str) -> None:
        with pytest.raises(UsageError):
            VerificationSettings(transfer_syntaxes=(uid,))

    def test_more_than_a_presentation_context_holds(self) -> None:
        """Its item has a length of 16 bits (PS3.8 9.3.2.2)."""
        uids = tuple([f"1.2.{'9' * 55}.{number}" for number in range(1100)])
        with pytest.raises(UsageError):
            VerificationSettings(transfer_syntaxes=uids)
