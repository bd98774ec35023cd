"""One agent at a time on a machine.

A lease is a sequence of terms. To take the machine is to write the file of the next term, which the server
lets happen once; so of two agents that start at the same moment one has it. Only the agent of a term renews
it. It ends by itself: after its lifetime, counted from when it was stored, by the server's clock. An agent
whose own clock says that its term has run out does not renew it, because somebody may be taking the next
one; it takes the next one itself, or has lost the machine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agent.stop import Stop
from protocol.errors import ContentConflictError, DocumentError, LeaseError, TransferError
from protocol.layout import clock_file, lease_file, machine_folder, renewal_file, split_lease_name
from protocol.lease import Lease
from protocol.transfer import TransferClient

__all__ = ["SPARE_S", "LeaseKeeper", "Patience", "Sighting", "newest_term", "remaining_s"]

_log = logging.getLogger("fleetmark.agent")

_TOLERANCE_S = 5.0
"""Others wait this much longer than the holder itself believes in its lease: times come in whole seconds."""
SPARE_S = 300.0
"""A renewal covers this much more than was asked for, so that short runs do not renew it each time."""
_LOOK_EVERY_S = 5.0


def _now() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The newest term of a machine's lease, as it lay on the server."""

    lease: Lease
    written: datetime
    looked: datetime
    """Both by the server's clock."""
    known_s: float = 0.0
    """For how long this agent has seen it unchanged, by its own clock."""


def remaining_s(seen: Sighting | None, me: str) -> float:
    """How long the machine is still somebody else's; 0: it may be taken."""
    if seen is None or seen.lease.released or seen.lease.holder == me:
        return 0.0
    # A server whose clock was set back stored the lease in the future, and it would not age for as long. So
    # what this agent saw itself counts as well.
    age = max(0.0, (seen.looked - seen.written).total_seconds(), seen.known_s)
    return max(0.0, seen.lease.lifetime_s + _TOLERANCE_S - age)


def newest_term(names: list[str]) -> int:
    """The newest term among the names in a machine's folder; 0: it was never taken."""
    return max((found[0] for found in map(split_lease_name, names) if found), default=0)


class Patience:
    """Remembers since when a lease has lain unchanged on the server, by this agent's own clock.

    One for each machine, for as long as the agent lives: an agent that looks every ten seconds makes a keeper
    each time.
    """

    def __init__(self, now: Callable[[], float] = _now) -> None:
        self._now = now
        self._seen: tuple[Lease, datetime] | None = None
        self._since = 0.0

    def known_s(self, lease: Lease, written: datetime) -> float:
        """For how long; 0 where it is new."""
        if self._seen != (lease, written):
            self._seen, self._since = (lease, written), self._now()
        return self._now() - self._since


