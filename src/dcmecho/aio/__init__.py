"""The asyncio side: `verify`, `associate` and `serve`, as in `dcmecho`, with `await`."""

from .client import AsyncClientAssociation, associate, verify
from .server import EchoServer, serve

__all__ = ["AsyncClientAssociation", "EchoServer", "associate", "serve", "verify"]
