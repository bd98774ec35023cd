"""What lab.yaml says of machines for a buyer, and campaign.yaml of models: kept with the campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from integrator.config import Lab, ModelEntry
from protocol.documents import Record

__all__ = ["MachineOffer", "offers_of", "tasks_of"]


class MachineOffer(Record):
    """What a machine costs and draws; null: the lab does not say."""

    price: float | None = None
    currency: str = ""
    """Empty without a price."""
    priced_on: date | None = None
    watts: float | None = None


def offers_of(lab: Lab) -> dict[str, MachineOffer]:
    """By machine of the lab, also of those of which nothing is said."""
    return {
        machine.name: MachineOffer(
            price=machine.price,
            currency=(machine.currency or lab.currency or "") if machine.price is not None else "",
            priced_on=machine.priced_on,
            watts=machine.watts,
        )
        for machine in lab.machines
    }


def tasks_of(models: Iterable[ModelEntry], builtin: Mapping[str, str]) -> dict[str, str | None]:
    """By model what it does: in the campaign's words, else in those of the built-in models (`builtin`)."""
    return {model.name: model.task or builtin.get(model.name) for model in models}