class LeaseKeeper:
    """Takes, renews, checks and releases the lease on one machine for one agent."""

    def __init__(
        self,
        machine: str,
        holder: str,
        client: TransferClient,
        *,
        spare_s: float = SPARE_S,
        now: Callable[[], float] = _now,
        patience: Patience | None = None,
    ) -> None:
        self._machine = machine
        self._holder = holder
        self._client = client
        self._spare_s = spare_s
        self._now = now
        self._patience = patience or Patience(now)
        self._mine: Lease | None = None
        self._ends = 0.0

    @property
    def preparing_s(self) -> float:
        """How long the machine is held while models are fetched and the machine is looked at."""
        return 2 * self._spare_s

    @property
    def after_run_s(self) -> float:
        """How much longer than a run's time the machine is held for it: to end it, and to send its result."""
        return self._spare_s / 5

    @property
    def held(self) -> bool:
        """Whether this agent took the machine and did not learn that it lost it."""
        return self._mine is not None

    def covers(self, seconds: float) -> bool:
        """Whether the lease lasts that long without another word, as far as this agent knows."""
        return self.held and self._ends - self._now() >= seconds

    def acquire(self, cover_s: float, *, stop: Stop, wait_s: float = 0.0) -> None:
        """Take the machine for at least `cover_s`, or go on holding it.

        Args:
            cover_s: How long nothing may be heard of this agent.
            stop: Ends the waiting.
            wait_s: How long to wait for another agent to leave.

        Raises:
            LeaseError: another agent has it; its name is in the message.
            TransferError: the server could not be asked.
        """
        if self.held:
            self.cover(cover_s)
            return
        deadline = self._now() + wait_s
        said = ""
        while True:
            term, seen = self._look()
            left = remaining_s(seen, self._holder)
            # The term after the one that was seen to be free: one that came meanwhile is somebody's.
            if left == 0 and self._take(term + 1, cover_s):
                return
            seen = seen if left else self._look()[1]
            name = seen.lease.holder if seen else "unknown"
            patience = deadline - self._now()
            if patience <= 0 or stop.is_set():
                raise self._held_by(name, left)
            if name != said:
                _log.info("machine %s: waiting for agent %s, at most %.0f s more", self._machine, name, left)
                said = name
            stop.wait(min(patience, _LOOK_EVERY_S, max(left, 0.2)))

    def cover(self, seconds: float) -> None:
        """See that the machine is this agent's for `seconds` from now, even if nothing more is heard of it.

        Raises:
            LeaseError: another agent has taken it over.
            TransferError: the server could not be asked.
        """
        mine = self._require()
        if self._now() >= self._ends:
            self.check()
            if not self._take(mine.term + 1, seconds):
                raise self._lost()
            return
        if not self.covers(seconds):
            self._renew(mine, seconds + self._spare_s)
        self.check()

    def check(self) -> None:
        """See that nobody else has taken the machine: asked before anything is pushed.

        Raises:
            LeaseError: another agent has taken it over.
            TransferError: the server could not be asked.
        """
        mine = self._require()
        # In this order: the integrator removes old terms, the oldest first, and never the newest. So where
        # the next term is gone already, this one was gone before it.
        following, own = self._client.digests(
            lease_file(self._machine, mine.term + 1), lease_file(self._machine, mine.term)
        )
        if following is not None or own is None:
            raise self._lost()

    def release(self) -> None:
        """Let the next agent take the machine at once; where the server is away, the lease ends by itself."""
        if self._mine is None or self._now() >= self._ends:
            return
        mine = self._mine.model_copy(update={"released": True, "renewal": self._mine.renewal + 1})
        self._mine = None
        try:
            self._client.write(renewal_file(self._machine, mine.term), mine.to_bytes())
        except TransferError as error:
            _log.warning("the lease could not be released and ends by itself: %s", error)

    def _require(self) -> Lease:
        if self._mine is None:
            raise LeaseError(f"machine {self._machine}: this agent does not hold it")
        return self._mine

    def _take(self, term: int, cover_s: float) -> bool:
        lease = Lease(
            machine=self._machine, term=term, holder=self._holder, lifetime_s=cover_s + self._spare_s
        )
        asked = self._now()  # before the server's clock stamps it: this agent's own belief ends first
        path = lease_file(self._machine, term)
        try:
            self._client.write(path, lease.to_bytes(), replace=False)
        except ContentConflictError:
            return False  # somebody was faster
        if self._next_term() != term + 1:
            return False  # others took this term and the next, and the integrator has removed this one
        self._mine, self._ends = lease, asked + lease.lifetime_s
        return True

    def _renew(self, mine: Lease, lifetime_s: float) -> None:
        lease = mine.model_copy(update={"lifetime_s": lifetime_s, "renewal": mine.renewal + 1})
        asked = self._now()
        self._client.write(renewal_file(self._machine, lease.term), lease.to_bytes())
        self._mine, self._ends = lease, asked + lifetime_s

    def _next_term(self) -> int:
        return newest_term(self._client.list(machine_folder(self._machine))) + 1

    def _look(self) -> tuple[int, Sighting | None]:
        """The newest term (0: none), and it in the words that its holder stored last."""
        term = self._next_term() - 1
        if term == 0:
            return 0, None
        clock = clock_file(self._machine)
        self._client.write(clock, b"{}\n")
        looked = self._client.modified(clock)
        for path in (renewal_file(self._machine, term), lease_file(self._machine, term)):
            if self._client.digest(path) is None:
                continue
            try:
                data = self._client.read(path, max_bytes=Lease.max_bytes)
                lease = Lease.from_bytes(data, source=str(path))
            except DocumentError as error:
                raise LeaseError(
                    f"machine {self._machine}: its lease cannot be read: {error}", advice=error.advice
                ) from error
            # The time last: a renewal in between makes the lease look younger, and never free when it is not.
            written = self._client.modified(path)
            if written is None or looked is None:
                continue
            # What counts is the file's name: the next term is the one after it.
            known_s = self._patience.known_s(lease, written)
            return term, Sighting(lease.model_copy(update={"term": term}), written, looked, known_s)
        return term, None

    def _held_by(self, name: str, left: float) -> LeaseError:
        return LeaseError(
            f"machine {self._machine}: agent {name} works on it, and would be given up in {left:.0f} s "
            "if nothing more were heard of it",
            advice="Wait for it with --wait SECONDS, or stop that agent.",
        )

    def _lost(self) -> LeaseError:
        self._mine = None
        try:
            _, seen = self._look()
            name = seen.lease.holder if seen else "unknown"
        except (TransferError, LeaseError):
            name = "unknown"
        return LeaseError(
            f"machine {self._machine}: agent {name} has taken it over; this agent stops, with its results",
            advice="Let only one agent run for a machine. This one was silent for longer than its lease.",
        )
