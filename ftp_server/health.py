"""Whether a server answers as it should: connection, greeting, TLS, certificate."""

from __future__ import annotations

import socket
import ssl

from protocol.errors import TransientTransferError, UntrustedServerError

__all__ = ["check"]

_MAX_REPLY = 1024


def check(connect_to: tuple[str, int], name: str, authority: str, *, timeout_s: float) -> str:
    """Greet the server at `connect_to`, start TLS, and believe only `authority` and a certificate for `name`.

    Returns:
        The TLS version that was agreed on.

    Raises:
        TransientTransferError: no connection, or another answer than that of a server that is well.
        UntrustedServerError: the certificate is not to be believed.
    """
    where = f"{connect_to[0]}:{connect_to[1]}"
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with socket.create_connection(connect_to, timeout=timeout_s) as plain:
            _expect(plain, "220", where)
            plain.sendall(b"AUTH TLS\r\n")
            _expect(plain, "234", where)
            with context.wrap_socket(plain, server_hostname=name) as secure:
                secure.sendall(b"NOOP\r\n")
                _expect(secure, "200", where)
                secure.sendall(b"QUIT\r\n")
                return secure.version() or ""
    except ssl.SSLCertVerificationError as error:
        raise UntrustedServerError(
            f"{where}: its certificate is not to be trusted: {error.verify_message}",
            advice="Check that this is the server of that folder, and that it was not set up anew.",
        ) from error
    except OSError as error:
        raise TransientTransferError(
            f"{where}: {error.strerror or error}", advice="Check that the server runs and listens there."
        ) from error


def _expect(connection: socket.socket, code: str, where: str) -> None:
    reply = connection.recv(_MAX_REPLY).decode("utf-8", "replace").strip()
    if not reply.startswith(code):
        raise TransientTransferError(
            f"{where}: answered {reply!r}, and {code} was expected",
            advice="The server's log says more; 421 means that it is full or refuses this address.",
        )
