"""Two sides of TLS that talk through memory."""

from __future__ import annotations

import ssl

from dcmecho.tls import TLSConfiguration, client_context, server_context

from .factory import Factory


class Side:
    """One side: `problem` is what its handshake raised, None once it `done`."""

    def __init__(self, context: ssl.SSLContext, *, server: bool, name: str | None = None) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.connection = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=name)
        self.problem: OSError | None = None
        self.done = False
        self.first_bytes = b""

    def receive(self, data: bytes) -> None:
        self.first_bytes = self.first_bytes or data
        self.incoming.write(data)

    def step(self) -> None:
        if self.done or self.problem:
            return
        try:
            self.connection.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        except OSError as problem:
            self.problem = problem


class Pair:
    """A client and a server, their handshake done as far as it goes."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, name: str | None = None) -> None:
        self.client = Side(client, server=False, name=name)
        self.server = Side(server, server=True)
        for _ in range(10):
            self.client.step()
            self.flow()
            self.server.step()
            self.flow()

    def flow(self) -> None:
        self.server.receive(self.client.outgoing.read())
        self.client.receive(self.server.outgoing.read())

    @property
    def stands(self) -> bool:
        return self.client.done and self.server.done

    def client_reads(self) -> OSError | None:
        """Let the client read, as after its handshake; return what that raised."""
        try:
            self.client.connection.read(1)
        except ssl.SSLWantReadError:
            return None
        except OSError as problem:
            return problem
        return None


def client_configuration(pki: Factory, **changes: object) -> TLSConfiguration:
    """Return settings of a client that trusts the root and has a certificate of its."""
    settings: dict[str, object] = {
        "key_file": pki.client.key_pem,
        "certificate_file": pki.client.pem,
        "ca_files": [(pki.root.pem, "pem")],
    }
    settings.update(changes)
    return TLSConfiguration(**settings)  # type: ignore[arg-type]  # the tests change any of them


def server_configuration(pki: Factory, **changes: object) -> TLSConfiguration:
    """Return settings of a server that trusts the root and has a certificate of its."""
    settings: dict[str, object] = {
        "key_file": pki.server.key_pem,
        "certificate_file": pki.server.pem,
        "ca_files": [(pki.root.pem, "pem")],
    }
    settings.update(changes)
    return TLSConfiguration(**settings)  # type: ignore[arg-type]  # the tests change any of them


def connect(client: TLSConfiguration, server: TLSConfiguration) -> Pair:
    """Let a client and a server with these settings meet."""
    return Pair(client_context(client), server_context(server), client.wire_server_name)
