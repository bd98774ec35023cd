"""What doctor found, in a terminal: a block for each machine, the worst first. Pure."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from integrator.doctor.finding import Finding, Health, LabHealth, MachineHealth
from integrator.words import counted

__all__ = ["lab_report", "summary"]

_STYLES = {Health.FAIL: "bold red", Health.WARN: "yellow", Health.UNKNOWN: "dim", Health.OK: "green"}
_ORDER = list(_STYLES)


def lab_report(lab: LabHealth, *, everything: bool = False) -> Group:
    """Machines with failures first; what is fine is one line of each, unless `everything` is asked for."""
    machines = sorted(lab.machines, key=lambda machine: _ORDER.index(machine.health))
    parts: list[RenderableType] = []
    for machine in machines:
        parts += [_heading(machine), *_findings(machine, everything=everything), ""]
    return Group(*parts)


def summary(lab: LabHealth) -> str:
    """`3 machines: 1 fails, 1 with warnings, 1 fine`."""
    count = Counter(machine.health for machine in lab.machines)
    words = {
        Health.FAIL: f"{count[Health.FAIL]} would fail",
        Health.WARN: f"{count[Health.WARN]} with warnings",
        Health.UNKNOWN: f"{count[Health.UNKNOWN]} with open questions",
        Health.OK: f"{count[Health.OK]} fine",
    }
    said = ", ".join(text for health, text in words.items() if count[health])
    return f"{counted(len(lab.machines), 'machine')}: {said}"


def _heading(machine: MachineHealth) -> Text:
    text = Text(f"{machine.machine}  ", style="bold")
    text.append(f"{machine.way}, {machine.seconds:.1f} s", style="dim")
    return text


def _findings(machine: MachineHealth, *, everything: bool) -> list[RenderableType]:
    found = sorted(machine.findings, key=lambda finding: _ORDER.index(finding.health))
    shown = [finding for finding in found if everything or finding.health is not Health.OK]
    grouped = [] if everything else _grouped(shown)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for health, names, said, remedy in grouped or [
        (finding.health, str(finding.check), finding.said, finding.remedy) for finding in shown
    ]:
        words = Text(said)
        if remedy:
            words.append(f"\n→ {remedy}", style="italic")
        table.add_row(Text(str(health), style=_STYLES[health]), Text(names), words)
    fine = [str(finding.check) for finding in found if finding.health is Health.OK]
    parts: list[RenderableType] = [table] if shown else []
    if fine and not everything:
        parts.append(Text(f"ok: {', '.join(fine)}", style="green"))
    return parts


def _grouped(found: list[Finding]) -> list[tuple[Health, str, str, str]]:
    """Checks that say the same in one row: a machine that is off has twenty for one reason."""
    rows: dict[tuple[Health, str, str], list[str]] = {}
    for finding in found:
        rows.setdefault((finding.health, finding.said, finding.remedy), []).append(str(finding.check))
    return [
        (health, names[0] if len(names) == 1 else counted(len(names), "check"), said, remedy)
        for (health, said, remedy), names in rows.items()
    ]
