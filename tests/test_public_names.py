"""The public names, and what loading them costs."""

import subprocess
import sys

import pytest

import dcmecho
import dcmecho.aio

NAMES = {
    "__version__", "associate", "serve", "verify", "ClientAssociation", "ServerSettings", "ThreadedEchoServer",
    "TLSConfiguration", "VerificationSettings", "ConnectAttempt", "ContextResult", "EchoResult", "EchoStatistics",
    "Negotiated", "VerificationResult", "EchoStatus", "Handler", "Peer", "CAUSES", "Cause", "AssociationAborted",
    "AssociationRejected", "ConnectError", "ConnectionLost", "EchoFailed", "Error", "LocalError",
    "LocalProtocolError", "NoAcceptableContext", "PeerProtocolError", "RemoteProtocolError", "ResolveError",
    "TLSError", "UsageError", "VerificationError", "VerificationTimeout", "Association", "Observer",
}  # fmt: skip

DEAR = ("asyncio", "ssl", "logging", "dataclasses", "typing", "argparse", "json", "re", "enum", "collections")
"""Modules that cost a plain run more than they give. Some come with `socket` itself: those do not count."""


def test_the_list() -> None:
    assert set(dcmecho.__all__) == NAMES
    assert len(dcmecho.__all__) == len(NAMES)
    assert dir(dcmecho) == sorted(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_loads(name: str) -> None:
    assert getattr(dcmecho, name) is not None


def test_every_home_is_public() -> None:
    homed = [name for names in dcmecho._HOMES.values() for name in names]
    assert sorted([*homed, "__version__"]) == sorted(NAMES)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(dcmecho, "no_such_name")  # noqa: B009 - for the type checker


def test_the_asyncio_twins() -> None:
    assert set(dcmecho.aio.__all__) == {"AsyncClientAssociation", "EchoServer", "associate", "serve", "verify"}
    for name in dcmecho.aio.__all__:
        assert getattr(dcmecho.aio, name) is not None


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after some code."""
    program = f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    added = loaded_by("import dcmecho") - loaded_by("")
    assert added == {"dcmecho"}


def test_a_plain_run_loads_none_of_the_dear_modules() -> None:
    """Even one that fails: a refused connection, with all of the way there."""
    run = (
        "import dcmecho, socket\n"
        "listener = socket.create_server(('127.0.0.1', 0)); port = listener.getsockname()[1]; listener.close()\n"
        "result = dcmecho.verify('127.0.0.1', port, check=False)\n"
        "assert result.failure.cause.name == 'connection-refused', result.failure\n"
        "result.to_dict()"
    )
    added = loaded_by(run) - loaded_by("import socket")
    assert "dcmecho.client" in added
    assert not added & set(DEAR)
    assert not {name for name in added if name.startswith(("dcmecho.tls", "dcmecho.aio"))}


def test_a_run_to_the_end_loads_none_of_them_either() -> None:
    with dcmecho.serve(bind_address="127.0.0.1") as server:
        run = f"import dcmecho\nassert dcmecho.verify('127.0.0.1', {server.port}).ok"
        added = loaded_by(run) - loaded_by("import socket")
    assert not added & set(DEAR)


@pytest.mark.parametrize("name", ["aio", "causes", "errors", "tls"])
def test_modules_that_the_documentation_speaks_of_are_there_after_import(name: str) -> None:
    code = f"import dcmecho; print(dcmecho.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"dcmecho.{name}\n"
