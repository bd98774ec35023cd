"""A page for each machine, and the list of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from integrator.site.cells import clean_text, format_number
from integrator.site.charts.chart import LATENCY, THROUGHPUT, Chart, Quantity, columns
from integrator.site.charts.dots import Dot, dots
from integrator.site.frame import ROWS_PER_PAGE, machine_page
from integrator.site.machines import MachineFacts, machine_facts
from integrator.site.noise import Noise, noise
from integrator.site.page import Page, Site
from integrator.site.source import Offer
from integrator.site.tests import TestText, doubts_of

__all__ = ["pages"]


@dataclass(frozen=True, slots=True)
class Best:
    """What a machine does with one model: its lowest latency, and its highest throughput."""

    latency: TestText | None
    throughput: TestText | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the list of machines."""

    name: str
    path: str
    cpu: str
    memory: str
    offer: str
    outcomes: str
    noise: str


def pages(site: Site) -> Iterable[Page]:
    """Those of each machine, one for every `ROWS_PER_PAGE` tests, and `machines.html`."""
    described = {clean_text(name): each for name, each in site.newest.machines.items()}
    offers = {clean_text(name): each for name, each in site.newest.offers.items()}
    noises = noise(site.newest.runs)
    texts = site.tests
    places = site.frame.groupby("machine", sort=False).indices
    lowest, highest = _best_places(site.frame, LATENCY), _best_places(site.frame, THROUGHPUT)
    entries = []
    for name in site.machines:
        own = places.get(name, ())
        facts = machine_facts(name, described.get(name))
        offer = offers.get(name, Offer())
        tests = [texts[place] for place in own]
        best = {
            model: Best(
                latency=texts[low] if (low := lowest.get((name, model))) is not None else None,
                throughput=texts[high] if (high := highest.get((name, model))) is not None else None,
            )
            for model in dict.fromkeys(test.model for test in tests)
        }
        yield from _pages_of(site.frame, own, name, facts, offer, noises.get(name), tests, best)
        entries.append(_entry(name, facts, offer, noises.get(name), tests))
    yield Page(
        "machines.html",
        "pages/machines.html",
        title="Machines",
        nav="machines",
        context={"entries": entries},
        styles=("tests.css",),
    )


def _pages_of(
    frame: pd.DataFrame,
    own: Iterable[int],
    name: str,
    facts: MachineFacts,
    offer: Offer,
    noise_of: Noise | None,
    tests: list[TestText],
    best: Mapping[str, Best],
) -> Iterable[Page]:
    rows = frame.take(list(own))
    charts = {"throughput": _dots(rows, best, THROUGHPUT), "latency": _dots(rows, best, LATENCY)}
    parts = max(1, -(-len(tests) // ROWS_PER_PAGE))
    for part in range(parts):
        first = part * ROWS_PER_PAGE
        shown = tests[first : first + ROWS_PER_PAGE]
        # What is known of the machine stands on its first page alone.
        about: dict[str, object] = {
            "described": facts.described,
            "known": [fact for fact in facts.facts if not fact.unknown],
            "unknown": _unknown(facts),
            "offer": _offer(offer),
            "noise": noise_of,
            "best": best,
            "made": charts,
        }
        yield Page(
            machine_page(name, part),
            "pages/machine.html",
            title=name if parts == 1 else f"{name}, tests {first + 1} to {first + len(shown)}",
            nav="machines",
            context={
                "name": name,
                "tests": shown,
                "of": len(tests),
                "first": first,
                "parts": [machine_page(name, each) for each in range(parts)],
                "part": part,
                "outcomes": _outcomes(tests),
                "doubts": doubts_of(rows["verdict_reasons"].iloc[first : first + ROWS_PER_PAGE]),
                **(about if part == 0 else {}),
            },
            scripts=("js/charts.js",) if part == 0 else (),
            styles=("charts.css", "tests.css"),
            charts={key: made.spec for key, made in charts.items() if isinstance(made, Chart)}
            if part == 0
            else {},
        )


def _best_places(frame: pd.DataFrame, quantity: Quantity) -> dict[tuple[str, str], int]:
    """By machine and model, the place of the best test that may be ranked.

    As on the first page it has an interval, and of latencies it is that of a sync test, where no request
    waits for another.
    """
    key = quantity.key
    may = frame["rank_ok"].to_numpy() & (frame[key] > 0).to_numpy()
    may &= ((frame[quantity.low] > 0) & (frame[quantity.high] > 0)).to_numpy()
    if quantity is LATENCY:
        may &= (frame["scenario"] == "sync").to_numpy()
    ranked = frame.loc[may, ["machine", "model", key]]
    ordered = ranked.sort_values(key, ascending=quantity is LATENCY, kind="stable")
    first = ordered.drop_duplicates(["machine", "model"])
    return dict(zip(zip(first["machine"], first["model"], strict=True), first.index.tolist(), strict=True))


def _dots(rows: pd.DataFrame, best: Mapping[str, Best], quantity: Quantity) -> Chart | str:
    kept = {
        test.row
        for each in best.values()
        if (test := each.latency if quantity is LATENCY else each.throughput) is not None
    }
    lines = [
        Dot(model, value, low, high, label, row)
        for row, model, value, low, high, label in columns(
            rows, "row", "model", quantity.key, quantity.low, quantity.high, "label"
        )
        if row in kept
    ]
    return dots(lines, quantity, what="model")


def _outcomes(tests: list[TestText]) -> str:
    """How many tests ended how: `40 ok (2 noisy), 3 failed`."""
    kinds = Counter(test.status or test.kind for test in tests)
    ok = {kind: kinds.pop(kind, 0) for kind in ("valid", "noisy", "invalid")}
    doubted = ", ".join(f"{count} {kind}" for kind, count in ok.items() if count and kind != "valid")
    parts = [f"{sum(ok.values())} ok{f' ({doubted})' if doubted else ''}"]
    return ", ".join([*parts, *(f"{count} {status}" for status, count in kinds.most_common())])


def _unknown(facts: MachineFacts) -> dict[str, list[str]]:
    """By the reason, what is not known because of it; of a machine without a description, everything else."""
    found: dict[str, list[str]] = {}
    for fact in facts.facts if facts.described else ():
        if fact.unknown:
            found.setdefault(fact.unknown, []).append(fact.label)
    return found


def _offer(offer: Offer) -> list[tuple[str, str]]:
    """Price and watts in words; unknown where the lab does not say."""
    price = "unknown: the lab file names no price"
    if offer.price is not None:
        price = f"{offer.price:,.2f}".removesuffix(".00") + f" {clean_text(offer.currency)}".rstrip()
        price += f", on {offer.priced_on.isoformat()}" if offer.priced_on else ""
    watts = "unknown: the lab file names no watts" if offer.watts is None else f"{offer.watts:,g} W"
    return [("price", price), ("power", watts)]


def _entry(
    name: str, facts: MachineFacts, offer: Offer, noise_of: Noise | None, tests: list[TestText]
) -> _Entry:
    known = {fact.label: ", ".join(fact.lines) for fact in facts.facts}
    cores = known.get("physical cores", "")
    cost = [words for _, words in _offer(offer) if not words.startswith("unknown")]
    return _Entry(
        name=name,
        path=machine_page(name),
        cpu=" · ".join(filter(None, (known.get("CPU", ""), f"{cores} cores" if cores else ""))),
        memory=known.get("memory", ""),
        offer=" · ".join(cost),
        outcomes=_outcomes(tests),
        noise=f"{format_number(100 * noise_of.half)} %" if noise_of else "",
    )
