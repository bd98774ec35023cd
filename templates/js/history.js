// history.html: the tests of one machine across the campaigns, out of its file in assets/history/.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number, exact } = fleetmark;
  const form = document.querySelector("#tests form.controls");
  const place = document.querySelector("#tests .dynamic");
  const known = JSON.parse(document.getElementById("known").textContent);
  if (!known.machines.length) return;

  const PER_PAGE = 50;
  const OUTCOMES = ["faster", "slower", "equivalent", "inconclusive"];
  const SIGNS = { faster: "▲", slower: "▼", equivalent: "≈", inconclusive: "?" };
  const MEASURES = {
    latency_ms: { heading: "latency", unit: "ms" },
    throughput_fps: { heading: "throughput", unit: "FPS" },
  };
  // As in integrator/site/history/sparkline.py.
  const WIDTH = 120, HEIGHT = 32, EDGE = 5, LEAST_RANGE = 0.06;
  const across = known.campaigns.length;
  const names = new Map(known.campaigns.map((campaign) => [campaign.id, campaign]));
  // No machine: the first one. A choice names its machine, because another site may have another first one.
  const state = fleetmark.state({ machine: "", model: "", measure: "", show: "", page: "1" });
  const loaded = new Map();

  function array(text, Kind) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new Kind(bytes.buffer);
  }

  function words(packed) {
    const codes = array(packed.codes, Uint32Array);
    return (index) => packed.words[codes[index]];
  }

  // The tests of a machine, once: texts as functions of their place, numbers as arrays of `across` for each test.
  async function load(machine) {
    if (loaded.has(machine)) return loaded.get(machine);
    const { script } = known.machines.find((each) => each.name === machine);
    await fleetmark.loadScript(script);
    const raw = fleetmark.histories[script.replace(/^.*\/|\.js$/g, "")];
    const measures = Object.fromEntries(Object.entries(raw.measures).map(([key, packed]) => [key, {
      ...Object.fromEntries(["value", "low", "high", "ratio", "ratioLow", "ratioHigh"].map((name) => [name, array(packed[name], Float32Array)])),
      outcome: array(packed.outcome, Int8Array),
      certain: array(packed.certain, Int8Array),
    }]));
    const tests = { count: raw.count, row: raw.row, steps: raw.steps, measures, before: array(raw.before, Int16Array), otherModel: array(raw.otherModel, Int8Array) };
    for (const key of ["page", "model", "label", "scenario", "status", "verdict", "release"]) tests[key] = words(raw[key]);
    tests.models = raw.model.words;
    loaded.set(machine, tests);
    return tests;
  }

  // Names have no end of their own.
  const short = (text, most = 80) => (text.length > most ? `${text.slice(0, most)} …` : text);

  const measureOf = (tests, index, chosen) => chosen || (tests.scenario(index) === "sync" ? "latency_ms" : "throughput_fps");

  function matching(tests, { model, measure, show }) {
    const found = [];
    for (let index = 0; index < tests.count; index++) {
      if (model && tests.model(index) !== model) continue;
      if (show) {
        const { certain } = tests.measures[measureOf(tests, index, measure)];
        let wanted = false;
        for (let at = index * across; at < (index + 1) * across && !wanted; at++) {
          wanted = show === "changed" ? certain[at] === 1 : !["", "ok"].includes(tests.status(at));
        }
        if (!wanted) continue;
      }
      found.push(index);
    }
    return found;
  }

  function percent(ratio) {
    if (ratio >= 2 || ratio <= 0.5) return `${number(ratio)} ×`;
    const change = 100 * (ratio - 1);
    return `${change > 0 ? "+" : change < 0 ? "−" : "±"}${Math.abs(change).toFixed(1)} %`;
  }

  // What a campaign is against the one before: as `_change` in integrator/site/history/table.py.
  function change(tests, at, measure) {
    const before = tests.before[at];
    if (before < 0) return null;
    const than = known.campaigns[before].title;
    const { outcome, certain, ratio, ratioLow, ratioHigh } = tests.measures[measure];
    if (tests.otherModel[at]) return el("span", { class: "change", title: `the model's file is not that of ${than}: not compared` }, "another model file");
    if (!Number.isFinite(ratio[at])) return null;
    const start = `ratio to ${than}: ${ratio[at].toFixed(3)}`;
    if (!Number.isFinite(ratioLow[at])) return el("span", { class: "change", title: `${start}; too few runs for an interval` }, el("span", { "aria-hidden": "true" }, "? "), "too few runs");
    const name = OUTCOMES[outcome[at]];
    const moved = name === "faster" || name === "slower";
    const text = !moved ? name : certain[at] ? `${percent(ratio[at])} ${name}` : `${percent(ratio[at])}, in doubt`;
    const title = `${start}, 95 % interval ${ratioLow[at].toFixed(3)} to ${ratioHigh[at].toFixed(3)}`;
    return el("span", { class: `change ${certain[at] ? name : ""}`, title }, el("span", { "aria-hidden": "true" }, `${SIGNS[name]} `), text);
  }

  function cell(tests, at, measure, row, campaign) {
    const status = tests.status(at);
    if (status === "") return el("td", { class: "number" }, el("span", { class: "missing" }, el("span", { "aria-hidden": "true" }, "·"), el("span", { class: "unseen" }, "not in this campaign")));
    if (status !== "ok") return el("td", { class: "number" }, el("span", { class: "tag bad" }, el("span", { "aria-hidden": "true" }, "✕ "), status.replaceAll("_", " ")));
    const { value, low, high } = tests.measures[measure];
    const verdict = tests.verdict(at);
    return el("td", { class: "number" },
      el("a", { class: "value", href: `#explain=${row}.${campaign}`, dataset: { row, campaign }, title: exact(Number(value[at].toPrecision(6)), MEASURES[measure].unit) }, number(value[at])),
      Number.isFinite(low[at] + high[at]) && el("span", { class: "detail" }, `${number(low[at])} to ${number(high[at])}`),
      verdict !== "valid" && verdict !== "" && el("span", { class: "tag doubtful" }, el("span", { "aria-hidden": "true" }, "~ "), verdict),
      change(tests, at, measure));
  }

  function picture(tests, index, measure) {
    const { value, low, high } = tests.measures[measure];
    const from = index * across;
    const finite = [value, low, high].flatMap((each) => [...each.subarray(from, from + across)]).filter(Number.isFinite);
    let bottom = finite.length ? Math.min(...finite) : 0, top = finite.length ? Math.max(...finite) : 0;
    const short = LEAST_RANGE * (bottom + top) / 2 - (top - bottom);
    if (short > 0) { bottom -= short / 2; top += short / 2; }
    const y = (each) => HEIGHT - EDGE - (top > bottom ? (each - bottom) / (top - bottom) : 0.5) * (HEIGHT - 2 * EDGE);
    const points = [], marks = [];
    for (let at = 0; at < across; at++) {
      const status = tests.status(from + at);
      if (status === "") continue;
      const x = across > 1 ? EDGE + at * (WIDTH - 2 * EDGE) / (across - 1) : WIDTH / 2;
      if (status !== "ok" || !Number.isFinite(value[from + at])) {
        marks.push(el("path", { class: "bad", d: `M${x - 3} ${HEIGHT - EDGE - 3}l6 6m0-6l-6 6` }));
        continue;
      }
      points.push(`${x},${y(value[from + at])}`);
      if (Number.isFinite(low[from + at] + high[from + at])) marks.push(el("path", { d: `M${x} ${y(low[from + at])}V${y(high[from + at])}` }));
      marks.push(el("circle", { class: tests.verdict(from + at) === "valid" ? "ok" : "doubtful", cx: x, cy: y(value[from + at]), r: 2.5 }));
    }
    return el("svg", { class: "spark", width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
      points.length > 1 && el("polyline", { points: points.join(" ") }), marks);
  }

  function row(tests, index, chosen) {
    const measure = measureOf(tests, index, chosen);
    const model = el("bdi", {}, short(tests.model(index)));
    const page = tests.page(index);
    const link = page ? el("a", { href: `${fleetmark.root}${page}#${tests.row[index]}`, dataset: { row: tests.row[index] } }, model) : model;
    const cells = known.campaigns.map((campaign, at) => cell(tests, index * across + at, measure, tests.row[index], campaign.id));
    return el("tr", {},
      el("th", { scope: "row" }, link, ` ${MEASURES[measure].heading}, ${MEASURES[measure].unit}`,
        el("span", { class: "settings" }, el("bdi", {}, short(tests.label(index), 200)))),
      across > 1 && el("td", { class: "picture" }, picture(tests, index, measure)),
      cells);
  }

  const day = (campaign) => el("time", { datetime: campaign.day }, campaign.day);

  // In a campaign's heading: that the machine was set up otherwise than before.
  function marker(tests, campaign) {
    const step = tests.steps.find((each) => each.after === campaign.id);
    if (!step) return null;
    const what = step.differences.map(([label]) => label).join(", ");
    return step.otherHardware
      ? el("span", { class: "tag bad", title: what }, "other hardware")
      : el("span", { class: "detail", title: what }, `changed: ${step.differences.length > 2 ? `${step.differences.length} facts` : what}`);
  }

  function table(tests, shown, { machine, measure }) {
    const heads = known.campaigns.map((campaign) => el("th", { scope: "col", class: "number" },
      el("bdi", {}, campaign.title), " ", el("span", { class: "unit" }, day(campaign), !campaign.complete && ", partial"), marker(tests, campaign)));
    return el("div", { class: "scroll history", tabindex: "0", role: "region", "aria-label": `Tests of ${short(machine)} across the campaigns` },
      el("table", { class: across > 1 ? "" : "one" },
        el("caption", { class: "unseen" }, `Tests of ${short(machine)} across the campaigns, the oldest on the left`),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "test"), across > 1 && el("th", { scope: "col", class: "picture" }, "all campaigns"), heads)),
        el("tbody", {}, shown.length ? shown.map((index) => row(tests, index, measure))
          : el("tr", {}, el("td", { class: "empty", colspan: across + 2 }, "No test of this machine is like that.")))));
  }

  // Everything that changed in the machine, newest first, behind one line that says how often and what.
  function steps(tests) {
    if (!tests.steps.length) return null;
    const labels = [...new Set(tests.steps.flatMap((step) => step.differences.map(([label]) => label)))];
    const often = tests.steps.length === 1 ? "once" : `${tests.steps.length} times`;
    const loud = tests.steps.some((step) => step.otherHardware);
    return el("details", { class: `step${loud ? " loud" : ""}`, open: loud },
      el("summary", {}, `This machine changed ${often}: ${labels.slice(0, 6).join(", ")}${labels.length > 6 ? ` and ${labels.length - 6} more` : ""}`,
        loud && [" ", el("strong", { class: "tag bad" }, "other hardware under the same name")]),
      el("dl", { class: "news" }, [...tests.steps].reverse().map((step) => [
        el("dt", {}, day(names.get(step.before)), " to ", day(names.get(step.after)), step.otherHardware && el("strong", { class: "tag bad" }, " other hardware")),
        step.differences.map(([label, first, second]) => el("dd", {}, `${label}: `, el("bdi", {}, first), " → ", el("bdi", {}, second))),
      ])));
  }

  function pager(count, page, pages) {
    if (pages < 2) return null;
    const go = (to) => {
      turned = true;
      state.set({ machine: form.elements.machine.value, page: String(to) });
    };
    return el("nav", { class: "pages", "aria-label": "Pages of tests" },
      el("button", { type: "button", disabled: page === 1, onclick: () => go(page - 1) }, "Previous"),
      el("span", {}, `${(page - 1) * PER_PAGE + 1} to ${Math.min(count, page * PER_PAGE)} of ${count.toLocaleString("en-US")}`),
      el("button", { type: "button", disabled: page === pages, onclick: () => go(page + 1) }, "Next"));
  }

  function valid(chosen, tests) {
    return { ...chosen, model: tests.models.includes(chosen.model) ? chosen.model : "", measure: chosen.measure in MEASURES ? chosen.measure : "", show: ["changed", "failing"].includes(chosen.show) ? chosen.show : "" };
  }

  // What a link asks for and this site has not, in words.
  function gone(asked, chosen) {
    const missing = [];
    if (asked.machine && asked.machine !== chosen.machine) missing.push(`The machine “${short(asked.machine)}” is not on this site; this is ${short(chosen.machine)}.`);
    if (asked.model && asked.model !== chosen.model) missing.push(`There is no test of the model “${short(asked.model)}” on ${short(chosen.machine)}; these are all of its tests.`);
    return missing.length > 0 && el("p", { class: "notice", role: "status" }, missing.join(" "));
  }

  let turn = 0;
  let turned = false; // the next table is another page of the same: who turned it goes on there

  async function draw() {
    const mine = ++turn;
    place.setAttribute("aria-busy", "true");
    const asked = state.get();
    let chosen = { ...asked };
    // A machine that is gone from the site: the first one, rather than nothing.
    if (!known.machines.some((each) => each.name === chosen.machine)) chosen.machine = known.machines[0].name;
    let tests;
    try {
      tests = await load(chosen.machine);
    } catch (error) {
      if (mine !== turn) return;
      place.replaceChildren(el("p", { class: "notice", role: "alert" }, `${error.message}.`));
      place.removeAttribute("aria-busy");
      place.hidden = false;
      return;
    }
    if (mine !== turn) return; // something else was chosen meanwhile
    chosen = valid(chosen, tests);
    form.elements.model.replaceChildren(el("option", { value: "" }, "all"), ...tests.models.map((name) => el("option", { value: name }, short(name))));
    for (const key of ["machine", "model", "measure", "show"]) form.elements[key].value = chosen[key];
    const found = matching(tests, chosen);
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    const page = Math.min(pages, Math.max(1, Number.parseInt(chosen.page, 10) || 1));
    const count = `${found.length.toLocaleString("en-US")} of ${tests.count.toLocaleString("en-US")} tests`;
    form.elements.count.value = count;
    place.replaceChildren(...[gone(asked, chosen), steps(tests), table(tests, found.slice((page - 1) * PER_PAGE, page * PER_PAGE), chosen), pager(found.length, page, pages)].filter(Boolean));
    place.removeAttribute("aria-busy");
    place.hidden = false;
    document.querySelector("#tests .static").hidden = true;
    const region = place.querySelector(".history");
    region.scrollLeft = region.scrollWidth; // the newest campaign first, where not all have room
    if (turned) region.focus();
    turned = false;
  }

  form.addEventListener("change", (event) => {
    const { name, value } = event.target;
    state.set({ machine: form.elements.machine.value, [name]: value, page: "1", ...(name === "machine" ? { model: "" } : {}) });
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    state.set({ ...state.defaults });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  state.onChange(draw);
  form.hidden = false;
  draw();
})();
