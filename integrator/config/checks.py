"""Checks that need more than one value: rules against the matrix, limits against durations, machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from integrator.config.campaign import Campaign
from integrator.config.lab import Lab, LabMachine
from integrator.config.selection import DIMENSIONS, Rule
from integrator.config.server import is_loopback
from integrator.config.values import did_you_mean, shown
from integrator.config.yaml_source import KeyPath, Problem

__all__ = ["check_campaign", "check_lab", "check_machines"]


def check_lab(lab: Lab) -> list[Problem]:
    """Machines that could not log in to the lab's server, or not reach it; prices that say too little."""
    return [
        lab.problem(("machines", index, *key), sentence)
        for index, machine in enumerate(lab.machines)
        for key, sentence in (*_at_the_server(lab, machine), *_price(lab, machine))
    ]


def _price(lab: Lab, machine: LabMachine) -> Iterator[tuple[KeyPath, str]]:
    if machine.price is None:
        for key in ("currency", "priced_on"):
            if getattr(machine, key) is not None:
                yield (
                    (key,),
                    f"belongs to a price, which {machine.name} has not; give price or remove this key",
                )
    elif machine.currency is None and lab.currency is None:
        yield ("price",), "needs its currency; give currency, such as EUR, for this machine or for the lab"


def _at_the_server(lab: Lab, machine: LabMachine) -> Iterator[tuple[KeyPath, str]]:
    starts_itself = machine.start == "waiting"
    if lab.server.account is None:
        if machine.account is not None:
            yield ("account",), "the server inside the integrator makes its accounts itself; remove this key"
        if machine.docker and is_loopback(lab.server.host):
            yield from _out_of_reach(lab, machine)
    elif starts_itself:
        if machine.account is not None:
            yield ("account",), "an agent that waits has its hand-over file already; remove this key"
    elif machine.account is None:
        yield (
            ("name",),
            (
                f"{machine.name} needs the key account, its hand-over file, because server.account is given; "
                f"fleetmark machine add {machine.name} writes one"
            ),
        )


def _out_of_reach(lab: Lab, machine: LabMachine) -> Iterator[tuple[KeyPath, str]]:
    docker = machine.docker
    assert docker is not None  # noqa: S101 - its caller asked
    reach = "give server.listen (0.0.0.0) and server.advertise (a name or address of this computer)"
    if not docker.address.is_here:
        yield ("start",), f"{machine.name} could not reach a server on {lab.server.host}; {reach}"
    elif docker.network != "host":
        yield (
            ("start", "docker", "network"),
            (
                f"a server on {lab.server.host} cannot be reached from the network {shown(docker.network)}: "
                f"{reach}, or network: host"
            ),
        )


def check_campaign(campaign: Campaign) -> list[Problem]:
    """What contradicts itself within a campaign."""
    return [*_settings(campaign), *_models(campaign), *_values(campaign)]


def check_machines(lab: Lab, campaign: Campaign) -> list[Problem]:
    """Names of machines in a campaign that the lab, or the campaign's own selection, does not have."""
    in_lab = [machine.name for machine in lab.machines]
    listed = () if campaign.machines == "all" else campaign.machines
    problems = list(_unknown(campaign, ("machines",), listed, in_lab, "is not a machine of the lab"))
    selected = [name for name in in_lab if campaign.machines == "all" or name in campaign.machines]
    for section in ("exclude", "include"):
        for index, rule in enumerate(getattr(campaign, section)):
            path = (section, index, "machine")
            wrong = "is not a machine of this campaign"
            problems += _unknown(campaign, path, rule.machine, selected, wrong)
    return problems


def _settings(campaign: Campaign) -> Iterator[Problem]:
    measure, limits = campaign.measure, campaign.limits
    if measure.min_iterations > measure.max_iterations:
        yield campaign.problem(
            ("measure", "min_iterations"),
            f"{measure.min_iterations} is more than max_iterations ({measure.max_iterations})",
        )
    needed = measure.warmup_s + measure.duration_s
    if limits.run_timeout_s <= needed:
        yield campaign.problem(
            ("limits", "run_timeout_s"),
            f"{limits.run_timeout_s:g} s is no longer than warm-up and measurement together ({needed:g} s): "
            "every run would be ended before it is done",
        )


def _models(campaign: Campaign) -> Iterator[Problem]:
    names = [model.name for model in campaign.models]
    for section in ("exclude", "include"):
        for index, rule in enumerate(getattr(campaign, section)):
            path = (section, index, "model")
            yield from _unknown(campaign, path, rule.model, names, "is not a model of this campaign")


def _values(campaign: Campaign) -> Iterator[Problem]:
    """Values of exclude rules that no combination has."""
    for index, rule in enumerate(campaign.exclude):
        for key, plural in DIMENSIONS.items():
            known = getattr(campaign.matrix, plural)
            wrong = f"is not in matrix.{plural}, so this leaves nothing out"
            yield from _unknown(
                campaign, ("exclude", index, key), _asked(rule, key, known), known, wrong, word="values"
            )


def _asked(rule: Rule, key: str, known: tuple[object, ...]) -> list[object]:
    given = getattr(rule, key)
    # `hint: latency` also matches what `auto` becomes; whether it becomes that is seen when tests are listed.
    resolved = {"latency", "throughput", "none"} if key == "hint" and "auto" in known else set()
    return [None if value in resolved else value for value in given]


def _unknown(
    campaign: Campaign,
    path: KeyPath,
    given: Iterable[object],
    known: Iterable[object],
    wrong: str,
    word: str = "",
) -> Iterator[Problem]:
    known = list(known)
    words = [shown(name) if isinstance(name, tuple) else str(name) for name in known]
    for index, value in enumerate(given):
        if value is None or value in known:
            continue
        near = "" if word else did_you_mean(value, words)  # a value is a right word in the wrong place
        sentence = (
            f"{shown(value)} {wrong}; {near + ' ' if near else ''}{word or 'known'}: {', '.join(words)}"
        )
        yield campaign.problem((*path, index), sentence)
