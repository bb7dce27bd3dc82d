"""What a server tells its user of a peer."""

from dcmecho.dimse import SUCCESS
from dcmecho.handler import EchoStatus, Handler, Peer
from dcmecho.items import ImplementationClassUID, ImplementationVersionName
from dcmecho.pdu import AssociateRJ, AssociateRQ


def test_a_peer_before_its_request() -> None:
    peer = Peer("192.0.2.1", 4711)
    assert (peer.calling_ae_title, peer.called_ae_title) == ("", "")
    assert (peer.implementation_class_uid, peer.implementation_version_name) == ("", "")


def test_a_peer_after_its_request() -> None:
    items = (ImplementationClassUID("1.2.3"), ImplementationVersionName("V1"))
    peer = Peer("192.0.2.1", 4711, AssociateRQ("  CALLED ", "CALLING  ", (), items))
    assert (peer.calling_ae_title, peer.called_ae_title) == ("CALLING", "CALLED")
    assert (peer.implementation_class_uid, peer.implementation_version_name) == ("1.2.3", "V1")


def test_a_peer_that_says_nothing_of_itself() -> None:
    peer = Peer("192.0.2.1", 4711, AssociateRQ("A", "B", (), ()))
    assert (peer.implementation_class_uid, peer.implementation_version_name) == ("", "")


def test_a_handler_answers_success_and_takes_all_the_rest() -> None:
    handler, peer = Handler(), Peer("192.0.2.1", 4711)
    assert handler.echo(peer, 1) == SUCCESS
    handler.connected(peer)
    handler.accepted(peer)
    handler.rejected(peer, AssociateRJ(1, 1, 1))
    handler.echoed(peer, 1, SUCCESS)
    handler.released(peer)
    handler.aborted(peer, "aborted-by-peer", "")
    handler.dropped(peer, "not-dicom", "")


def test_a_status_is_success_without_detail_by_default() -> None:
    assert EchoStatus() == EchoStatus(SUCCESS, error_comment="", error_id=None, offending_elements=())
