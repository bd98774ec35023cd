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

  // Everything that the page shows of two slices by one measure, "latency" or "throughput".
  async function compare(a, b, measure) {
    const [[one, other], [runsA, runsB]] = await Promise.all([
      Promise.all([fleetmark.rows(a.campaign), fleetmark.rows(b.campaign)]),
      Promise.all([fleetmark.runs(a.campaign, a.machine), fleetmark.runs(b.campaign, b.machine)]),
    ]);
    const exact = a.release === any || b.release === any;
    const key = exact ? (test) => test : (test) => configurations[test] ?? test;
    const [first, second] = [chosen(one, a, key), chosen(other, b, key)];
    const column = measure === "latency" ? "latency_ms" : "throughput_fps";
    const ends = measure === "latency" ? ["latency_low_ms", "latency_high_ms"] : ["throughput_low_fps", "throughput_high_fps"];
    const differs = machineDifferences(a, b, [versions(one, first.values()), versions(other, second.values())]);
    const rest = differs.filter((each) => each.label !== "OpenVINO");
    const side = (rows, i, runs) => ({
      row: rows.text("row", i),
      href: rows.text("href", i),
      value: rows.number(column, i),
      interval: ends.map((end) => rows.number(end, i)),
      state: state(rows, i),
      reason: rows.text("reason", i),
      ok: rows.text("status", i) === "ok",
      counted: rows.number("rank_ok", i) === 1,
      runs: runs.get(rows.text("row", i))?.[measure] ?? [],
      version: version(rows.text("openvino_version", i)),
    });
    const pairs = [];
    const only = { a: first.size, b: second.size };
    for (const [name, i] of first) {
      const j = second.get(name);
      if (j === undefined) continue;
      only.a -= 1;
      only.b -= 1;
      const [left, right] = [side(one, i, runsA), side(other, j, runsB)];
      const otherwise = gotOtherwise(one, i, other, j);
      if (left.version && right.version && left.version !== right.version) otherwise.push({ label: "OpenVINO", kind: "software", first: left.version, second: right.version, certain: true });
      const found = left.ok && right.ok ? comparison.compare(rule, left.runs, right.runs, measure === "throughput") : { outcome: "", reason: "", ratio: null, interval: null };
      pairs.push({
        configuration: name,
        place: pairs.length,
        model: one.text("model", i),
        label: label(one, i, other, j),
        a: left,
        b: right,
        counted: left.counted && right.counted,
        badge: comparison.badge([...rest, ...otherwise]),
        ...found,
      });
    }
    const mean = comparison.meanByGroup(rule, pairs.map((pair) => (pair.counted ? pair.ratio : null)), pairs.map(({ model }) => model));
    return { a, b, measure, pairs, only, mean, differs, badge: comparison.badge(differs) };
  }

  fleetmark.slices = { any, campaigns, machines, campaignsOf, releases, releaseName, resolve, names, compare };
})();
