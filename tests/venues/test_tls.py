"""A venue's TLS over a real socket: an authority that only the environment names is not believed, a bundle is."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tradebot.clock import WallClock
from tradebot.errors import ConfigError, LinkLost
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.rest import RestLink
from tradebot.venues.kite.venue import KiteReadOnlyVenue
from tradebot.venues.tls import trusted_ssl_context

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
KEYS = Credentials(api_key="a", access_token="b")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True,
    )  # fmt: skip
    return pem, key


@asynccontextmanager
async def served(certificate: tuple[Path, Path]) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline():
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "localhost", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def asked(port: int, bundle: str = "") -> int:
    link = RestLink(f"https://localhost:{port}", credentials=KEYS, ca_bundle=bundle)
    try:
        return (await link.send_request("GET", "/", total_s=5, max_bytes=100))[0]
    finally:
        await link.close()


async def test_only_the_configuration_names_whom_to_trust(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted_ssl_context.cache_clear()
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    monkeypatch.setenv("SSL_CERT_DIR", str(certificate[0].parent))
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    async with served(certificate) as port:
        with pytest.raises(LinkLost, match="certificate"):
            await asked(port)
        assert await asked(port, str(certificate[0])) == 200
    assert not log.exists()


async def test_the_stream_believes_no_other_authority_either(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted_ssl_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    data = KiteReadOnlyVenue(rest="https://localhost:1", ticker="wss://localhost:1", credentials=KEYS,
                    clock=WallClock(), ca_bundle=str(certificate[0]))  # fmt: skip
    assert data._ca_bundle
    assert trusted_ssl_context().get_ca_certs() or trusted_ssl_context().cert_store_stats()
    names = {str(one.get("subject")) for one in trusted_ssl_context().get_ca_certs()}
    assert not any("localhost" in name for name in names)
    await data.broker.close()


def test_a_bundle_without_certificates_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigError, match=r"empty\.pem"):
        trusted_ssl_context(str(tmp_path / "empty.pem"))
