"""The server in a thread, for synchronous code."""

import socket
import threading
from typing import Any

import pytest

import dcmecho
import peers
from dcmecho import causes
from dcmecho.errors import EchoFailed, LocalError, UsageError, VerificationError
from dcmecho.handler import Handler, Peer
from dcmecho.pdu import A_ABORT as ABORT
from peers import RawClient


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "dcmecho-server"]


def test_a_context_on_a_free_port() -> None:
    with dcmecho.serve(bind_address="127.0.0.1") as server:
        assert server.port > 0
        assert dcmecho.verify("127.0.0.1", server.port).ok
        assert len(threads()) == 1
    assert threads() == []
    with pytest.raises(VerificationError):
        dcmecho.verify("127.0.0.1", server.port)


def test_two_side_by_side() -> None:
    with dcmecho.serve(bind_address="127.0.0.1") as one, dcmecho.serve(bind_address="127.0.0.1") as other:
        assert one.port != other.port
        for server in (one, other):
            assert dcmecho.verify("127.0.0.1", server.port).ok


def test_both_families() -> None:
    with dcmecho.serve() as server:
        for host in ("127.0.0.1", "::1"):
            assert dcmecho.verify(host, server.port).ok


def test_it_counts() -> None:
    with dcmecho.serve(bind_address="127.0.0.1", max_associations=1) as server:
        with dcmecho.associate("127.0.0.1", server.port) as association:
            association.echo()
            association.echo()
            assert server.counters.open == 1
            with pytest.raises(dcmecho.AssociationRejected):
                dcmecho.verify("127.0.0.1", server.port)
        with RawClient(server.port) as client:
            client.send(b"GET / HTTP/1.1\r\n")
            assert client.pdu()[0] == ABORT
    counters = server.counters
    assert (counters.connections, counters.accepted, counters.open) == (3, 1, 0)
    assert (counters.echoes, counters.echoes_failed) == (2, 0)
    assert counters.rejected["local-limit-exceeded"] == counters.ended["released"] == counters.dropped["not-dicom"] == 1
    assert counters.bytes_received > 2 * 80
    assert counters.bytes_sent > 2 * 90


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = dcmecho.serve(taken.getsockname()[1], bind_address="127.0.0.1")
        with pytest.raises(LocalError) as caught:
            server.start()
        assert caught.value.cause is causes.PORT_UNAVAILABLE
        server.stop()
    assert threads() == []


def test_a_port_that_cannot_be() -> None:
    with pytest.raises((UsageError, LocalError)):
        dcmecho.serve(65536, bind_address="127.0.0.1").start()
    assert threads() == []


def test_a_setting_that_cannot_be() -> None:
    with pytest.raises(UsageError):
        dcmecho.serve(ae_title="")


def test_stopping_is_idempotent() -> None:
    server = dcmecho.serve(bind_address="127.0.0.1")
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert threads() == []


def test_it_can_be_started_again() -> None:
    server = dcmecho.serve(bind_address="127.0.0.1")
    for _ in range(2):
        with server:
            assert dcmecho.verify("127.0.0.1", server.port).ok


def test_leaving_aborts_what_stands() -> None:
    with dcmecho.serve(bind_address="127.0.0.1") as server:
        raw = RawClient(server.port)
        with raw:
            raw.associate()
            server.stop()
            assert raw.rest() == peers.abortion(0)


def test_leaving_by_an_exception_ends_the_thread() -> None:
    with pytest.raises(ZeroDivisionError), dcmecho.serve(bind_address="127.0.0.1"):
        raise ZeroDivisionError
    assert threads() == []


def test_the_handler_is_called_in_the_servers_thread() -> None:
    names: list[str] = []

    class Refusing(Handler):
        def echo(self, peer: Peer, message_id: int) -> int:
            names.append(threading.current_thread().name)
            return 0x0122

    with dcmecho.serve(bind_address="127.0.0.1", handler=Refusing()) as server, pytest.raises(EchoFailed):
        dcmecho.verify("127.0.0.1", server.port)
    assert names == ["dcmecho-server"]


def test_nothing_stays_open() -> None:
    before = peers.open_descriptors()
    with dcmecho.serve(bind_address="127.0.0.1") as server:
        dcmecho.verify("127.0.0.1", server.port)
    assert peers.open_descriptors() <= before


def test_clients_in_many_threads() -> None:
    found: list[Any] = []
    with dcmecho.serve(bind_address="127.0.0.1") as server:

        def work() -> None:
            found.append(dcmecho.verify("127.0.0.1", server.port, repeat=20, check=False))

        workers = [threading.Thread(target=work) for _ in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(peers.PATIENCE * 2)
    assert len(found) == 16
    assert all(result.ok for result in found)
