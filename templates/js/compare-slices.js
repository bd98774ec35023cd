// What two slices of the results have in common. A slice is what one machine measured in one campaign with one
// release of OpenVINO; integrator/site/compare/configurations.py defines what they share.
"use strict";

(() => {
  const { fleetmark } = window;
  const { slices, any, got, configurations, rule } = fleetmark.shards.compare;
  const { comparison } = fleetmark;

  const campaigns = () => fleetmark.site.campaigns.filter(({ id }) => Object.keys(slices[id] ?? {}).length > 0);
  const machines = () => [...new Set(campaigns().flatMap(({ id }) => Object.keys(slices[id])))];
  const releases = (campaign, machine) => Object.keys(slices[campaign]?.[machine] ?? {});
  const campaignsOf = (machine) => campaigns().filter(({ id }) => machine in slices[id]);

  // The version that measured, where a test left the release open.
  function releaseName(slice) {
    if (slice.release === any) return "each release by itself";
    if (slice.release !== "auto") return slice.release;
    return (slices[slice.campaign]?.[slice.machine]?.auto ?? []).join(", ") || "unknown";
  }

  // The slices that an address means, or the nearest that there are; `notes` says where they are others.
  function resolve(asked) {
    const notes = [];
    const known = machines();
    const side = (letter, machineAsked, campaignAsked, fallback) => {
      let machine = machineAsked;
      if (machine && !known.includes(machine)) {
        notes.push(`The machine “${machine}” is not on this site; ${letter} shows ${fallback} instead.`);
        machine = "";
      }
      machine = machine || fallback;
      let campaign = campaignsOf(machine)[0].id;
      if (campaignAsked && campaignsOf(machine).some(({ id }) => id === campaignAsked)) campaign = campaignAsked;
      else if (campaignAsked) notes.push(`There is no campaign “${campaignAsked}” with ${machine} on this site; ${letter} shows its newest instead.`);
      else if (campaign !== campaigns()[0].id && machineAsked) notes.push(`${machine} is not in the newest campaign; ${letter} shows the newest that it is in.`);
      return { machine, campaign };
    };
    const first = known.find((name) => name !== asked.b) ?? known[0];
    const a = side("A", asked.a, asked.ca, first);
    const b = side("B", asked.b, asked.cb, known.find((name) => name !== a.machine) ?? a.machine);
    if (a.machine === b.machine && !asked.ca && a.campaign === b.campaign && !asked.ra && !asked.rb) {
      // One machine: an earlier campaign of it says more than itself.
      const before = campaignsOf(a.machine);
      const place = before.findIndex(({ id }) => id === b.campaign);
      if (place + 1 < before.length) a.campaign = before[place + 1].id;
    }
    const choices = [a, b].map((slice) => releases(slice.campaign, slice.machine));
    const alike = choices[0].join("\n") === choices[1].join("\n");
    const itself = a.machine === b.machine && a.campaign === b.campaign;
    [[a, asked.ra, "A"], [b, asked.rb, "B"]].forEach(([slice, wanted, letter], place) => {
      const there = choices[place];
      const ordered = [...there].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
      const newest = ordered[ordered.length - 1];
      slice.release = alike && !itself && there.length > 1 ? any : itself && place === 0 ? ordered[Math.max(0, ordered.length - 2)] : newest;
      if (wanted && (there.includes(wanted) || (wanted === any && there.length > 1))) slice.release = wanted;
      else if (wanted) notes.push(`${slice.machine} was not measured with OpenVINO ${wanted} in this campaign; ${letter} shows ${releaseName(slice)} instead.`);
    });
    if (["machine", "campaign", "release"].every((key) => a[key] === b[key])) {
      notes.push("A and B are the same: choose another machine, campaign or release of OpenVINO for one of them.");
    }
    return { a, b, notes };
  }

  // What tells the two apart, as short as it may be.
  function names(a, b) {
    const titles = Object.fromEntries(campaigns().map(({ id, title }) => [id, title]));
    const unique = titles[a.campaign] !== titles[b.campaign];
    return [a, b].map((slice) => {
      const other = slice === a ? b : a;
      const parts = [slice.machine];
      if (slice.campaign !== other.campaign) parts.push(unique ? titles[slice.campaign] : slice.campaign);
      if (slice.release !== other.release || (slice.campaign !== other.campaign && releaseName(slice) !== releaseName(other))) parts.push(`OpenVINO ${releaseName(slice)}`);
      return parts.join(" · ");
    });
  }

  function chosen(rows, slice, key) {
    const machine = rows.dictionary("machine").indexOf(slice.machine);
    const codes = rows.codes("machine");
    const asked = rows.dictionary("openvino").indexOf(slice.release);
    const open = rows.codes("openvino");
    const found = new Map();
    for (let i = 0; i < codes.length; i += 1) {
      if (codes[i] !== machine) continue;
      if (slice.release !== any && open[i] !== asked && !(slice.release === "auto" && rows.text("openvino", i) === "")) continue;
      const name = key(rows.text("test_id", i));
      if (!found.has(name)) found.set(name, i);
    }
    return found;
  }

  const counts = ["streams", "threads", "requests"];

  // What was set, and on which side other numbers were got.
  function label(one, i, other, j) {
    const parts = ["precision", "device", "scenario"].map((key) => one.text(key, i));
    const hint = one.text("hint", i);
    if (hint && hint !== "none") parts.push(`${hint} hint`);
    parts.push(`batch ${one.number("batch", i)}`);
    for (const key of counts) {
      const [a, b] = [one.number(key, i), other.number(key, j)];
      const known = [a, b].filter((value) => !Number.isNaN(value));
      if (known.length === 0) continue;
      const same = known.length < 2 || a === b;
      parts.push(same ? `${known[0]} ${known[0] === 1 ? key.slice(0, -1) : key}` : `${a} → ${b} ${key}`);
    }
    const region = one.text("timed_region", i);
    if (region && region !== "inference") parts.push(region.replaceAll("_", " "));
    parts.push(one.text("settings", i));
    return parts.filter(Boolean).join(" · ");
  }

  const value = (rows, key, i) => (rows.isNumber(key) ? rows.number(key, i) : rows.text(key, i));
  const missing = (found) => found === "" || Number.isNaN(found);
  const version = (text) => /^[0-9]+(\.[0-9]+)*/.exec(text)?.[0] ?? text;

  // What a pair of tests got otherwise; what is unknown on one side is no difference.
  function gotOtherwise(one, i, other, j) {
    const found = [];
    for (const [key, words] of Object.entries(got)) {
      const [a, b] = [value(one, key, i), value(other, key, j)];
      if (!missing(a) && !missing(b) && a !== b) found.push({ label: words, kind: "setting", first: String(a), second: String(b), certain: true });
    }
    return found;
  }

  function state(rows, i) {
    const status = rows.text("status", i);
    return status === "ok" ? rows.text("verdict", i) || "without a verdict" : status.replaceAll("_", " ");
  }

  // Which OpenVINO measured is known by test; a machine's description knows one version of several.
  function versions(rows, places) {
    const found = new Set();
    for (const i of places) if (rows.text("openvino_version", i)) found.add(version(rows.text("openvino_version", i)));
    return [...found].join(", ") || null;
  }

  function machineDifferences(a, b, measured) {
    const found = comparison.differences(fleetmark.shards.machines, [a.campaign, a.machine], [b.campaign, b.machine]).filter((each) => each.label !== "OpenVINO");
    const [first, second] = measured;
    if (first === second) return found;
    const openvino = { label: "OpenVINO", kind: "software", first, second, certain: first !== null && second !== null };
    const at = openvino.certain ? found.findIndex((each) => !each.certain || each.kind === "setting") : -1;
    found.splice(at < 0 ? found.length : at, 0, openvino);
    return found;
  }

  // One test of a slice.
  class Side {
    constructor(table, i) {
      this.table = table;
      this.i = i;
      this.row = table.rows.text("row", i);
      this.ok = table.ok(i);
      this.counted = table.counted[i] === 1;
      this.runs = table.runs.get(this.row)?.[table.measure] ?? [];
    }

    get value() { return this.table.rows.number(this.table.column, this.i); }
    get interval() { return this.table.ends.map((end) => this.table.rows.number(end, this.i)); }
    get href() { return this.table.rows.text("href", this.i); }
    get reason() { return this.table.rows.text("reason", this.i); }
    get state() { return state(this.table.rows, this.i); }
    get version() { return version(this.table.rows.text("openvino_version", this.i)); }
  }

  // A configuration that both planned. What is only drawn is worked out when it is: there may be 100,000.
  class Pair {
    constructor(configuration, place, a, b, found, rest) {
      this.configuration = configuration;
      this.place = place;
      this.a = a;
      this.b = b;
      this.counted = a.counted && b.counted;
      this.outcome = found?.outcome ?? "";
      this.ratio = found?.ratio ?? null;
      this.interval = found?.interval ?? null;
      this.rest = rest;
    }

    get model() { return this.a.table.rows.text("model", this.a.i); }
    get label() { return label(this.a.table.rows, this.a.i, this.b.table.rows, this.b.i); }
    get reason() { return this.outcome ? comparison.reasonOf(rule, this.a.runs, this.b.runs, this) : ""; }

    get badge() {
      const otherwise = gotOtherwise(this.a.table.rows, this.a.i, this.b.table.rows, this.b.i);
      const [first, second] = [this.a.version, this.b.version];
      if (first && second && first !== second) otherwise.push({ label: "OpenVINO", kind: "software", first, second, certain: true });
      return comparison.badge([...this.rest, ...otherwise]);
    }
  }

  function tableOf(rows, runs, measure) {
    const ok = rows.dictionary("status").indexOf("ok");
    const status = rows.codes("status");
    return {
      rows,
      runs,
      measure,
      column: measure === "latency" ? "latency_ms" : "throughput_fps",
      ends: measure === "latency" ? ["latency_low_ms", "latency_high_ms"] : ["throughput_low_fps", "throughput_high_fps"],
      counted: rows.numbers("rank_ok"),
      ok: (i) => status[i] === ok,
    };
  }

  // Everything that the page shows of two slices by one measure, "latency" or "throughput".
  async function compare(a, b, measure) {
    const [[one, other], [runsA, runsB]] = await Promise.all([
      Promise.all([fleetmark.rows(a.campaign), fleetmark.rows(b.campaign)]),
      Promise.all([fleetmark.runs(a.campaign, a.machine), fleetmark.runs(b.campaign, b.machine)]),
    ]);
    const exact = a.release === any || b.release === any;
    const key = exact ? (test) => test : (test) => configurations[test] ?? test;
    const [first, second] = [chosen(one, a, key), chosen(other, b, key)];
    const differs = machineDifferences(a, b, [versions(one, first.values()), versions(other, second.values())]);
    const rest = differs.filter((each) => each.label !== "OpenVINO");
    const [tableA, tableB] = [tableOf(one, runsA, measure), tableOf(other, runsB, measure)];
    const pairs = [];
    for (const [name, i] of first) {
      const j = second.get(name);
      if (j === undefined) continue;
      const [left, right] = [new Side(tableA, i), new Side(tableB, j)];
      const found = left.ok && right.ok ? comparison.measure(rule, left.runs, right.runs, measure === "throughput") : null;
      pairs.push(new Pair(name, pairs.length, left, right, found, rest));
    }
    const only = { a: first.size - pairs.length, b: second.size - pairs.length };
    const mean = comparison.meanByGroup(rule, pairs.map((pair) => (pair.counted ? pair.ratio : null)), pairs.map(({ model }) => model));
    mean.outcome = mean.interval ? comparison.outcomeOf(rule, mean.interval, measure === "throughput") : "inconclusive";
    return { a, b, measure, pairs, only, mean, differs, badge: comparison.badge(differs) };
  }

  fleetmark.slices = { any, campaigns, machines, campaignsOf, releases, releaseName, resolve, names, compare };
})();
