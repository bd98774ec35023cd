"""Sets a machine's settings for measuring, and sets them back exactly."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from integrator.tune_host.files import DiskFiles
from integrator.tune_host.knobs import KNOBS, Knob, Setting
from integrator.tune_host.state import TunedHost
from protocol.errors import UserError

__all__ = ["Host", "KnobState", "Outcome"]

_ROUNDS = 4
_HELD_BY_THE_KERNEL = os.strerror(errno.EIO)
"""What the kernel answers for an interrupt that it keeps where it is, such as those of a core's own timer."""
_BOOT_ID = "proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class KnobState:
    """A knob on this machine."""

    knob: Knob
    settings: tuple[Setting, ...]
    absent: str = ""
    """Why there is nothing to set."""

    @property
    def is_set(self) -> bool:
        """Whether nothing is left to do."""
        return all(setting.is_set for setting in self.settings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, and what the kernel did not take."""

    written: tuple[Setting, ...] = ()
    refused: tuple[tuple[Setting, str], ...] = ()
    restarted: bool = False
    """The machine was started anew since: there was nothing to set back."""


class Host:
    """The machine whose files lie below `root`."""

    def __init__(self, root: Path, state: Path) -> None:
        self.files = DiskFiles(root)
        self.state = state

    def look(self, *, leave: Collection[str] = ()) -> list[KnobState]:
        """Every knob but those named in `leave`."""
        found = []
        for knob in KNOBS:
            if knob.name not in leave:
                read = knob.read(self.files)
                found.append(
                    KnobState(knob, (), absent=read)
                    if isinstance(read, str)
                    else KnobState(knob, tuple(read))
                )
        return found

    def saved(self) -> TunedHost | None:
        """What was before, if something is set since this start of the machine.

        Raises:
            UserError, DocumentError: the state file is not ours.
        """
        state = TunedHost.read(self.state)
        return state if state and state.boot_id == self._boot_id() else None

    def apply(self, *, leave: Collection[str] = ()) -> Outcome:
        """Set what is not set. What was before is on disk first; a second call keeps what the first found.

        Raises:
            UserError: the state cannot be kept, so nothing was written.
        """
        written: list[Setting] = []
        refused: list[tuple[Setting, str]] = []
        for knob in (knob for knob in KNOBS if knob.name not in leave):
            # Read one by one: the highest frequency is another once turbo is off.
            read = knob.read(self.files)
            todo = [] if isinstance(read, str) else [setting for setting in read if not setting.is_set]
            if todo:
                self._keep(todo)
            for setting in todo:
                error = self._write(setting.path, setting.wanted)
                if error == _HELD_BY_THE_KERNEL and setting.path.startswith("proc/irq/"):
                    continue
                if error:
                    refused.append((setting, error))
                else:
                    written.append(setting)
        return Outcome(tuple(written), tuple(refused))

    def revert(self) -> Outcome | None:
        """Set back everything that was set, and forget it; None where nothing is known to have been.

        What the kernel does not take back stays in the state file, so that it can be tried again.
        """
        state = TunedHost.read(self.state)
        if state is None:
            return None
        if state.boot_id != self._boot_id():
            self.state.unlink()
            return Outcome(restarted=True)
        written, refused = self._restore(state.before)
        if refused:
            left = {setting.path for setting, _ in refused}
            remaining = {path: value for path, value in state.before.items() if path in left}
            state.model_copy(update={"before": remaining}).write(self.state)
        else:
            self.state.unlink()
        return Outcome(tuple(written), tuple(refused))

    def _restore(self, before: dict[str, str]) -> tuple[list[Setting], list[tuple[Setting, str]]]:
        """Write in rounds, last set first, until everything holds what it held, or a round changes nothing.

        The kernel takes an energy preference only where the governor lets it choose one, and moves the limits
        of the frequency with turbo.
        """
        first = {path: self.files.text(path) or "" for path in before}
        errors: dict[str, str] = {}
        for _ in range(_ROUNDS):
            for path in reversed([path for path, value in before.items() if self.files.text(path) != value]):
                errors[path] = self._write(path, before[path])
            if all(self.files.text(path) == value for path, value in before.items()):
                break
        settings = [Setting(path, first[path], value) for path, value in before.items()]
        back = [s for s in settings if self.files.text(s.path) == s.wanted]
        refused = [(s, errors.get(s.path) or "something else sets it") for s in settings if s not in back]
        return [s for s in back if not s.is_set], refused

    def _keep(self, settings: Iterable[Setting]) -> None:
        state = self.saved()
        kept = state.before if state else {}
        ordered = {**kept, **{s.path: s.now for s in settings if s.path not in kept}}
        if ordered == kept:
            return
        try:
            TunedHost(
                applied_at=state.applied_at if state else datetime.now(UTC),
                boot_id=self._boot_id(),
                before=ordered,
            ).write(self.state)
        except OSError as error:
            raise UserError(
                f"{self.state}: what was before cannot be kept, so nothing was set: {error.strerror}",
                advice="Name another file with --state.",
            ) from error

    def _write(self, path: str, value: str) -> str:
        """Why the kernel did not take the value; nothing where it did."""
        try:
            descriptor = os.open(self.files.root / path, os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(descriptor, f"{value}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            return str(error.strerror)
        now = self.files.text(path)
        return "" if now == value else f"the kernel made {now or 'nothing'} of it"

    def _boot_id(self) -> str | None:
        return self.files.text(_BOOT_ID)
