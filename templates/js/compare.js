// The page of comparisons: what is chosen stands in the address, and everything is drawn from it.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, slices, compareView: view } = fleetmark;
  const section = document.querySelector("section.compare");
  const form = section.querySelector("form.sides");
  // Cards on a phone are tall.
  const PAGE = window.matchMedia("(max-width: 48rem)").matches ? 20 : 50;
  const OUTCOMES = ["faster", "slower", "equivalent", "inconclusive"];
  const place = (id) => document.getElementById(id);

  const defaults = { a: "", b: "", ca: "", cb: "", ra: "", rb: "", m: "throughput", show: "all", sort: "", dir: "asc", p: "1" };
  const state = fleetmark.state(defaults);
  let now = null; // what is chosen, or stands in for it
  let found = null; // what was compared, and the names of both
  let turn = 0;

  const shows = {
    all: ["all", () => true],
    certain: ["certain ones: faster, slower or equivalent", (pair) => pair.counted && pair.outcome !== "inconclusive"],
    faster: ["B is faster", (pair) => pair.counted && pair.outcome === "faster"],
    slower: ["B is slower", (pair) => pair.counted && pair.outcome === "slower"],
    unsure: ["inconclusive", (pair) => pair.counted && pair.outcome === "inconclusive"],
    out: ["not counted: noisy, invalid or not ok", (pair) => !pair.counted],
  };
  const byText = new Intl.Collator("en", { numeric: true }).compare;
  const missingLast = (value) => (value === null || Number.isNaN(value) ? null : value);
  const columns = [
    { key: "model", heading: "configuration", of: (pair) => pair.model },
    { key: "a", heading: "A", number: true, of: (pair) => (pair.a.ok ? missingLast(pair.a.value) : null) },
    { key: "b", heading: "B", number: true, of: (pair) => (pair.b.ok ? missingLast(pair.b.value) : null) },
    { key: "ratio", heading: "ratio B ÷ A", number: true, of: (pair) => pair.ratio },
    { key: "verdict", heading: "B by A", of: (pair) => (pair.counted ? OUTCOMES.indexOf(pair.outcome) : null) },
    { key: "badge", heading: "comparability", of: (pair) => pair.badge },
  ];

  // A link names both machines, also those that nobody chose: another site may begin with others.
  const machines = () => ({ a: now.a.machine, b: now.b.machine });
  const option = (value, words) => el("option", { value }, words);

  function fill(name, options, value) {
    const select = form.elements.namedItem(name);
    select.replaceChildren(...options);
    select.value = value;
    select.disabled = options.length < 2;
  }

  function describe(campaign) {
    const alike = slices.campaigns().filter(({ title }) => title === campaign.title).length > 1;
    return `${campaign.title} (${campaign.created_at.slice(0, 10)}${alike ? `, ${campaign.id}` : ""})${campaign.complete ? "" : ", partial"}`;
  }

  function fillSide(letter, slice) {
    fill(letter, slices.machines().map((name) => option(name, name)), slice.machine);
    fill(`c${letter}`, slices.campaignsOf(slice.machine).map((each) => option(each.id, describe(each))), slice.campaign);
    const there = slices.releases(slice.campaign, slice.machine);
    const all = there.length > 1 ? [option(slices.any, "each release by itself")] : [];
    fill(`r${letter}`, [...all, ...there.map((release) => option(release, slices.releaseName({ ...slice, release })))], slice.release);
  }

  // The rows that are shown, in their order.
  function ordered(pairs, { show, sort, dir }) {
    const rows = pairs.filter((shows[show] ?? shows.all)[1]);
    const column = columns.find(({ key }) => key === sort);
    if (!column) return rows;
    const sign = dir === "desc" ? -1 : 1;
    const keyed = rows.map((pair) => [column.of(pair), pair]);
    keyed.sort(([one, a], [other, b]) => {
      // What is missing comes last in both directions.
      if (one === null || other === null) return (one === null) - (other === null) || a.place - b.place;
      return sign * (typeof one === "number" ? one - other : byText(one, other)) || a.place - b.place;
    });
    return keyed.map(([, pair]) => pair);
  }

  function heading({ key, heading: words, number }, { sort, dir }) {
    const active = sort === key;
    const names = slices.names(found.a, found.b);
    const name = names.every((each) => each.length <= 24) ? { a: names[0], b: names[1] }[key] : undefined;
    const sortBy = () => {
      state.set({ ...machines(), sort: key, dir: active && dir === "asc" ? "desc" : "asc", p: "1" });
      section.querySelector(`th[data-key="${key}"] button`).focus();
    };
    return el("th", { scope: "col", class: number ? "number" : null, dataset: { key }, "aria-sort": active ? (dir === "desc" ? "descending" : "ascending") : null },
      el("button", { type: "button", onclick: sortBy }, words),
      name ? el("span", { class: "unit" }, el("bdi", {}, name)) : null,
      key === "a" || key === "b" ? el("span", { class: "unit" }, `[${view.units[found.measure]}]`) : null,
      key === "ratio" ? el("span", { class: "unit" }, "95 % interval") : null);
  }

  function turner(words, page, last, target) {
    const go = () => {
      state.set({ ...machines(), p: String(target) });
      place("rows").querySelector("h3").scrollIntoView();
      fleetmark.announce(`Page ${target} of ${last}`);
    };
    return el("button", { type: "button", disabled: target < 1 || target > last, onclick: go }, words);
  }

  function table() {
    const asked = state.get();
    const rows = ordered(found.pairs, asked);
    const last = Math.max(1, Math.ceil(rows.length / PAGE));
    const page = Math.min(last, Math.max(1, Number.parseInt(asked.p, 10) || 1));
    const shown = rows.slice((page - 1) * PAGE, page * PAGE);
    const select = el("select", { name: "show", onchange: (event) => { state.set({ ...machines(), show: event.target.value, p: "1" }); place("rows").querySelector("select").focus(); } },
      Object.entries(shows).map(([key, [words, test]]) => option(key, `${words} (${found.pairs.filter(test).length.toLocaleString("en-US")})`)));
    select.value = asked.show in shows ? asked.show : "all";
    const pager = last > 1 ? el("nav", { class: "pager", "aria-label": "Pages of the table" },
      turner("Previous", page, last, page - 1), `Page ${page} of ${last}`, turner("Next", page, last, page + 1)) : null;
    const body = shown.length ? shown.map((pair) => view.row(pair, found)) : el("tr", {}, el("td", { class: "empty", colspan: columns.length }, "No such configuration."));
    place("rows").replaceChildren(...[
      el("h3", { id: "rows-title" }, "Every configuration that both planned"),
      el("div", { class: "controls shown" },
        el("label", {}, "Show ", select),
        el("button", { type: "button", name: "csv", onclick: () => save("csv") }, "Download CSV"),
        el("button", { type: "button", name: "json", onclick: () => save("json") }, "Download JSON")),
      el("div", { class: "scroll pairs", tabindex: 0, role: "region", "aria-labelledby": "rows-title" },
        el("table", {},
          el("caption", {}, el("span", { class: "text" }, `${view.plural(rows.length, "configuration")}; the ratio is the median of all ratios of a run of B to a run of A.`)),
          el("thead", {}, el("tr", {}, columns.map((column) => heading(column, asked)))),
          el("tbody", {}, body))),
      pager,
    ].filter(Boolean));
  }

  function drawStrip() {
    const width = Math.floor(place("strip").getBoundingClientRect().width);
    place("strip").replaceChildren(...fleetmark.compareStrip(found, Math.max(240, width)));
  }

  function draw() {
    const names = slices.names(found.a, found.b);
    place("headline").replaceChildren(...view.headline(found, names));
    place("differences").replaceChildren(...view.differences(found, names));
    drawStrip();
    table();
    document.title = `${names[1]} by ${names[0]} – fleetmark`;
  }

  function fields() {
    const list = (slice) => ({ machine: slice.machine, campaign: slice.campaign, openvino: slices.releaseName(slice) });
    const rows = ordered(found.pairs, state.get()).map((pair) => ({
      model: pair.model, setting: pair.label, configuration: pair.configuration,
      a: pair.a.ok ? pair.a.value : null, b: pair.b.ok ? pair.b.value : null,
      ratio: pair.ratio, ratio_low: pair.interval?.[0] ?? null, ratio_high: pair.interval?.[1] ?? null,
      outcome: pair.outcome, reason: pair.reason, counted: pair.counted ? "yes" : "no",
      state_a: pair.a.state, state_b: pair.b.state, runs_a: pair.a.runs.length, runs_b: pair.b.runs.length, comparability: pair.badge,
    }));
    return { a: list(found.a), b: list(found.b), rows };
  }

  const fileName = () => `compare-${[found.a.machine, found.b.machine].map((name) => name.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 60)).join("-")}-${found.measure}`;

  function save(kind) {
    const { a, b, rows } = fields();
    if (kind === "json") {
      const { outcome, ratio, interval, reason, known, of, groups } = found.mean;
      const value = {
        schema_version: 1, measure: found.measure === "latency" ? "latency_ms" : "throughput_fps", ratio_of: "b ÷ a", a, b,
        mean: { outcome, ratio, low: interval?.[0] ?? null, high: interval?.[1] ?? null, reason, known, of, models: groups },
        planned_for_one_alone: found.only,
        differences: found.differs.map(({ label, kind: sort, first, second }) => ({ fact: label, kind: sort, a: first, b: second })),
        rows: rows.map((row) => ({ ...row, counted: row.counted === "yes", a: missingLast(row.a), b: missingLast(row.b) })),
      };
      fleetmark.download(`${fileName()}.json`, "application/json", `${JSON.stringify(value, null, 1)}\n`);
      return;
    }
    const unit = found.measure === "latency" ? "latency_ms" : "throughput_fps";
    const keys = ["model", "setting", "configuration", "a", "b", "ratio", "ratio_low", "ratio_high", "outcome", "reason", "counted", "state_a", "state_b", "runs_a", "runs_b", "comparability"];
    const titles = ["machine_a", "campaign_a", "openvino_a", "machine_b", "campaign_b", "openvino_b", ...keys.map((key) => (key === "a" || key === "b" ? `${unit}_${key}` : key))];
    const sides = [a.machine, a.campaign, a.openvino, b.machine, b.campaign, b.openvino];
    const lines = [titles, ...rows.map((row) => [...sides, ...keys.map((key) => row[key])])];
    fleetmark.download(`${fileName()}.csv`, "text/csv", lines.map((line) => `${line.map(fleetmark.csvCell).join(",")}\n`).join(""));
  }

  let drawn = "";

  // Takes up what the address says. A newer choice overtakes an older one that is still loading.
  async function update() {
    const asked = state.get();
    const measure = asked.m === "latency" ? "latency" : "throughput";
    now = slices.resolve(asked);
    const choice = JSON.stringify([now, measure]);
    if (found && choice === drawn) {
      table();
      return;
    }
    const mine = (turn += 1);
    fillSide("a", now.a);
    fillSide("b", now.b);
    form.elements.namedItem("m").value = measure;
    place("notes").replaceChildren(...now.notes.map((note) => el("p", { class: "notice" }, note)));
    place("headline").setAttribute("aria-busy", "true");
    if (!found) place("headline").replaceChildren(el("p", { class: "empty" }, "Comparing …"));
    try {
      const result = await slices.compare(now.a, now.b, measure);
      if (mine !== turn) return;
      found = result;
      drawn = choice;
      draw();
      fleetmark.announce([...now.notes, place("headline").querySelector(".answer").textContent].join(" "));
    } catch (error) {
      if (mine !== turn) return;
      found = null;
      for (const id of ["headline", "strip", "differences", "rows"]) place(id).replaceChildren();
      place("headline").append(el("p", { class: "notice" }, `This comparison cannot be drawn: ${error.message}.`));
    } finally {
      if (mine === turn) place("headline").removeAttribute("aria-busy");
    }
  }

  form.addEventListener("change", ({ target }) => {
    const { name, value } = target;
    const letter = name.slice(-1);
    // Another machine: its campaign and release are chosen anew, and the other side stays what it is.
    const other = letter === "a" ? "b" : "a";
    const kept = name === "m" ? machines() : { [other]: now[other].machine, [letter]: now[letter].machine };
    const reset = name === "a" || name === "b" ? { [`r${letter}`]: "" } : name.startsWith("c") ? { [`r${letter}`]: "" } : {};
    state.set({ ...kept, ...reset, [name]: value, p: "1" });
  });
  form.elements.namedItem("swap").addEventListener("click", () => {
    const { a, b } = now;
    state.set({ a: b.machine, b: a.machine, ca: b.campaign, cb: a.campaign, ra: b.release, rb: a.release, p: "1" });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.querySelector("#matrix").addEventListener("click", (event) => {
    if (event.target.closest("td a")) place("result-title").focus();
  });
  let width = 0;
  new ResizeObserver(([entry]) => {
    const next = Math.floor(entry.contentRect.width);
    if (found && next !== width) drawStrip();
    width = next;
  }).observe(place("strip"));

  if (slices.machines().length === 0) return;
  section.hidden = false;
  state.onChange(update);
  update();
})();
