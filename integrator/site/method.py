"""What the method page says beyond columns and reasons: formulas, statuses, rules, and the change log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from integrator.site.classes import EDGE_THREADS, EDGE_WATTS, SERVER_THREADS, SERVER_WATTS
from integrator.statistics.compare import BAND, Outcome
from integrator.statistics.harness import MAX_HARNESS_SHARE
from integrator.statistics.interval import CONFIDENCE, runs_needed
from integrator.statistics.percentiles import samples_needed
from integrator.statistics.resolution import MIN_RUNS
from integrator.statistics.verdict import MAX_DRIFT, MAX_SPREAD, MAX_UNEVEN, Verdict
from protocol.result import Status

__all__ = [
    "CHANGES",
    "EXPLORER",
    "FACTS",
    "FINDER",
    "FORMULAS",
    "NEEDED",
    "OUTCOMES",
    "RANKING",
    "STATUSES",
    "VERDICTS",
    "Change",
    "Formula",
]

_SURE = f"{CONFIDENCE:.0%}".replace("%", " %")


@dataclass(frozen=True, slots=True)
class Formula:
    """How one number is made."""

    name: str
    formula: str
    words: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of how numbers are made or judged: results of before and after may differ by it."""

    on: date
    words: str


FORMULAS = (
    Formula(
        "latency of a run",
        "median(latency₁ … latencyₙ)",
        "Of every inference in the timed region, in the order of their starts. None is left out.",
    ),
    Formula(
        "latency of a test",
        "median(run₁ … runᵣ)",
        "The run is the unit of comparison: latencies of one process are correlated, so more of them do not "
        "make a test more precise than its runs agree.",
    ),
    Formula(
        "interval",
        "from the d-th smallest run to the d-th largest",
        f"Encloses the median of all runs that could be made with {_SURE} confidence, whatever their "
        "distribution: 1 - 2·P(Binomial(r, ½) < d), interpolated between two ranks. It takes "
        f"{runs_needed()} runs; with fewer, the cell says how many are missing.",
    ),
    Formula(
        "single pass",
        "sync: Σ latency ÷ n\nasync: wall-clock time ÷ n",
        "Total time of all batches ÷ iterations; median of the runs.",
    ),
    Formula(
        "FPS",
        "sync: batch ÷ median latency\nasync: batch × n ÷ wall-clock time",
        "What a sync loop could do at its median; what a pool of requests did.",
    ),
    Formula(
        "throughput",
        "batch × n ÷ wall-clock time",
        "Frames completed ÷ time, in both scenarios alike; median of the runs. Wall-clock time is from the "
        "first start to the last completion. Its interval is that of the time per iteration, turned over.",
    ),
    Formula(
        "percentiles",
        "the smallest latency that a share p of all inferences do not exceed",
        "Given only where the sample can carry it: at 99 % confidence it would show two values beyond "
        "(the early-stopping bound of MLPerf's LoadGen).",
    ),
    Formula(
        "spread",
        "(largest - smallest run) ÷ median of the runs",
        f"Above {MAX_SPREAD:.0%} the runs differ. Drift compares the halves of a run (above "
        f"{MAX_DRIFT:.0%}), "
        f"unevenness the work in equal parts of its time (above {MAX_UNEVEN:.0%}).",
    ),
    Formula(
        "harness",
        "the loop's own cost of an inference ÷ (wall-clock time ÷ n)",
        "Measured on the same machine by the same loop over a request that does nothing. Above "
        f"{MAX_HARNESS_SHARE:.0%} a remark says so.",
    ),
    Formula(
        "energy",
        "energy of all CPU packages ÷ n",
        "All that the packages took during a run, idle cores and other load included; discrete GPUs, memory "
        "outside of the package, fans and the power supply are not in it.",
    ),
    Formula(
        "ratio of two tests",
        "median over all pairs of runs of (second ÷ first)",
        "Hodges and Lehmann's estimate on the logarithms; its interval are two of these ratios, at the "
        "ranks "
        f"that Mann and Whitney's exact distribution gives for {_SURE}. Four runs of each are the fewest.",
    ),
    Formula(
        "several configurations",
        "(ratio₁ × … × ratioₖ)^(1 ÷ k)",
        "The geometric mean, with Student's interval over the configurations, and how many of those in "
        "common have a ratio: a mean of 3 of 4 says nothing of the fourth.",
    ),
    Formula(
        "smallest difference",
        "exp((t₀.₉₇₅ + t₀.₉₀) · s · √(2 ÷ r)) - 1",
        "The true difference that a comparison of two measurements, r runs each, finds in 9 of 10 cases; "
        "s is the standard deviation of the logarithms of the runs' median latencies, t are quantiles of "
        f"Student's distribution with 2r - 2 degrees of freedom. Of tests with {MIN_RUNS} runs and more; a "
        "machine's page has what half of its tests find, and nine tenths of them.",
    ),
    Formula(
        "parallel efficiency",
        "(Tₙ ÷ T₁) ÷ (n ÷ n₁)",
        "Throughput with n streams or threads as a share of what it would be in proportion to the fewest, "
        "n₁, all other settings equal.",
    ),
    Formula(
        "knee",
        "the n with the largest (T - T₁) ÷ (T_best - T₁) - (n - n₁) ÷ (n_best - n₁)",
        "Where the throughput, with both axes scaled to 0 … 1 up to its best, lies farthest above a straight "
        "line: from there on more brings less and less. None where it bends by less than 0.1.",
    ),
)

