"""What the server's answers and the network's failures mean: which may pass, and what is said of them."""

from __future__ import annotations

import ftplib
import socket
import ssl

import pytest

from protocol.deadline import Deadline
from protocol.errors import (
    LoginRefusedError,
    RefusedTransferError,
    ServerFullError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
)
from protocol.transfer_failures import explain


def explained(error: Exception, deadline: Deadline | None = None) -> TransferError:
    return explain(
        error,
        server="ftp.lab:2121",
        what="/x: could not be stored",
        timeout_s=30,
        deadline=deadline or Deadline(60),
    )


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("421 Too many connections. Service temporarily unavailable.", TransientTransferError),
        ("421 Too many failed logins from your address; wait 299 s.", TransientTransferError),
        ("425 Can't open data connection.", TransientTransferError),
        ("426 Connection closed; transfer aborted.", TransientTransferError),
        ("450 A HASH is under way; wait for its answer.", TransientTransferError),
        ("451 Input/output error.", TransientTransferError),
        ("452 No space left on device; transfer aborted.", ServerFullError),
        ("500 Command not understood.", RefusedTransferError),
        ("530 Authentication failed.", LoginRefusedError),
        ("550 Not enough privileges.", RefusedTransferError),
        ("552 This machine's folder may hold at most 5 bytes; transfer aborted.", RefusedTransferError),
    ],
)
def test_the_first_digit_says_whether_it_may_pass(reply: str, kind: type[TransferError]) -> None:
    error = ftplib.error_temp(reply) if reply.startswith("4") else ftplib.error_perm(reply)
    failure = explained(error)
    assert type(failure) is kind
    assert str(failure) == f"ftp.lab:2121: /x: could not be stored: the server answered: {reply}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer within 30 s"),
        (ConnectionRefusedError(), "connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "the connection failed: .*reset"),
        (EOFError(), "the server closed the connection"),
        (ssl.SSLError("record layer failure"), "the connection failed: .*record layer"),
        (socket.gaierror(-2, "Name or service not known"), "the host name is not known here"),
    ],
)
def test_the_network_may_do_better_later(error: Exception, words: str) -> None:
    failure = explained(error)
    assert type(failure) is TransientTransferError
    with pytest.raises(TransientTransferError, match=f"ftp.lab:2121: /x: could not be stored: {words}"):
        raise failure
    assert failure.advice


def test_a_wait_that_the_deadline_cut_short_is_said_to_be_that() -> None:
    assert str(explained(TimeoutError(), Deadline(0))).endswith("not done within 0 s")


def test_a_certificate_is_no_passing_matter() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    failure = explained(error)
    assert type(failure) is UntrustedServerError
    assert "not yet valid" in str(failure)
    assert "Check the clocks" in failure.advice
