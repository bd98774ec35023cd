"""What the server answered, and what it means."""

from __future__ import annotations

import ftplib
import re

from protocol.transfer_names import Digest

__all__ = ["Answer", "UnexpectedReplyError", "accepted", "begun", "digest_of", "port_of"]

_NO_SUCH_FILE = "550 No such file"
_DOOR = re.compile(r"229 .*\(\|\|\|([0-9]{1,5})\|\).*")
_DIGEST = re.compile(r"213 SHA-256 0-([0-9]+) ([0-9a-f]{64}) .*")

Answer = str | ftplib.Error
"""A reply, or the refusal that it is."""


class UnexpectedReplyError(ftplib.Error):
    """The server said what it never says at this point."""


def accepted(answer: Answer) -> str:
    """What the server said; a refusal is raised."""
    if isinstance(answer, ftplib.Error):
        raise answer
    return answer


def digest_of(answer: Answer) -> Digest | None:
    """What HASH was answered; None: there is no such file.

    Raises:
        ftplib.Error: another refusal, or no answer to HASH.
    """
    if isinstance(answer, ftplib.error_perm) and str(answer).startswith(_NO_SUCH_FILE):
        return None
    reply = accepted(answer)
    match = _DIGEST.fullmatch(reply.rpartition("\n")[2])  # lines before the last are signs of life
    if match is None:
        raise UnexpectedReplyError(f"HASH answered {reply}")
    return Digest(int(match[1]), match[2])


def port_of(answer: Answer) -> int:
    """Where the server waits for a data connection, in its answer to EPSV.

    Raises:
        ftplib.Error: it does not wait, or this is no answer to EPSV.
    """
    reply = accepted(answer)
    match = _DOOR.fullmatch(reply)
    if match is None:
        raise UnexpectedReplyError(f"EPSV answered {reply}")
    return int(match[1])


def begun(command: str, reply: str) -> None:
    """See that a transfer began.

    Raises:
        UnexpectedReplyError: the reply says something else.
    """
    if not reply.startswith("1"):
        raise UnexpectedReplyError(f"{command} answered {reply}")