NEEDED = tuple((f"p{100 * p:g}", samples_needed(p)) for p in (0.9, 0.95, 0.99, 0.999))
"""Percentiles, and the fewest inferences that carry each."""

STATUSES = {
    Status.OK: "No run of the test went wrong, and at least one was measured.",
    Status.FAILED: "A run said so itself (OpenVINO raised an error), left with a code, or its latencies "
    "cannot be.",
    Status.TIMEOUT: "A run was ended because its time was up.",
    Status.CRASHED: "A signal ended a run; the reason names it; or the agent ended twice in its course.",
    Status.OUT_OF_MEMORY: "A run was refused memory, or the kernel killed it for want of memory.",
    Status.UNSUPPORTED: "The device is not on this machine, or does not run this model.",
    Status.NOT_RUN: "No run was started, or it was not carried out; the reason says why. Not a failure, and "
    "not counted as one.",
}

VERDICTS = {
    Verdict.VALID: "No doubt. Only these are ranked, coloured and found.",
    Verdict.NOISY: "The numbers are shown and doubted; never ranked.",
    Verdict.INVALID: "The numbers are shown and are not what they should be; never ranked.",
}

_BAND = f"{100 * BAND:g} %"
OUTCOMES = {
    Outcome.FASTER: "The whole interval lies on the faster side of 1, and not wholly in the band.",
    Outcome.SLOWER: "It lies on the slower side of 1, and not wholly in the band.",
    Outcome.EQUIVALENT: f"The whole interval lies between 1 ÷ {1 + BAND:g} and {1 + BAND:g}: they differ by "
    f"less than {_BAND}, if at all.",
    Outcome.INCONCLUSIVE: "Else, and wherever a number is missing: not known, neither equal nor different.",
}

RANKING = (
    (
        "A machine's best test of a model is the one with the lowest median latency (scenario sync), or the "
        "highest "
        "throughput (any scenario), among those that ended ok, are valid and have an interval. The settings "
        "that it "
        "was reached with stand beside it."
    ),
    (
        "The score of a machine in a task is the geometric mean, over the task's models, of how "
        "near it comes "
        "to the "
        "best machine of each: 1 is the best at every model. Every model counts alike, however "
        "many settings of "
        "it "
        "were measured."
    ),
    (
        "The interval of a score puts the ends of the values' intervals in place of the values, the slow "
        "ends of all models together and the fast ends of all models together."
    ),
    (
        "Only machines with a ranked test of every model of the task get a rank; the others are listed with "
        "what they "
        "lack."
    ),
    (
        "Ranks are shared where intervals overlap: a machine's rank reaches from 1 + the machines whose "
        "interval lies "
        "wholly better, to all machines less those whose interval lies wholly worse."
    ),
    (
        "A difference that is equivalent or inconclusive gets no colour. Noisy and invalid tests "
        "are shown with "
        "their "
        "tag, and are neither ranked nor coloured."
    ),
    (
        "Two tests are the same configuration where all that was asked for is the same: model and settings. "
        "Comparisons "
        "are of the configurations in common, and say how many those are."
    ),
    (
        "A ratio of two machines, campaigns or releases that also differ in something else (the "
        "precision that "
        "was "
        "computed in, kernel, governor, driver, …) carries a badge that says in what."
    ),
)

