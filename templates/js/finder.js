// The form of *Find my machine* and its answers. What is asked stands in the address: an answer is a link.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el } = fleetmark;
  const { finder } = fleetmark;
  const { find, usualCurrency, HIGH } = finder;
  const { demandsOf, demandsText, editsOf, editsText, queryOf } = finder.address;
  const home = document.querySelector("#find .finder");
  if (!home || !fleetmark.site) return;
  const site = fleetmark.site;
  // Of the newest campaign, which is what is searched; the site knows machines and models of older ones, too.
  const [machines, models, precisions, devices] = ["machines", "models", "precisions", "devices"].map((key) => JSON.parse(home.dataset[key]));
  const TEXTS = ["machine", "model", "device", "precision", "scenario", "status", "verdict"];
  const NUMBERS = ["batch", "throughput_low_fps", ...Object.values(HIGH)];
  const state = fleetmark.state(finder.address.DEFAULTS);

  const owned = site.machines.filter(({ name }) => machines.includes(name));
  const offered = Object.fromEntries(owned.map(({ name, price, currency, watts }) =>
    [name, { price: price ?? NaN, currency: currency || "", watts: watts ?? NaN }]));
  const offersNow = (asked) => ({ ...offered, ...editsOf(asked.offers, offered) });

  // The form

  const first = (site.models.find(({ name, task }) => /detect/i.test(task) && models.includes(name)) || { name: models[0] }).name;
  const presets = [
    ["8 cameras, 30 FPS, p99 within 50 ms", { need: demandsText([{ cameras: 8, fps: 30, model: first }]), percentile: "p99", bound: "50" }],
    ["1 camera, 60 FPS, p99 within 16 ms", { need: demandsText([{ cameras: 1, fps: 60, model: first }]), percentile: "p99", bound: "16" }],
    ["64 cameras, 5 FPS, p95 within 200 ms", { need: demandsText([{ cameras: 64, fps: 5, model: first }]), percentile: "p95", bound: "200" }],
    ["1,000 FPS in batches, no bound", { need: demandsText([{ cameras: 100, fps: 10, model: first }]), bound: "" }],
  ];
  function field(words, control, unit = "") {
    return el("label", {}, el("span", { class: "words" }, words), control, unit && el("span", { class: "unit" }, unit));
  }

  const input = (name, attributes = {}) => el("input", { name, type: "number", autocomplete: "off", ...attributes });

  function select(name, options, chosen) {
    const all = options.some(([value]) => value === chosen) ? options : [...options, [chosen, chosen]];
    return el("select", { name }, all.map(([value, words]) => el("option", { value, selected: value === chosen }, words)));
  }

  function demandIn(line) {
    const value = (name) => line.querySelector(`[name=${name}]`).value;
    return { cameras: Number(value("cameras")), fps: Number(value("fps")), model: value("model") };
  }

  function demandLine({ cameras, fps, model }) {
    return el("div", { class: "demand", role: "group", "aria-label": "demand" },
      field("cameras", input("cameras", { min: 1, max: 100000, step: 1, required: true, value: cameras })),
      field("× FPS each", input("fps", { min: 0.01, max: 10000, step: "any", required: true, value: fps })),
      field("with", select("model", models.map((name) => [name, name]), model)),
      el("button", { type: "button", class: "less", "aria-label": "Remove this demand" }, "remove"));
  }

  const any = (values) => [["", "any"], ...values.map((value) => [value, value])];
  const demands = el("div", { class: "demands" });
  const controls = {
    percentile: select("percentile", ["p50", "p95", "p99"].map((name) => [name, name]), "p99"),
    bound: input("bound", { min: 0.001, step: "any", placeholder: "none" }),
    price: input("price", { min: 0.01, step: "any", placeholder: "no limit" }),
    currency: el("input", { name: "currency", size: 4, maxlength: 8, autocomplete: "off", placeholder: "currency", "aria-label": "currency of the limit" }),
    watts: input("watts", { min: 0.01, step: "any", placeholder: "no limit" }),
    precision: select("precision", any(precisions), ""),
    device: select("device", any(devices), ""),
    free: input("free", { min: 0, max: 95, step: 1, required: true }),
  };
  const form = el("form", { class: "controls", novalidate: true },
    el("fieldset", {}, el("legend", {}, "Demand"), demands,
      el("button", { type: "button", class: "add" }, "Add another model")),
    el("fieldset", {}, el("legend", {}, "Bounds"),
      el("div", { class: "line" },
        el("span", { class: "both" }, field("latency", controls.percentile), field("at most", controls.bound, "ms")),
        field("keep free", controls.free, "% of the time"),
        field("precision", controls.precision),
        field("device", controls.device)),
      el("div", { class: "line" },
        el("span", { class: "both" }, field("all machines cost at most", controls.price), controls.currency),
        field("and draw at most", controls.watts, "W"))),
    el("div", { class: "go" },
      el("button", { type: "submit", class: "main" }, "Find machines"),
      el("button", { type: "reset" }, "Reset"),
      el("span", { class: "presets" }, el("span", { class: "words" }, "or: "),
        presets.map(([words, asked]) => el("button", { type: "button", class: "preset", onclick: () => ask(asked) }, words)))),
    el("p", { class: "complaint", role: "alert" }));
  const answers = el("div", { class: "answers" });
  const prices = finder.offersTable(owned, offered, (machine, offer) =>
    state.set({ offers: editsText({ ...editsOf(state.get().offers, offered), [machine]: offer }, offered) }));
  home.append(form, answers, prices.element);
  home.hidden = false;

  const said = () => demandsText([...demands.children].map(demandIn));

  // What already says what is asked is left alone: who types next has the focus in it.
  function fill(asked) {
    const wanted = demandsOf(asked.need);
    if (!wanted.length) wanted.push({ cameras: 8, fps: 30, model: first });
    if (said() !== demandsText(wanted)) demands.replaceChildren(...wanted.map(demandLine));
    for (const [name, control] of Object.entries(controls)) {
      if (control.tagName === "SELECT" && ![...control.options].some(({ value }) => value === asked[name])) {
        control.append(el("option", { value: asked[name] }, asked[name]));
      }
      control.value = name === "currency" ? asked.currency || usualCurrency(offersNow(asked)) : asked[name];
    }
    tidyButtons();
  }

  function tidyButtons() {
    const buttons = demands.querySelectorAll("button.less");
    for (const button of buttons) button.hidden = buttons.length < 2;
  }

  // What the form says; null where something in it is no number.
  function read() {
    const bad = [...form.elements].find((control) => control.willValidate && !control.checkValidity());
    form.querySelector(".complaint").textContent = bad ? complaint(bad) : "";
    for (const control of form.elements) control.removeAttribute?.("aria-invalid");
    if (bad) {
      bad.setAttribute("aria-invalid", "true");
      return null;
    }
    const chosen = Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value.trim()]));
    // Beside a limit the currency stays in the link: what is usual may be another where there are more machines.
    if (!chosen.price && chosen.currency === usualCurrency(offersNow(state.get()))) chosen.currency = "";
    return { need: said(), ...chosen };
  }

  function complaint(control) {
    const words = control.closest("label")?.querySelector(".words")?.textContent || control.name;
    const { min, max } = control;
    return `“${words}” must be a number${min && max ? ` from ${min} to ${max}` : min ? ` of at least ${min}` : ""}: ${control.value || "it is empty"}.`;
  }

  function ask(changes) {
    const asked = changes || read();
    if (asked) state.set(asked);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.addEventListener("change", () => {
    if (state.get().need) ask();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    state.set(state.defaults);
  });
  form.addEventListener("click", ({ target }) => {
    if (target.matches(".add")) {
      const used = new Set([...demands.querySelectorAll("[name=model]")].map(({ value }) => value));
      const line = demandLine({ cameras: 1, fps: 30, model: models.find((name) => !used.has(name)) || first });
      demands.append(line);
      tidyButtons();
      line.querySelector("input").focus();
      if (state.get().need) ask();
    } else if (target.matches(".less")) {
      target.closest(".demand").remove();
      tidyButtons();
      demands.querySelector("input").focus();
      if (state.get().need) ask();
    }
  });

  // Answers

  // The tests of these models as plain arrays; `places` are those in the store.
  function tableOf(rows, wanted) {
    const chosen = new Set(wanted.map((model) => rows.dictionary("model").indexOf(model)));
    const codes = rows.codes("model");
    const places = [];
    for (let i = 0; i < rows.length; i += 1) if (chosen.has(codes[i])) places.push(i);
    const table = { length: places.length, places, notes: {} };
    for (const key of TEXTS) table[key] = places.map((i) => rows.text(key, i));
    for (const key of NUMBERS) {
      table[key] = places.map((i) => rows.number(key, i));
      table.notes[key] = places.map((i, at) => (Number.isNaN(table[key][at]) ? rows.note(key, i) : ""));
    }
    return table;
  }

  let turn = 0;

  async function draw(asked) {
    turn += 1;
    const mine = turn;
    const offers = offersNow(asked);
    const query = queryOf(asked, offers);
    if (!query.demands.length) {
      answers.replaceChildren();
      return;
    }
    const wanted = [...new Set(query.demands.map(({ model }) => model))];
    answers.setAttribute("aria-busy", "true");
    try {
      const rows = await fleetmark.rows(undefined, { models: wanted.filter((model) => models.includes(model)) });
      await rows.need([...TEXTS, ...NUMBERS, "label", "row", "href"]);
      if (mine !== turn) return;
      const table = tableOf(rows, wanted);
      const found = find(table, query, offers, machines);
      const { words, parts } = finder.drawn(found, query, { rows, table });
      fleetmark.announce(words);
      answers.replaceChildren(...parts);
    } catch (error) {
      if (mine === turn) answers.replaceChildren(el("p", { class: "notice", role: "alert" }, `${error.message}. The leaderboards below hold the best of each machine.`));
    } finally {
      if (mine === turn) answers.removeAttribute("aria-busy");
    }
  }

  function update(asked) {
    fill(asked);
    prices.draw(offersNow(asked));
    draw(asked);
  }

  state.onChange(update);
  update(state.get());
})();
