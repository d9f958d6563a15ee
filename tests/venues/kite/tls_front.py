"""TLS in front of an exchange on loopback, so that a run meets it under https and wss as it meets the real venue."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple


class Front(NamedTuple):
    """Where the exchange is met, and the certificate to trust."""

    rest: str
    ticker: str
    bundle: Path


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a certificate for localhost that signs itself, and its key."""
    pem, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True,
    )  # fmt: skip
    return pem, key


@asynccontextmanager
async def tls_front(address: str, folder: Path) -> AsyncIterator[Front]:
    """Pass every connection on to `address` (http://host:port)."""
    pem, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    host, _, port = address.partition("://")[2].partition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(host, int(port))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, ahead))
            tasks.create_task(_copy(behind, writer))

    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    try:
        ours = server.sockets[0].getsockname()[1]
        yield Front(f"https://localhost:{ours}", f"wss://localhost:{ours}", pem)
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
