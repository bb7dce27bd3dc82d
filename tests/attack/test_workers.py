"""The catalogue against several processes that serve: each of them withstands its part, and none is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peers import eventually
from programs import free_port
from tls.loopback import open_context, server_words

from . import catalogue
from .assault import assail, assail_inside, drown
from .catalogue import CLOSE, CONNECTED, FLOODS, RESET, Attack
from .metrics import labelled, scrape
from .tls_catalogue import HANDSHAKES_MAY_TAKE, hello, records
from .victim import ANSWERS_WITHIN, HAS_PROC, SMALL_LIMITS, Victim

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tls.factory import Factory

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")

WORKERS = 2
ONE_OF_MANY = 24
"""Connections that the system will not all give to the same one of two workers (1 in 8 million)."""


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, metrics_port: int) -> Iterator[Victim]:
    options = ("-v", "--workers", WORKERS, "--metrics-port", metrics_port, *SMALL_LIMITS)
    with Victim(tmp_path_factory.mktemp("workers"), *options) as server:
        server.warm_up()
        assert len(server.workers()) == WORKERS
        yield server


@pytest.fixture(scope="module")
def context(pki: Factory) -> ssl.SSLContext:
    """A client that the server with TLS trusts."""
    trusted = open_context()
    trusted.load_cert_chain(pki.client.pem, pki.client.key_pem)
    return trusted


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, pki: Factory, context: ssl.SSLContext) -> Iterator[Victim]:
    options = ("-v", "--workers", WORKERS, *server_words(pki), *SMALL_LIMITS)
    with Victim(tmp_path_factory.mktemp("secured"), *options) as server:
        server.client_context = context
        server.warm_up()
        yield server


def parts_of(server: Victim) -> list[set[int]]:
    """The connections that each worker has."""
    return [each.ports_of_peers() for each in server.workers()]


@pytest.mark.parametrize("server", ["victim", "secured"])
def test_each_of_them_has_its_part_of_what_comes(request: pytest.FixtureRequest, server: str) -> None:
    # What the other tests here say of each worker says nothing of one to which nobody comes.
    several: Victim = request.getfixturevalue(server)
    connections = [several.connect().connection for _ in range(ONE_OF_MANY)]
    try:
        ports = {each.getsockname()[1] for each in connections}
        assert eventually(lambda: set.union(*parts_of(several)) == ports)
        assert all(parts_of(several))
    finally:
        for each in connections:
            each.close()
    several.assert_well()


BATCHES: dict[str, Callable[[], list[Attack]]] = {
    "bytes": lambda: catalogue.lying_lengths()[::2] + catalogue.truncations()[::3],
    "contents": lambda: catalogue.associations() + catalogue.messages(),
    "ends and texts": lambda: catalogue.endings() + catalogue.injections(),
}
"""Every kind of the catalogue; each attack of it is played to one process elsewhere."""


@pytest.mark.parametrize("batch", BATCHES)
def test_after_hostile_input_they_serve_as_before(victim: Victim, batch: str) -> None:
    attacks = BATCHES[batch]()
    assert len(attacks) > 100
    assail(victim, attacks)


def test_all_floods_at_one_time_drown_nobody(victim: Victim) -> None:
    drown(victim, *FLOODS)


def test_a_thousand_connections_that_come_and_go(victim: Victim) -> None:
    assail(victim, [Attack("nothing", b"", CONNECTED, ending) for ending in (CLOSE, RESET) for _ in range(500)])


def test_the_numbers_of_all_of_them_add_up(victim: Victim, metrics_port: int) -> None:
    # The last test of the server without TLS: every connection of it has ended somehow, and none is counted twice.
    victim.assert_well()
    samples = scrape(metrics_port)
    assert samples["workers"] == WORKERS
    assert samples["worker_restarts_total"] == samples["associations_open"] == 0
    ended = labelled(samples, "associations_ended_total")
    rejected = labelled(samples, "associations_rejected_total")
    dropped = labelled(samples, "connections_dropped_total")
    assert all((ended, rejected, dropped))
    assert sum(ended.values()) == samples["associations_accepted_total"]
    assert samples["connections_total"] == sum([*ended.values(), *rejected.values(), *dropped.values()])
    assert b"Worker " not in victim.log()
    assert victim.stop(ANSWERS_WITHIN) == 0


def test_after_hostile_records_they_serve_as_before(secured: Victim, context: ssl.SSLContext) -> None:
    assail(secured, records(hello(context))[::2], HANDSHAKES_MAY_TAKE)


def test_what_is_hostile_inside_tls_is_no_better(secured: Victim, context: ssl.SSLContext) -> None:
    assail_inside(secured, context, [*catalogue.associations(), *catalogue.messages(), *catalogue.injections()][::3])


def test_they_stop_in_order_after_all_that(secured: Victim) -> None:
    # Nobody is there who would get the grace: whoever is not killed stops at once.
    secured.assert_well()
    assert b"Worker " not in secured.log()
    assert secured.stop(ANSWERS_WITHIN) == 0
