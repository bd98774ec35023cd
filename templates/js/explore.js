// The explorer: reads the state from the address, asks the data, and shows the table or the pivot.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, el, list } = fleetmark;
  const place = document.getElementById("explore");
  const part = (name) => place.querySelector(`[data-part="${name}"]`);
  const usual = new Set(place.dataset.usual.split(","));
  const state = fleetmark.state({
    campaign: "", q: "", view: "table", sort: "", page: "1", columns: "",
    rows: "model", cols: "machine", measure: "throughput_fps", agg: "best", base: "best",
    ...Object.fromEntries(explore.FACETS.map((key) => [key, ""])),
  });
  const search = part("search");
  let loaded = null; // the campaign on show: {id, rows, data, columns, panel, picker, menu}
  let filtered = null; // {key, passed, counts}
  let ordered = null; // {key, rows}
  let pivoted = null;
  let turn = 0;

  const tables = new explore.Table(part("table"), ({ key, direction, page }) => {
    state.set({ sort: key ? (direction === "desc" ? `-${key}` : key) : "", page: String(page) });
  });

  async function load(id) {
    const rows = await fleetmark.rows(id);
    const data = new explore.Data(rows);
    const columns = inOrder(fleetmark.site.columns.filter(({ key }) => rows.columns.includes(key)));
    const measures = columns.filter(({ key, better }) => better && rows.isNumber(key));
    const dimensions = explore.FACETS.filter((key) => data.dimension(key));
    const panel = new explore.Panel(part("facets"), data, (key, names) => {
      change({ [key]: names ? list.write(names, data.dimension(key).names) : "" });
    });
    const picker = new explore.ColumnPicker(part("columns"), columns, usual, (text) => change({ columns: text }, { keepPage: true }));
    const menu = new explore.PivotMenu(part("pivot-menu"), { data, dimensions, measures, bases: bases(data), change });
    const pages = new Map([
      ["machine", new Map(fleetmark.site.machines.map((machine) => [machine.name, machine.page]))],
      ["model", new Map(fleetmark.site.models.map((model) => [model.name, model.page]))],
    ]);
    filtered = ordered = pivoted = null;
    part("exact").hidden = rows.exact;
    setTimeout(() => explore.presets(part("presets"), data));
    return { id, rows, data, columns, measures, dimensions, panel, picker, menu, pages };
  }

  /** Settings, numbers, how it ended, rare settings; on a phone the numbers first, or none would be in view. */
  function inOrder(columns) {
    const narrow = window.matchMedia("(max-width: 40rem)").matches;
    const numbers = ["Latency", "Throughput"];
    const groups = narrow ? ["Test", ...numbers, "Outcome", "Setting"] : ["Test", "Setting", ...numbers, "Outcome"];
    const rare = ["openvino", "settings", "timed_region"];
    const place = ({ group, key }) => (groups.includes(group) && !rare.includes(key) ? groups.indexOf(group) : groups.length);
    return columns.map((column, at) => [place(column), at, column]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , column]) => column);
  }

  function bases(data) {
    const of = (key, words) => (data.dimension(key)?.names ?? []).map((name) => [`${key}:${name}`, `${words} ${explore.short(name)}`]);
    const releases = (data.dimension("openvino_version")?.names.length ?? 0) > 1 ? of("openvino_version", "OpenVINO") : [];
    return [["best", "the best of each row"], ["none", "nothing"], ...releases, ...of("machine", "machine")];
  }

  /** What tells in what two machines differ; a copy of the site without it can do without. */
  async function needDifferences() {
    try {
      if (!fleetmark.comparison) await fleetmark.loadScript("assets/js/compare-core.js");
      if (!fleetmark.shards?.machines) await fleetmark.loadScript("assets/machines.js");
    } catch {
      return; // `badgeAgainst` says so
    }
  }

  /** In what a machine differs from the baseline, in words; null where the baseline is none. */
  function badgeAgainst(base) {
    if (!base.startsWith("machine:")) return null;
    const name = base.slice("machine:".length);
    const { comparison, shards } = fleetmark;
    return (machine) => {
      if (machine === name) return "";
      if (!comparison || !shards?.machines) return "in what it differs is not known";
      return comparison.badge(comparison.differences(shards.machines, [loaded.id, name], [loaded.id, machine]));
    };
  }

  function change(changes, { keepPage = false } = {}) {
    state.set(keepPage ? changes : { page: "1", ...changes });
  }

  function keysOf(text, slots) {
    return text.split(",").filter((key) => loaded.dimensions.includes(key)).slice(0, slots);
  }

  /** What is chosen for the pivot; what this campaign does not have falls back to the default. */
  function pivotChoice(now) {
    const known = (key) => loaded.measures.some((column) => column.key === key);
    const measure = [now.measure, state.defaults.measure, loaded.measures[0].key].find(known);
    const [dimension, ...name] = now.base.split(":");
    const isKnown = ["best", "none"].includes(now.base) || loaded.data.dimension(dimension)?.names.includes(name.join(":"));
    const rows = keysOf(now.rows, explore.PIVOT_SLOTS.rows);
    return {
      rows: rows.length ? rows : ["model"],
      columns: keysOf(now.cols, explore.PIVOT_SLOTS.columns).filter((key) => !rows.includes(key)),
      measure,
      aggregate: now.agg in explore.AGGREGATES ? now.agg : "best",
      base: isKnown ? now.base : "best",
    };
  }

  function sorted(key, direction) {
    const name = `${filtered.key} ${direction} ${key}`;
    if (ordered?.name !== name) ordered = { name, rows: loaded.data.sorted(filtered.passed, key, direction) };
    return ordered.rows;
  }

  function sortOf(now) {
    const direction = now.sort.startsWith("-") ? "desc" : "asc";
    const key = now.sort.replace(/^-/, "");
    return { key: loaded.columns.some((column) => column.key === key) ? key : "", direction };
  }

  function filtersOf(now) {
    return Object.fromEntries(["q", ...explore.FACETS].filter((key) => now[key]).map((key) => [key, now[key]]));
  }

  function filter(now) {
    const key = JSON.stringify([loaded.id, filtersOf(now)]);
    if (filtered?.key === key) return false;
    filtered = { key, ...loaded.data.filter(explore.chosenIn(loaded.data, now), now.q) };
    return true;
  }

  async function show(now) {
    const mine = (turn += 1);
    try {
      const id = fleetmark.site.campaigns.some((campaign) => campaign.id === now.campaign) ? now.campaign : fleetmark.site.campaigns[0].id;
      if (loaded?.id !== id) {
        part("shown").textContent = "Reading the rows …";
        const next = await load(id);
        if (mine !== turn) return;
        loaded = next;
      }
      const chosen = explore.columnsIn(now.columns, loaded.columns.map(({ key }) => key), usual);
      const { key, direction } = sortOf(now);
      const pivot = pivotChoice(now);
      const needed = now.view === "pivot" ? [pivot.measure] : [...chosen, key].filter(Boolean);
      if (needed.some((name) => !loaded.rows.has(name))) {
        await loaded.rows.need(needed);
        if (mine !== turn) return;
      }
      if (now.view === "pivot" && pivot.base.startsWith("machine:")) {
        await needDifferences();
        if (mine !== turn) return;
      }
      draw(now, { chosen, key, direction, pivot });
    } catch (error) {
      const told = document.getElementById("explore-error");
      told.hidden = false;
      told.querySelector(".why").textContent = error.message;
      place.hidden = true;
      throw error;
    }
  }

  /** What the address asks for and this campaign has not, in words: something else is shown in its place. */
  function gone(now, { key, pivot }) {
    const quoted = (text) => `“${explore.short(text)}”`;
    const found = [];
    if (now.campaign && now.campaign !== loaded.id) found.push(`There is no campaign ${quoted(now.campaign)} on this site: this is ${quoted(loaded.id)}, the newest.`);
    for (const facet of explore.FACETS.filter((name) => now[name].startsWith("+"))) {
      const all = new Set(loaded.data.dimension(facet)?.names ?? []);
      const names = list.names(now[facet]).filter((name) => !all.has(name));
      if (names.length) found.push(`This campaign has no ${explore.title(facet)} ${names.slice(0, 5).map(quoted).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}.`);
    }
    if (now.view !== "pivot") {
      if (now.sort && !key) found.push(`It has no column ${quoted(now.sort.replace(/^-/, ""))} to sort by.`);
      return found;
    }
    if (now.measure !== pivot.measure) found.push(`It has no measure ${quoted(now.measure)}: this is ${quoted(pivot.measure)}.`);
    if (now.base !== pivot.base) found.push(`It has no ${quoted(now.base.replace(":", " "))} to compare with: each row is compared with its best.`);
    const used = [...pivot.rows, ...pivot.columns];
    const lost = [...now.rows.split(","), ...now.cols.split(",")].filter((name) => name && !used.includes(name) && !loaded.dimensions.includes(name));
    if (lost.length) found.push(`It has no ${lost.map(quoted).join(", ")} to put into rows or columns.`);
    return found;
  }

  function draw(now, { chosen, key, direction, pivot }) {
    const missing = gone(now, { key, pivot });
    part("gone").hidden = missing.length === 0;
    part("gone").textContent = missing.join(" ");
    const facets = explore.chosenIn(loaded.data, now);
    const anew = filter(now);
    if (anew) loaded.panel.show(facets, filtered.counts);
    explore.pills(part("pills"), {
      data: loaded.data, chosen: facets, raw: now, query: now.q, remove: (name) => change({ [name]: "" }),
    });
    const all = loaded.rows.length.toLocaleString("en-US");
    const words = `${filtered.passed.length.toLocaleString("en-US")} of ${all} rows`;
    part("shown").textContent = words;
    part("filter-count").textContent = facets.size + Boolean(now.q) ? ` ${facets.size + Boolean(now.q)} set` : "";
    part("reset").hidden = facets.size === 0 && !now.q;
    if (document.activeElement !== search) search.value = now.q;
    part("campaign").value = now.campaign === loaded.id ? loaded.id : "";
    loaded.picker.show(chosen);
    loaded.menu.show(pivot);
    const isPivot = now.view === "pivot";
    for (const box of place.querySelectorAll("input[name=view]")) box.checked = box.value === (isPivot ? "pivot" : "table");
    part("table").hidden = isPivot;
    part("pivot").hidden = part("pivot-box").hidden = !isPivot;
    part("column-menu").hidden = isPivot;
    if (isPivot) drawPivot(now, pivot);
    else drawTable(now, chosen, key, direction);
    document.documentElement.dataset.explore = "ready";
  }

  function tableView(now, chosen) {
    const { rows, columns, id, pages } = loaded;
    return {
      rows, pages, sorted, campaign: id,
      caption: `Tests of the campaign ${id}`,
      columns: columns.filter((column) => chosen.has(column.key)),
      filters: filtersOf(now),
    };
  }

  function drawTable(now, chosen, key, direction) {
    const view = tableView(now, chosen.size ? chosen : new Set(["machine"]));
    const page = Math.max(1, Number.parseInt(now.page, 10) || 1);
    tables.show(view, { key, direction, page: Math.min(page, Math.max(1, Math.ceil(filtered.passed.length / 50))) });
  }

  function drawPivot(now, choice) {
    const column = loaded.measures.find(({ key }) => key === choice.measure);
    const facets = explore.chosenIn(loaded.data, now);
    const unfiltered = (dimension) => {
      const others = new Map([...facets].filter(([key]) => key !== dimension));
      return loaded.data.filter(others, now.q).passed;
    };
    const base = choice.base === "none" ? "" : choice.base;
    const [dimension, ...name] = base.split(":");
    const view = {
      rows: loaded.rows, campaign: loaded.id, column, aggregate: choice.aggregate,
      caption: `Campaign ${loaded.id}`,
      rowKeys: choice.rows, columnKeys: choice.columns,
      baseWords: base === "best" ? "the best of its row" : base ? `${explore.title(dimension)} ${explore.short(name.join(":"))}` : "",
      filters: filtersOf(now),
      badge: badgeAgainst(base),
      drill: (cell) => drill(now, cell, [...choice.rows, ...choice.columns, ...(pivot.onlySync ? ["scenario"] : [])]),
    };
    const pivot = explore.pivot(loaded.data, filtered.passed, { ...choice, base, better: column.better, unfiltered });
    pivoted = { view, pivot };
    const across = choice.columns.map(explore.title).join(", ");
    part("pivot-words").textContent = `${choice.rows.map(explore.title).join(", ")}${across ? ` × ${across}` : ""}: ${explore.AGGREGATES[choice.aggregate]} ${explore.named(column)}`;
    explore.drawPivot(part("pivot"), view, pivot);
  }

  /** The address of the tests behind one cell. */
  function drill(now, cell, keys) {
    const next = { ...now, view: "table", page: "1" };
    for (const key of keys) next[key] = list.write(new Set([loaded.data.name(key, cell.row)]), loaded.data.dimension(key).names);
    return `#${new URLSearchParams(Object.entries(next).filter(([key, value]) => value !== state.defaults[key]))}`;
  }

  function download(kind) {
    const now = state.get();
    const name = `${loaded.id}-${now.view === "pivot" ? "pivot" : "rows"}.${kind}`;
    const type = kind === "csv" ? "text/csv;charset=utf-8" : "application/json";
    const chosen = explore.columnsIn(now.columns, loaded.columns.map(({ key }) => key), usual);
    const { key, direction } = sortOf(now);
    const text = now.view === "pivot"
      ? explore[kind === "csv" ? "pivotCsv" : "pivotJson"](pivoted.view, pivoted.pivot)
      : explore[kind === "csv" ? "tableCsv" : "tableJson"](tableView(now, chosen), sorted(key, direction));
    fleetmark.download(name, type, text);
    fleetmark.announce(`${name} is downloaded`);
  }

  // The newest, whichever that is when the link is opened; or a campaign by its name, which the link then keeps.
  part("campaign").append(el("option", { value: "" }, "the newest"), ...fleetmark.site.campaigns.map(({ id, title, created_at: at, complete }) => el("option", { value: id }, `${explore.short(title)} (${at.slice(0, 10)})${complete ? "" : ", partial"}`)));
  part("campaign").addEventListener("change", () => {
    change({ campaign: part("campaign").value });
  });
  part("campaign").closest("label").hidden = fleetmark.site.campaigns.length < 2;
  search.addEventListener("input", () => state.set({ q: search.value.trim(), page: "1" }, { push: false }));
  place.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  for (const box of place.querySelectorAll("input[name=view]")) box.addEventListener("change", () => change({ view: box.value }));
  part("reset").addEventListener("click", () => {
    search.value = "";
    change({ q: "", ...Object.fromEntries(explore.FACETS.map((key) => [key, ""])) });
    search.focus();
  });
  part("past-filters").addEventListener("click", () => search.focus());
  part("csv").addEventListener("click", () => download("csv"));
  part("json").addEventListener("click", () => download("json"));
  if (window.matchMedia("(max-width: 60rem)").matches) part("filter-panel").open = part("pivot-box").open = false;
  state.onChange((now) => show(now));
  place.hidden = false;
  show(state.get());
})();