EXPLORER = (
    (
        "A cell of a pivot shows the best, the median or the geometric mean of its tests that may be ranked, "
        "where there are intervals only of those that have one; tests without an interval are shown where "
        "there are no others, then noisy ones, then invalid ones, each with its sign, none of them the best."
    ),
    (
        "It is compared with the baseline test by test: the best with the best (* where they are of other "
        "settings), otherwise all tests that both have; several ratios are one by their geometric mean, with "
        "n/N where some have no counterpart."
    ),
    (
        f"A ratio has a colour only where the two {_SURE} intervals do not overlap and it is more than "
        f"{_BAND} from 1. Intervals of several tests are multiplied, which makes theirs too wide rather than "
        "too narrow. The scale goes by the ratio's logarithm."
    ),
    (
        f"A machine's class is edge up to {EDGE_WATTS} W and server from {SERVER_WATTS} W, as the lab says; "
        f"where it says nothing, edge up to {EDGE_THREADS} threads in any test and server from "
        f"{SERVER_THREADS}. Others are desktops."
    ),
)
"""How the explorer compares, and what it calls a class."""

FINDER = (
    (
        "Only tests that ended ok and are valid count, each for the machine, device and settings that it was "
        "measured "
        "with."
    ),
    "A machine keeps up with the lower end of the throughput's interval, not with the throughput itself.",
    (
        "A bound on a percentile is held against the upper end of its interval. With a bound only batch 1 "
        "counts: the "
        "frames of a batch wait for each other, and how long was not measured."
    ),
    (
        "Each test was measured in a closed loop, where the next frame starts when one is done. Real cameras "
        "send frames "
        "on their own, which may meet and wait; a share of each machine's time is kept free for that, 30 % "
        "unless you "
        "say otherwise."
    ),
    (
        "A camera takes as large a share of a machine's time as its FPS is of those that the machine keeps "
        "up with, and is not cut in two. Cameras are dealt out one after another, the largest share first, "
        "each onto the first machine that has room."
    ),
    (
        "Where several models are on one machine they take turns, and their shares of its time are added up. "
        "How models "
        "get on with each other was not measured, so this is an estimate."
    ),
    "Decoding, scaling and the network are not in these numbers.",
    (
        "Prices and watts are the lab's own, or yours, and as old as they say. Different currencies are not "
        "compared."
    ),
)

FACTS = (
    (
        "fingerprint",
        (
            "The hardware: CPU, cores, caches, instruction sets, memory, devices. The same after a restart. "
            "Machines are "
            "alike where their fingerprints are."
        ),
    ),
    (
        "configuration",
        (
            "What changes results and can be changed: kernel, microcode, governor, turbo, drivers, limits of "
            "the "
            "container, OpenVINO."
        ),
    ),
    (
        "conditions",
        (
            "What it was like during a run: other load, frequency, temperature, throttling, energy. "
            "Read by the "
            "run's own "
            "process right before and right after the timed loop, never during it."
        ),
    ),
)
"""Kinds of facts of a machine. What cannot be found out is null, with the reason."""

CHANGES = (
    Change(
        date(2026, 12, 1),
        "Machines are scored by task and get shared ranks; before, only the best test of each machine was "
        "named. No "
        "number of a test changed.",
    ),
    Change(
        date(2026, 11, 21),
        "A run stops as soon as its median is known to ± 1 %, unless the campaign says otherwise; before, "
        "every run "
        "measured for its whole time. Of such runs fewer latencies are there to make high percentiles of.",
    ),
    Change(
        date(2026, 11, 21),
        "Runs measure through OpenVINO's C interface, and requests of async restart themselves; before, "
        "through "
        "its Python package, which cost some microseconds of each inference. Small models became faster by "
        "it.",
    ),
    Change(
        date(2026, 11, 21),
        "Other load, stolen time, heat, clock frequency, memory and uneven throughput are reasons for a "
        "doubt; before, "
        "only the numbers themselves were.",
    ),
)
"""The newest first."""
