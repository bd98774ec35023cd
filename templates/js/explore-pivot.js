// A table of tables: rows and columns by what tells tests apart, one number in each cell, and how it compares
// with a baseline. Only what may be ranked counts as long as there is any of it. Nothing here touches the page.
"use strict";

(() => {
  const { explore, site } = window.fleetmark;
  const AGGREGATES = { best: "best", median: "median", geomean: "geometric mean" };
  // What makes a setting, but the release: for comparing releases of OpenVINO.
  const ASKED = ["precision", "device", "scenario", "hint", "batch", "streams", "threads", "requests", "timed_region", "openvino", "settings"];
  const SETTING = ["model", "precision", "device", "scenario", "hint", "batch", "settings", "timed_region"];

  /** The ends of a measure's interval for one row; NaN where there is none. */
  function intervals(rows, measure) {
    const ends = (key) => (rows.columns.includes(key) ? rows.numbers(key) : null);
    const latency = [ends("latency_low_ms"), ends("latency_high_ms")];
    const throughput = [ends("throughput_low_fps"), ends("throughput_high_fps")];
    const at = ([low, high], i) => (low && high ? [low[i], high[i]] : [NaN, NaN]);
    if (measure === "latency_ms") return (i) => at(latency, i);
    if (measure === "throughput_fps") return (i) => at(throughput, i);
    if (measure === "fps") {
      // sync: batch ÷ median latency; async: frames ÷ wall-clock time
      return (i) => {
        if (rows.text("scenario", i) !== "sync") return at(throughput, i);
        const [low, high] = at(latency, i);
        const frames = 1000 * rows.number("batch", i);
        return [frames / high, frames / low];
      };
    }
    return () => [NaN, NaN];
  }

  /** Rows by a key made of several dimensions. */
  function grouped(data, passed, keys) {
    const parts = keys.map((key) => data.dimension(key));
    const ids = new Map();
    const of = new Int32Array(passed.length);
    const found = [];
    for (let n = 0; n < passed.length; n += 1) {
      let id = 0;
      for (const { codes, places, names } of parts) id = id * names.length + places[codes[passed[n]]];
      let index = ids.get(id);
      if (index === undefined) {
        index = found.length;
        ids.set(id, index);
        found.push(id);
      }
      of[n] = index;
    }
    const order = found.map((_, index) => index).sort((a, b) => found[a] - found[b]);
    const place = new Int32Array(found.length);
    order.forEach((index, at) => { place[index] = at; });
    for (let n = 0; n < of.length; n += 1) of[n] = place[of[n]];
    const paths = order.map((index) => path(found[index], parts));
    return { of, paths };
  }

  function path(id, parts) {
    const names = [];
    for (let at = parts.length - 1; at >= 0; at -= 1) {
      const size = parts[at].names.length;
      names[at] = parts[at].names[id % size];
      id = Math.floor(id / size);
    }
    return names;
  }

  /** The rows of each cell, as lists. */
  function cellsOf(passed, rowOf, columnOf, columns) {
    const cells = new Map();
    for (let n = 0; n < passed.length; n += 1) {
      const cell = rowOf[n] * columns + columnOf[n];
      const list = cells.get(cell);
      if (list) list.push(passed[n]);
      else cells.set(cell, [passed[n]]);
    }
    return cells;
  }

  /** What one cell shows: its value, of which rows, or why it has none. */
  function summary(view, list) {
    const { rows, numbers, lower } = view;
    const ranked = [];
    const noisy = [];
    const invalid = [];
    const bad = [];
    for (const i of list) {
      if (rows.text("status", i) !== "ok") bad.push(i);
      else if (!(numbers[i] > 0)) continue;
      else if (view.ranked[i] === 1) ranked.push(i);
      else if (rows.text("verdict", i) === "invalid") invalid.push(i);
      else noisy.push(i);
    }
    // What has no interval is shown where there is nothing else, and is neither ranked nor coloured.
    const sure = view.hasInterval ? ranked.filter((i) => view.interval(i)[0] > 0) : ranked;
    const [counted, doubt] = [[sure, ""], [ranked, "no interval"], [noisy, "noisy"], [invalid, "invalid"]].find(([those]) => those.length) ?? [[], ""];
    if (counted.length === 0) {
      const failure = bad.find((i) => rows.text("status", i) !== "not_run");
      if (failure !== undefined) return { kind: "failed", row: failure, list, reason: reasonOf(rows, failure) };
      if (bad.length) return { kind: "not run", row: bad[0], list, reason: reasonOf(rows, bad[0]) };
      return { kind: "none", row: list[0], list, reason: `no ${view.measure} in ${list.length} rows` };
    }
    let best = counted[0];
    for (const i of counted) if (lower ? numbers[i] < numbers[best] : numbers[i] > numbers[best]) best = i;
    return { kind: "value", value: aggregate(view, counted, best), row: best, counted, list, doubt };
  }

  function reasonOf(rows, i) {
    const status = rows.text("status", i).replaceAll("_", " ");
    const reason = rows.text("reason", i).split("\n", 1)[0];
    return reason ? `${status}: ${reason}` : status;
  }

  function aggregate({ numbers, aggregate: how }, counted, best) {
    if (how === "best" || counted.length === 1) return numbers[best];
    if (how === "geomean") return Math.exp(counted.reduce((sum, i) => sum + Math.log(numbers[i]), 0) / counted.length);
    const sorted = counted.map((i) => numbers[i]).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /**
   * How much better a cell is than its baseline: 2 is twice as fast. The interval is what both intervals
   * allow; over several tests, what they allow together, which is wide rather than narrow.
   */
  function compared(view, cell, base) {
    const pairs = view.aggregate === "best" ? [[cell.row, base.row]] : common(view, cell.counted, base.counted);
    if (pairs.length === 0) return null;
    let middle = 0;
    let low = 0;
    let high = 0;
    for (const [i, j] of pairs) {
      const [ownLow, ownHigh] = view.interval(i);
      const [baseLow, baseHigh] = view.interval(j);
      middle += Math.log(view.numbers[i] / view.numbers[j]);
      low += Math.log(ownLow / baseHigh);
      high += Math.log(ownHigh / baseLow);
    }
    const ratios = [middle, low, high].map((sum) => Math.exp(sum / pairs.length));
    const [ratio, from, to] = view.lower ? [1 / ratios[0], 1 / ratios[2], 1 / ratios[1]] : ratios;
    const known = Number.isFinite(from) && Number.isFinite(to);
    const near = ratio >= 1 / (1 + site.band) && ratio <= 1 + site.band;
    const outcome = !known ? "unknown" : near || (from <= 1 && to >= 1) ? "noise" : ratio > 1 ? "better" : "worse";
    const otherwise = view.aggregate === "best" ? otherSettings(view, cell.row, base.row) : [];
    return { ratio, low: from, high: to, outcome, otherwise, base: base.row, of: Math.max(cell.counted.length, base.counted.length), pairs: pairs.length };
  }

  /** What was set otherwise for two tests, beyond what the pivot itself tells apart. */
  function otherSettings({ rows, setting, asked }, i, j) {
    if (setting(i) === setting(j)) return [];
    return asked.filter((key) => (rows.isNumber(key) ? !Object.is(rows.number(key, i), rows.number(key, j)) : rows.text(key, i) !== rows.text(key, j)));
  }

  /** The tests that both have, by what was set. */
  function common({ setting }, own, base) {
    const found = new Map(base.map((j) => [setting(j), j]));
    return own.map((i) => [i, found.get(setting(i))]).filter(([, j]) => j !== undefined);
  }

  function settingOf(rows, dimension) {
    if (dimension !== "openvino" && dimension !== "openvino_version") {
      const codes = rows.codes("test_id");
      return (i) => codes[i];
    }
    return (i) => SETTING.map((key) => (rows.isNumber(key) ? rows.number(key, i) : rows.text(key, i))).join("\u0000");
  }

  /**
   * @param data explore.Data
   * @param passed the rows that count
   * @param options rows, columns: keys; measure; better: lower or higher; aggregate; base: "best", "" (none)
   *   or "machine:nuc"; unfiltered: the rows that count without the facet of the base
   */
  function pivot(data, passed, options) {
    const { rows } = data;
    const onlySync = mixesLatencies(data, passed, options);
    const counted = (all) => (onlySync ? all.filter((i) => rows.text("scenario", i) === "sync") : all);
    passed = counted(passed);
    const view = {
      rows,
      measure: options.measure,
      numbers: rows.numbers(options.measure),
      ranked: rows.numbers("rank_ok"),
      lower: options.better === "lower",
      aggregate: options.aggregate,
      interval: intervals(rows, options.measure),
    };
    const [dimension, ...rest] = options.base.split(":");
    const name = rest.join(":");
    view.setting = settingOf(rows, dimension);
    view.hasInterval = hasInterval(view, passed);
    view.asked = ASKED.filter((key) => rows.columns.includes(key) && ![...options.rows, ...options.columns, dimension].includes(key));
    const down = grouped(data, passed, options.rows);
    const across = grouped(data, passed, options.columns);
    const width = across.paths.length;
    const cells = new Map();
    for (const [at, list] of cellsOf(passed, down.of, across.of, width)) cells.set(at, summary(view, list));
    markBest(view, cells, width);
    if (options.base === "best") againstBest(view, cells, width);
    else if (options.base && data.dimension(dimension)) {
      const keys = [...options.rows, ...options.columns].filter((key) => key !== dimension);
      const own = counted(options.unfiltered(dimension)).filter((i) => data.name(dimension, i) === name);
      const bases = grouped(data, own, keys);
      const lists = cellsOf(own, bases.of, new Int32Array(own.length), 1);
      const byPath = new Map(bases.paths.map((names, at) => [names.join("\u0000"), summary(view, lists.get(at))]));
      const all = [...options.rows, ...options.columns];
      for (const [at, cell] of cells) {
        if (cell.kind !== "value" || cell.doubt) continue;
        const names = [...down.paths[Math.floor(at / width)], ...across.paths[at % width]];
        const base = byPath.get(names.filter((_, index) => all[index] !== dimension).join("\u0000"));
        if (base?.kind === "value" && !base.doubt) cell.compared = compared(view, cell, base);
        cell.isBase = all.includes(dimension) && names[all.indexOf(dimension)] === name;
      }
    }
    return { down: down.paths, across: across.paths, at: (row, column) => cells.get(row * width + column), hasInterval: view.hasInterval, onlySync };
  }

  /** Latencies of sync and async tests are no one quantity: in async, requests wait for each other. */
  function mixesLatencies(data, passed, { measure, rows: down, columns }) {
    const scenario = data.dimension("scenario");
    if (!measure.startsWith("latency_") || !scenario || [...down, ...columns].includes("scenario")) return false;
    const found = new Set();
    for (let n = 0; n < passed.length && found.size < 2; n += 1) found.add(data.name("scenario", passed[n]));
    return found.size > 1 && data.rows.dictionary("scenario").includes("sync");
  }

  function hasInterval(view, passed) {
    for (let n = 0; n < passed.length; n += 1) if (view.interval(passed[n])[0] > 0) return true;
    return false;
  }

  function leaders(view, cells, width) {
    const best = new Map();
    const several = new Map();
    for (const [at, cell] of cells) {
      if (cell.kind !== "value" || cell.doubt) continue;
      const row = Math.floor(at / width);
      several.set(row, (several.get(row) ?? 0) + 1);
      const leader = best.get(row);
      if (!leader || (view.lower ? cell.value < leader.value : cell.value > leader.value)) best.set(row, cell);
    }
    return { best, several };
  }

  /** The best of a row of several, and what equals it. */
  function markBest(view, cells, width) {
    const { best, several } = leaders(view, cells, width);
    for (const [at, cell] of cells) {
      const row = Math.floor(at / width);
      cell.isBest = view.hasInterval && cell.kind === "value" && !cell.doubt && several.get(row) > 1 && cell.value === best.get(row).value;
    }
  }

  function againstBest(view, cells, width) {
    const { best } = leaders(view, cells, width);
    for (const [at, cell] of cells) {
      const base = best.get(Math.floor(at / width));
      if (cell.kind !== "value" || cell.doubt || !base) continue;
      if (cell === base) cell.isBase = true;
      else cell.compared = compared(view, cell, base);
    }
  }

  Object.assign(explore, { AGGREGATES, pivot });
})();
