"""The built-in networks: published topologies, layer for layer, with weights made from a seed.

They let a lab compare machines without downloading anything. What the weights are does not change how long
a dense network takes, as long as nothing can be skipped and no value leaves the normal range: so all of them
are random and non-zero, and scaled so that activations neither grow nor die out on the way through. The
answers of the networks mean nothing.
"""

from integrator.topologies.catalog import TOPOLOGIES, PublishedMacs, Topology, TopologyInput, build
from integrator.topologies.count import count_macs, count_parameters

__all__ = [
    "TOPOLOGIES",
    "PublishedMacs",
    "Topology",
    "TopologyInput",
    "build",
    "count_macs",
    "count_parameters",
]
