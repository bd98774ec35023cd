"""The tests of a campaign: which settings each machine is measured in.

Nothing here reads or writes: lab and campaign go in, settings come out.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from integrator.config.campaign import Campaign
from integrator.config.checks import check_machines
from integrator.config.devices import leaves_none, needs
from integrator.config.lab import Lab, LabMachine
from integrator.config.selection import DIMENSIONS, Extra, Matrix, Rule
from integrator.config.yaml_source import KeyPath, Problem
from integrator.rules import contradictions
from integrator.setting import Setting
from protocol.errors import ConfigurationError
from protocol.job import AUTO, Hint, Scenario

__all__ = ["MAX_COMBINATIONS", "MAX_ON_ALL_MACHINES", "Expansion", "LeftOut", "expand"]

MAX_COMBINATIONS = 100_000
"""Combinations of a campaign, before any is left out."""
MAX_ON_ALL_MACHINES = 1_000_000
"""The same, times its machines."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A test that is not planned on a machine, and why; without a setting, the machine as a whole."""

    machine: str
    setting: Setting | None
    reason: str


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a campaign measures: settings by machine, both in the order of the files."""

    settings: Mapping[str, tuple[Setting, ...]]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class _Combination:
    """A setting, and where in campaign.yaml each of its values stands."""

    setting: Setting
    asked_hint: str
    origin: Mapping[str, KeyPath]
    machines: tuple[str, ...] = ()
    """The machines that it is for; all where there is none."""
    rules: tuple[int, ...] = ()
    """The exclude rules that match it, but for the machine."""


def expand(lab: Lab, campaign: Campaign) -> Expansion:
    """The settings that each machine of the campaign is measured in.

    A combination whose device a machine lacks is left out on that machine; a machine that nothing is left for
    is left out. The same setting counts once.

    Raises:
        ConfigurationError: with every contradiction, every rule that leaves nothing out, every device that no
            machine has, and what left a model or the campaign without tests.
    """
    _raise_if_any(check_machines(lab, campaign))
    names = [machine.name for machine in lab.machines] if campaign.machines == "all" else campaign.machines
    machines = [machine for machine in lab.machines if machine.name in names]
    _raise_if_any(_too_many(campaign, len(machines)))
    return _Expander(campaign, machines).run()


class _Expander:
    """One expansion: what was used, what was left out and what was wrong along the way."""

    def __init__(self, campaign: Campaign, machines: Sequence[LabMachine]) -> None:
        self._campaign = campaign
        self._machines = machines
        self._problems: dict[Problem, None] = {}
        self._left_out: list[LeftOut] = []
        self._used_rules: set[int] = set()
        self._judged: set[int] = set()
        """Combinations whose contradictions are noted: those are the same on every machine."""
        self._causes: dict[str, Counter[str]] = {model.name: Counter() for model in campaign.models}

    def run(self) -> Expansion:
        """The expansion, or every problem with it."""
        self._note_absent_devices()
        of_matrix, of_include = _shared(_of_matrix(self._campaign)), _shared(_of_include(self._campaign))
        settings: dict[str, tuple[Setting, ...]] = {}
        for machine in self._machines:
            kept = [combination for combination in of_matrix if self._keeps(combination, machine.name)]
            kept += [item for item in of_include if not item.machines or machine.name in item.machines]
            self._note_unnamed_releases(kept, machine.name)
            settings[machine.name] = self._runnable(kept, machine)
        self._note_unused_rules()
        _raise_if_any(self._problems)
        self._refuse_emptiness(settings)
        for name, planned in settings.items():
            if not planned:
                self._left_out.append(LeftOut(name, None, "no test of the campaign is left for this machine"))
        planned_only = {name: planned for name, planned in settings.items() if planned}
        return Expansion(planned_only, tuple(self._left_out))

    def _keeps(self, combination: _Combination, machine: str) -> bool:
        rules = [
            index
            for index in combination.rules
            if not (only := self._campaign.exclude[index].machine) or machine in only
        ]
        if rules:
            self._used_rules.update(rules)
            line = self._campaign.line(("exclude", rules[0]))
            cause = f"left out by exclude[{rules[0]}]" + (f" (line {line})" if line else "")
            self._causes[combination.setting.model][cause] += 1
        return not rules

    def _note_unnamed_releases(self, kept: Sequence[_Combination], machine: str) -> None:
        """Runs of a test that leaves the release open would be measured by several."""
        named = dict.fromkeys(item.setting.openvino for item in kept if item.setting.openvino != AUTO)
        if not named:
            return
        for item in kept:
            if item.setting.openvino == AUTO:
                sentence = (
                    f"openvino auto cannot go beside {_list(list(named))} on one machine ({machine}): its "
                    "runs would fall to whichever release is there at the time; name a release"
                )
                self._problems[self._campaign.problem(item.origin["openvino"], sentence)] = None

    def _runnable(self, kept: Sequence[_Combination], machine: LabMachine) -> tuple[Setting, ...]:
        planned: dict[Setting, None] = {}
        left_out: dict[Setting, str] = {}
        for combination in kept:
            setting = combination.setting
            self._note_contradictions(combination)
            if lacking := [device for device in needs(setting.device) if device not in machine.devices]:
                reason = f"{machine.name} has no {' and no '.join(lacking)} (it has {_list(machine.devices)})"
                left_out[setting] = reason
            elif leaves_none(setting.device, machine.devices):
                had = _list(machine.devices)
                left_out[setting] = f"{setting.device} leaves no device of {machine.name} (it has {had})"
            else:
                planned[setting] = None
        for setting, reason in left_out.items():
            self._left_out.append(LeftOut(machine.name, setting, reason))
            self._causes[setting.model][f"left out because {reason}"] += 1
        return tuple(planned)

    def _note_contradictions(self, combination: _Combination) -> None:
        if id(combination) not in self._judged:
            self._judged.add(id(combination))
            for path, sentence in _contradictions(combination):
                self._problems[self._campaign.problem(path, sentence)] = None

    def _note_absent_devices(self) -> None:
        asked: list[tuple[KeyPath, str, Sequence[LabMachine]]] = [
            (("matrix", "devices", index), device, self._machines)
            for index, device in enumerate(self._campaign.matrix.devices)
        ]
        for number, extra in enumerate(self._campaign.include):
            own = [item for item in self._machines if not extra.machine or item.name in extra.machine]
            asked += [
                (("include", number, "device", index), device, own)
                for index, device in enumerate(extra.device)
            ]
        for path, device, machines in asked:
            required = needs(device)
            if all(leaves_none(device, machine.devices) for machine in machines):
                had = "; ".join(f"{machine.name} has {_list(machine.devices)}" for machine in machines)
                sentence = f"{device} leaves no device of any machine: {had}"
                self._problems[self._campaign.problem(path, sentence)] = None
            elif not any(set(required) <= set(machine.devices) for machine in machines):
                wanted = required[0] if len(required) == 1 else f"all of {_list(required)}"
                had = "; ".join(f"{machine.name} has {_list(machine.devices)}" for machine in machines)
                self._problems[self._campaign.problem(path, f"no machine has {wanted}: {had}")] = None

    def _note_unused_rules(self) -> None:
        for index in range(len(self._campaign.exclude)):
            if index not in self._used_rules:
                sentence = "the rule matches no combination of the matrix, so it leaves nothing out"
                self._problems[self._campaign.problem(("exclude", index), sentence)] = None

    def _refuse_emptiness(self, settings: Mapping[str, Sequence[Setting]]) -> None:
        measured = {setting.model for planned in settings.values() for setting in planned}
        if not measured:
            everything = sum(self._causes.values(), Counter[str]())
            sentence = f"nothing is left to measure: {_counted(everything)}"
            _raise_if_any([self._campaign.problem(("matrix",), sentence)])
        _raise_if_any(
            self._campaign.problem(
                ("models", index, "name"),
                f'"{model.name}" is left without a test: {_counted(self._causes[model.name])}',
            )
            for index, model in enumerate(self._campaign.models)
            if model.name not in measured
        )


def _too_many(campaign: Campaign, machines: int) -> Iterator[Problem]:
    count = len(campaign.models) * _size(campaign.matrix)
    count += sum(len(extra.model) * _size(extra) for extra in campaign.include)
    if count > MAX_COMBINATIONS:
        sentence = f"{count:,} combinations; expected at most {MAX_COMBINATIONS:,}"
        yield campaign.problem(("matrix",), sentence)
    elif count * machines > MAX_ON_ALL_MACHINES:
        on_all = f"{count * machines:,} combinations on all machines"
        yield campaign.problem(("matrix",), f"{on_all}; expected at most {MAX_ON_ALL_MACHINES:,}")


def _size(section: Matrix | Extra) -> int:
    return math.prod(len(values) for _, values in _dimensions(section))


def _dimensions(section: Matrix | Extra) -> list[tuple[str, tuple[object, ...]]]:
    """Each dimension by its key in a setting, with its values."""
    if isinstance(section, Matrix):
        return [(key, getattr(section, plural)) for key, plural in DIMENSIONS.items()]
    return [(key, getattr(section, key)) for key in DIMENSIONS]


def _of_matrix(campaign: Campaign) -> Iterator[_Combination]:
    paths: Mapping[str, KeyPath] = {key: ("matrix", plural) for key, plural in DIMENSIONS.items()}
    for index, model in enumerate(campaign.models):
        for combination in _product(model.name, campaign.matrix, {**paths, "model": ("models", index)}):
            rules = [number for number, rule in enumerate(campaign.exclude) if _matches(rule, combination)]
            yield replace(combination, rules=tuple(rules))


def _of_include(campaign: Campaign) -> Iterator[_Combination]:
    for index, extra in enumerate(campaign.include):
        paths: Mapping[str, KeyPath] = {key: ("include", index, key) for key in (*DIMENSIONS, "model")}
        for model in extra.model:
            for combination in _product(model, extra, paths):
                yield replace(combination, machines=extra.machine)


def _shared(combinations: Iterator[_Combination]) -> list[_Combination]:
    """Equal settings as one object: what many machines have in common is kept once."""
    settings: dict[Setting, Setting] = {}
    return [replace(item, setting=settings.setdefault(item.setting, item.setting)) for item in combinations]


def _product(model: str, section: Matrix | Extra, paths: Mapping[str, KeyPath]) -> Iterator[_Combination]:
    dimensions = _dimensions(section)
    for chosen in itertools.product(*(enumerate(values) for _, values in dimensions)):
        values = {key: value for (key, _), (_, value) in zip(dimensions, chosen, strict=True)}
        origin = {key: (*paths[key], index) for (key, _), (index, _) in zip(dimensions, chosen, strict=True)}
        yield _combination(model, values, {**origin, "model": paths["model"]})


def _combination(model: str, values: Mapping[str, object], origin: Mapping[str, KeyPath]) -> _Combination:
    asked = str(values["hint"])
    setting = Setting(model=model, **{**values, "hint": _resolved_hint(asked, values)})  # type: ignore[arg-type]
    return _Combination(setting, asked, origin)


def _resolved_hint(asked: str, values: Mapping[str, object]) -> Hint:
    if asked != AUTO:
        return Hint(asked)
    if values["streams"] != AUTO or values["threads"] != AUTO:
        return Hint.NONE
    return Hint.LATENCY if values["scenario"] is Scenario.SYNC else Hint.THROUGHPUT


def _matches(rule: Rule, combination: _Combination) -> bool:
    """Whether a rule matches, on the machines that it is for."""
    setting = combination.setting
    for key in ("model", *DIMENSIONS):
        given = getattr(rule, key)
        if (
            given
            and getattr(setting, key) not in given
            and (key != "hint" or combination.asked_hint not in given)
        ):
            return False
    return True


def _contradictions(combination: _Combination) -> Iterator[tuple[KeyPath, str]]:
    origin = combination.origin
    found = contradictions(
        combination.setting, combination.asked_hint, excludable=lambda key: origin[key][0] == "matrix"
    )
    for key, sentence in found:
        yield origin[key], sentence


def _counted(causes: Counter[str]) -> str:
    counts = [f"{count} {'test' if count == 1 else 'tests'} {cause}" for cause, count in causes.items()]
    return "; ".join(counts)


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)


def _raise_if_any(problems: Iterator[Problem] | Sequence[Problem] | Mapping[Problem, None]) -> None:
    if found := sorted(problems):
        raise ConfigurationError([str(problem) for problem in found])
