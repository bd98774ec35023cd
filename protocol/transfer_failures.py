"""What ftplib, TLS and the network raise, as errors that say why and what to do."""

from __future__ import annotations

import ftplib
import socket
import ssl

from protocol.deadline import Deadline, DeadlinePassedError
from protocol.errors import (
    LoginRefusedError,
    RefusedTransferError,
    ServerFullError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
)

__all__ = ["explain"]

_MAX_REPLY_CHARS = 300
_NO_SPACE = "452"
_LOGIN_REFUSED = "530"
_NOT_YET_VALID, _EXPIRED = 9, 10  # OpenSSL's numbers, X509_V_ERR_…
_OTHER_NAME = (62, 64)  # host name and IP address


def explain(
    error: Exception, *, server: str, what: str, timeout_s: float, deadline: Deadline
) -> TransferError:
    """The error that `error` means, where `what` was under way; every branch says why and what to do."""
    where = f"{server}: {what}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedServerError(
            f"{where}: its certificate is not to be trusted: {error.verify_message}",
            advice=_about_certificate(error.verify_code),
        )
    if isinstance(error, ftplib.Error):
        return _from_reply(error, where)
    advice = "Try again later."
    if isinstance(error, TimeoutError) and not deadline.left():
        why = str(DeadlinePassedError.of(deadline))
        advice = "Try again later; where it goes on, the network is too slow for this file."
    elif isinstance(error, TimeoutError):
        why = f"no answer within {timeout_s:g} s"
        advice = "Check that the server is up and that no firewall drops its data connections."
    elif isinstance(error, ConnectionRefusedError):
        why = "connection refused"
        advice = "Check that the server runs and listens on this port."
    elif isinstance(error, socket.gaierror):
        why = f"the host name is not known here: {error.strerror}"
        advice = "Check the host in the account file, and this machine's DNS."
    elif isinstance(error, EOFError):
        why = "the server closed the connection"
    else:
        why = f"the connection failed: {error}"
    return TransientTransferError(f"{where}: {why}", advice=advice)


def _from_reply(error: ftplib.Error, where: str) -> TransferError:
    reply = " ".join(str(error).split())[:_MAX_REPLY_CHARS]
    message = f"{where}: the server answered: {reply}"
    if isinstance(error, ftplib.error_perm):
        if reply.startswith(_LOGIN_REFUSED):
            return LoginRefusedError(
                message, advice="Check that the account file is the newest that this server handed out."
            )
        return RefusedTransferError(message)
    if reply.startswith(_NO_SPACE):
        return ServerFullError(message, advice="Make room on the server's disk.")
    return TransientTransferError(message, advice="Try again later.")


def _about_certificate(code: int) -> str:
    if code == _EXPIRED:
        return "Renew the server's certificate, and check this machine's clock."
    if code == _NOT_YET_VALID:
        return "Check the clocks of this machine and of the server."
    if code in _OTHER_NAME:
        return "Check the host in the account file: the server's certificate must be made out to it."
    return (
        "Check the host in the account file, and that the file came from this server: "
        "a server that was set up anew has a new CA and hands out new accounts."
    )
