"""What OpenSSL is told to speak: TLS 1.2 or newer."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

from ftp_server.certificates import Credentials

__all__ = ["server_context"]

_ENABLE_PARTIAL_WRITE = 1  # OpenSSL's SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL does not export


def server_context(credentials: Credentials) -> SSL.Context:
    """A context with a key and its certificates, from memory.

    Raises:
        ValueError: they cannot be read, are encrypted, or do not belong together.
    """
    try:
        key = serialization.load_pem_private_key(credentials.key, password=None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the private key cannot be read: {error}") from error
    own, *others = x509.load_pem_x509_certificates(credentials.chain)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION)
    # One call writes as many records as the network takes; pyOpenSSL's default is one record, 16 KiB, a call,
    # and the calls are what a large file costs this server.
    context.clear_mode(_ENABLE_PARTIAL_WRITE)
    context.use_certificate(own)
    for certificate in others:
        context.add_extra_chain_cert(certificate)
    try:
        context.use_privatekey(key)  # type: ignore[arg-type]
        context.check_privatekey()
    except SSL.Error as error:
        raise ValueError("the private key is not that of the certificate") from error
    return context
