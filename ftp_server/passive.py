"""The socket that waits for a client's data connection."""

from __future__ import annotations

from pyftpdlib.handlers.ftp.dispatchers import PassiveDTP

__all__ = ["NoPortError", "PassiveSocket"]


class NoPortError(Exception):
    """All passive ports are taken."""


class PassiveSocket(PassiveDTP):
    """pyftpdlib's, kept to the ports that the firewall lets through.

    pyftpdlib takes any other port where all of them are taken: the client would wait for it in vain.
    """

    backlog = 5
    _in_vain = False

    def bind(self, address: tuple[str, int]) -> None:
        """Bind, or raise NoPortError where the passive ports were tried without success."""
        if self._in_vain and not address[1]:
            self.close()
            raise NoPortError
        try:
            super().bind(address)
        except OSError:
            self._in_vain = True
            raise
