"""What one result costs on its way: from the push to the server's word that it has it, on loopback.

The server is a process of its own and the client is the agents' own, with its connection open, as between
runs.

    python benchmarks/result_cost.py [--results 200] [--kilobytes 20]

The bar is 30 ms in the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.ftp_rig import fleetmark
from protocol.layout import CampaignFolder
from protocol.transfer import TransferClient

_BAR_MS = 30.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=int, default=200)
    parser.add_argument("--kilobytes", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, fleetmark(Path(name), 1) as server:
        campaign = CampaignFolder(server.accounts[0].user, "cost")
        (server.root / str(campaign.results).lstrip("/")).mkdir(parents=True)
        costs = []
        with TransferClient(server.accounts[0]) as client:
            client.list(campaign.results)
            for run in range(options.results):
                data = os.urandom(options.kilobytes * 1000)
                begin = time.perf_counter()
                client.write(campaign.result("cost", run), data, replace=False)
                costs.append((time.perf_counter() - begin) * 1e3)
    median = statistics.median(costs)
    slow = sorted(costs)[int(0.95 * len(costs))]
    print(f"{options.results} results of {options.kilobytes} KB, in milliseconds")
    print(f"minimum {min(costs):.1f}  median {median:.1f}  p95 {slow:.1f}  maximum {max(costs):.1f}")
    raise SystemExit(0 if median <= _BAR_MS else 1)


if __name__ == "__main__":
    main()
