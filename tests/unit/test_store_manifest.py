"""What every page's scripts know of the site."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from integrator.site.columns import COLUMNS
from integrator.site.page import Site
from integrator.site.source import Offer
from integrator.site.store.manifest import manifest
from tests.site import sample


def told(site: Site) -> dict[str, list[dict[str, object]]]:
    text = manifest(site).decode("ascii")
    head = "(window.fleetmark=window.fleetmark||{}).site="
    assert text.startswith(head)
    content: dict[str, list[dict[str, object]]] = json.loads(text.removeprefix(head).removesuffix(";\n"))
    return content


def test_names_campaigns_machines_and_models() -> None:
    results = sample.results(
        sample.row(machine="nuc 13", model="resnet50"), sample.row(machine="xeon", model="</script>")
    )
    results = replace(
        results,
        tasks={"resnet50": "image classification"},
        offers={"xeon": Offer(price=100.0, currency="EUR", priced_on=date(2026, 9, 1), watts=35.0)},
    )
    content = told(Site((results,)))
    [campaign] = content["campaigns"]
    assert campaign["id"] == results.facts.id
    assert campaign["rows"] == 2
    assert campaign["script"] == f"assets/rows/{results.facts.id}.js"
    machines = {machine["name"]: machine for machine in content["machines"]}
    assert machines["nuc 13"]["price"] is None
    assert machines["xeon"]["priced_on"] == "2026-09-01"
    assert machines["xeon"]["page"] == f"machines/{machines['xeon']['file']}.html"
    models = {model["name"]: model["task"] for model in content["models"]}
    assert models == {"resnet50": "image classification", "</script>": ""}


def test_older_campaigns_bring_their_own_names() -> None:
    newest = sample.results(sample.row(machine="nuc"))
    older = replace(sample.results(sample.row(machine="gone")), facts=replace(sample.campaign(), id="before"))
    content = told(Site((newest, older)))
    assert {"nuc", "gone"} <= {machine["name"] for machine in content["machines"]}
    assert [campaign["id"] for campaign in content["campaigns"]] == [newest.facts.id, "before"]


def test_describes_each_column() -> None:
    keys = [column["key"] for column in told(Site((sample.results(sample.row()),)))["columns"]]
    assert keys[: len(COLUMNS)] == [column.key for column in COLUMNS]
    assert len(set(keys)) == len(keys)
