// The distribution of a test's latencies, a line for each run, as SVG.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number } = fleetmark;
  const margin = { top: 12, right: 14, bottom: 40, left: 46 };
  const WIDE = 1.5; // from this ratio of the slowest to the fastest on, the axis is stretched at the fastest
  const NEAR = 0.97; // of the fastest: what a stretched axis measures from, on a logarithmic scale
  let charts = 0;

  function plain(low, high, room) {
    const rough = (high - low) / room;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough * (1 - 1e-9));
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) {
      found.push([i * step, (i * step).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })]);
    }
    return found;
  }

  // Round values whose distances grow, none nearer to the one before than `room` pixels.
  function stretched(low, high, x, room) {
    const found = [];
    for (let power = Math.floor(Math.log10(low * (1 - NEAR))); power <= Math.log10(high); power += 1) {
      for (const digit of [1, 2, 5]) {
        const unit = digit * 10 ** power;
        const value = Math.round((low * NEAR + unit) / unit) * unit;
        const before = found.at(-1)?.[0] ?? -Infinity;
        if (value < low || value > high || value <= before || x(value) - x(before) < room) continue;
        found.push([value, String(Number(value.toPrecision(6)))]);
      }
    }
    return found;
  }

  /**
   * @param runs `{label, quantiles, summary}` of each run that has a distribution
   * @param shares what share of the latencies each quantile is for
   * @param value the test's median and the ends of its interval, in ms; NaN where there is none
   */
  fleetmark.ecdf = ({ runs, shares, value, low, high, width }) => {
    const height = Math.round(Math.min(300, Math.max(220, width * 0.45)));
    const all = runs.flatMap(({ quantiles }) => quantiles).filter((ms) => ms > 0);
    let first = Math.min(...all);
    let last = Math.max(...all);
    const wide = last / first > WIDE;
    const from = first * NEAR;
    if (!wide) [first, last] = [first - Math.max((last - first) * 0.04, first * 1e-3), last + Math.max((last - first) * 0.04, last * 1e-3)];
    else last *= 1.05;
    const scale = wide ? (ms) => Math.log(ms - from) : (ms) => ms;
    const right = width - margin.right;
    const bottom = height - margin.bottom;
    const x = (ms) => margin.left + ((scale(ms) - scale(first)) / (scale(last) - scale(first))) * (right - margin.left);
    const y = (share) => bottom - share * (bottom - margin.top);
    const at = (coordinate) => coordinate.toFixed(1);

    const ticks = wide ? stretched(first, last, (ms) => (ms < first ? -Infinity : x(ms)), 55) : plain(first, last, Math.max(3, Math.floor(width / 85)));
    const across = ticks.map(([ms, label]) =>
      el("g", {},
        el("line", { class: "grid", x1: at(x(ms)), x2: at(x(ms)), y1: margin.top, y2: bottom }),
        el("text", { x: at(x(ms)), y: bottom + 17, "text-anchor": "middle" }, label)));
    const up = [0, 0.25, 0.5, 0.75, 0.9, 1].map((share) =>
      el("g", {},
        el("line", { class: "grid", x1: margin.left, x2: right, y1: at(y(share)), y2: at(y(share)) }),
        el("text", { x: margin.left - 7, y: at(y(share) + 4), "text-anchor": "end" }, `${share * 100}%`)));

    const lines = runs.map(({ label, quantiles, summary }) => {
      let path = "";
      quantiles.forEach((ms, i) => {
        const place = `${at(x(Math.max(ms, first)))}`;
        path += i === 0 ? `M${place} ${at(y(0))}` : `H${place}V${at(y(shares[i]))}`;
      });
      return el("path", { class: "run", d: path }, el("title", {}, `${label}: ${summary}`));
    });

    const id = `ecdf-${(charts += 1)}`;
    const median = Number.isFinite(value);
    const interval = Number.isFinite(low) && Number.isFinite(high);
    const within = (ms) => Math.min(Math.max(ms, first), last);
    const words = `Share of inferences that took at most so long, from ${number(Math.min(...all))} to ${number(Math.max(...all))} ms, a line for each of ${runs.length} runs.`
      + (median ? ` The value of the test is ${number(value)} ms${interval ? `, its interval ${number(low)} to ${number(high)} ms` : ""}.` : "");
    return el("svg", { class: "ecdf", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-title ${id}-desc` },
      el("title", { id: `${id}-title` }, "Distribution of the latencies"),
      el("desc", { id: `${id}-desc` }, words),
      across, up,
      el("line", { class: "axis", x1: margin.left, x2: right, y1: bottom, y2: bottom }),
      el("text", { class: "name", x: right, y: height - 5, "text-anchor": "end" }, `latency, ms${wide ? " (logarithmic from near the fastest on)" : ""}`),
      interval && el("rect", { class: "interval", x: at(x(within(low))), y: margin.top, width: at(Math.max(1, x(within(high)) - x(within(low)))), height: bottom - margin.top }),
      lines,
      median && el("line", { class: "value", x1: at(x(within(value))), x2: at(x(within(value))), y1: margin.top, y2: bottom }));
  };
})();
