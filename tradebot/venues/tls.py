"""The certificates that connections to a venue trust: the system's or a configured bundle, never the environment's.

An environment variable set by a shell, a unit or another program must not suffice to read or change venue traffic.
"""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from tradebot.errors import ConfigError

# Where operating systems keep their certificates; a Python with its own OpenSSL may look elsewhere.
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@cache
def trusted_ssl_context(bundle: str = "") -> ssl.SSLContext:
    """Return an SSL context that checks certificates and host names, by the file `bundle` or the system's store.

    Raises ConfigError where there are no certificates. SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE have no effect.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # `create_default_context` reads the environment
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if bundle:
        try:
            context.load_verify_locations(cafile=bundle)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"ca_bundle {bundle}: holds no certificates that can be read: {error}") from error
        return context
    paths = ssl.get_default_verify_paths()
    files = [name for name in (paths.openssl_cafile, *SYSTEM_BUNDLES) if name and Path(name).is_file()]
    if files:
        context.load_verify_locations(cafile=files[0])
    elif paths.openssl_capath and Path(paths.openssl_capath).is_dir():
        context.load_verify_locations(capath=paths.openssl_capath)
    else:
        raise ConfigError("this system has no store of certificates: install ca-certificates, or name a ca_bundle")
    return context
