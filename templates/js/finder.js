// The form of *Find my machine* and its answers. What is asked stands in the address: an answer is a link.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number } = fleetmark;
  const { find, usualCurrency, HIGH } = fleetmark.finder;
  const home = document.querySelector("#find .finder");
  if (!home || !fleetmark.site) return;
  const site = fleetmark.site;
  const choices = { precision: JSON.parse(home.dataset.precisions), device: JSON.parse(home.dataset.devices) };
  const models = site.models.map(({ name }) => name);
  const TEXTS = ["machine", "model", "device", "precision", "scenario", "status", "verdict"];
  const NUMBERS = ["batch", "throughput_low_fps", ...Object.values(HIGH)];
  const state = fleetmark.state({
    need: "", percentile: "p99", bound: "50", price: "", currency: "", watts: "", precision: "", device: "", free: "30", offers: "",
  });
  const MOST_SHOWN = 10;

  // What is in the address

  function demandsOf(text) {
    return text.split(";").map((part) => /^(\d+)\*([\d.]+)\*(.*)$/s.exec(part)).filter(Boolean)
      .map(([, cameras, fps, model]) => ({ cameras: Number(cameras), fps: Number(fps), model: decoded(model) }))
      .filter(({ cameras, fps }) => cameras >= 1 && fps > 0);
  }

  const demandsText = (demands) => demands.map(({ cameras, fps, model }) => `${cameras}*${fps}*${encoded(model)}`).join(";");
  const encoded = (text) => text.replace(/[%;*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  const positive = (text) => (text !== "" && Number(text) > 0 ? Number(text) : NaN);

  const offered = Object.fromEntries(site.machines.map(({ name, price, currency, watts }) =>
    [name, { price: price ?? NaN, currency: currency || "", watts: watts ?? NaN }]));

  function editsOf(text) {
    const edits = {};
    for (const part of text.split(";").filter(Boolean)) {
      const [machine, price = "", currency = "", watts = ""] = part.split("~").map(decoded);
      if (Object.hasOwn(offered, machine)) edits[machine] = { price: positive(price), currency, watts: positive(watts) };
    }
    return edits;
  }

  function editsText(edits) {
    const written = (value) => (Number.isFinite(value) ? String(value) : "");
    return Object.entries(edits).filter(([machine, edit]) => !same(edit, offered[machine]))
      .map(([machine, { price, currency, watts }]) => [machine, written(price), currency, written(watts)].map(encoded).join("~")).join(";");
  }

  const same = (a, b) => Object.is(a.price, b.price) && a.currency === b.currency && Object.is(a.watts, b.watts);

  function queryOf(asked, offers) {
    return {
      demands: demandsOf(asked.need),
      percentile: Object.hasOwn(HIGH, asked.percentile) ? asked.percentile : "p99",
      bound: positive(asked.bound),
      price: positive(asked.price),
      currency: asked.currency || usualCurrency(offers),
      watts: positive(asked.watts),
      precision: asked.precision,
      device: asked.device,
      headroom: Math.min(95, Math.max(0, Number(asked.free) || 0)) / 100,
    };
  }

  // The form

  const first = (site.models.find(({ task }) => /detect/i.test(task)) || site.models[0] || { name: "" }).name;
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
    currency: el("input", { name: "currency", size: 4, maxlength: 8, autocomplete: "off", "aria-label": "currency of the limit" }),
    watts: input("watts", { min: 0.01, step: "any", placeholder: "no limit" }),
    precision: select("precision", any(choices.precision), ""),
    device: select("device", any(choices.device), ""),
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
  const offersTable = el("details", { class: "offers" });
  home.append(form, answers, offersTable);
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
    if (chosen.currency === usualCurrency(offersNow(state.get()))) chosen.currency = "";
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

  // Prices and watts

  const offersNow = (asked) => ({ ...offered, ...editsOf(asked.offers) });

  const summary = el("summary", {}, "Prices and watts");
  const lines = site.machines.map(({ name }) => offerLine(name));

  function buildOffers() {
    const dated = site.machines.map(({ priced_on: day }) => day).filter(Boolean).sort();
    const span = dated.length ? `, of ${dated[0]}${dated.at(-1) === dated[0] ? "" : ` to ${dated.at(-1)}`}` : "";
    const headings = ["machine", "price", "currency", "watts"].map((words) => el("th", { scope: "col" }, words));
    offersTable.append(
      summary,
      el("p", { class: "lead" }, `As the lab says${span}. What you change here stays in the link and nowhere else. A price is that of one machine, watts are what it draws in all.`),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Prices and watts" },
        el("table", {},
          el("thead", {}, el("tr", {}, headings, el("th", { scope: "col" }, el("span", { class: "unseen" }, "undo")))),
          el("tbody", {}, lines.map(({ row }) => row)))));
  }

  function drawOffers(asked) {
    const offers = offersNow(asked);
    const edited = lines.filter((line) => line.show(offers)).length;
    summary.textContent = `Prices and watts${edited ? ` (${edited} edited here)` : ""}`;
  }

  // A machine's line; `show` gives whether it differs from what the lab says.
  function offerLine(name) {
    const cells = {
      price: input("offer", { min: 0.01, step: "any", "aria-label": `price of ${name}` }),
      currency: el("input", { size: 5, maxlength: 8, autocomplete: "off", "aria-label": `currency of ${name}` }),
      watts: input("offer", { min: 0.01, step: "any", "aria-label": `watts of ${name}` }),
    };
    const save = (edit) => {
      const edits = { ...editsOf(state.get().offers), [name]: edit };
      state.set({ offers: editsText(edits) });
    };
    const written = () => ({ price: positive(cells.price.value), currency: cells.currency.value.trim(), watts: positive(cells.watts.value) });
    for (const control of Object.values(cells)) control.addEventListener("change", () => save(written()));
    const undo = el("button", { type: "button", hidden: true, onclick: () => {
      save(offered[name]);
      cells.price.focus();
    } }, "as the lab says");
    const row = el("tr", { dataset: { machine: name } },
      el("th", { scope: "row" }, el("bdi", {}, name)),
      Object.values(cells).map((control) => el("td", {}, control)),
      el("td", {}, undo));
    const show = (offers) => {
      const offer = offers[name];
      if (!same(written(), offer)) {
        for (const key of ["price", "watts"]) cells[key].value = Number.isFinite(offer[key]) ? String(offer[key]) : "";
        cells.currency.value = offer.currency;
      }
      const changed = !same(offer, offered[name]);
      row.classList.toggle("edited", changed);
      undo.hidden = !changed;
      return changed;
    };
    return { row, show };
  }

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
      const found = find(table, query, offers, home.dataset.machines ? JSON.parse(home.dataset.machines) : []);
      show(found, query, { rows, table });
    } catch (error) {
      if (mine === turn) answers.replaceChildren(el("p", { class: "notice", role: "alert" }, `${error.message}. The leaderboards below hold the best of each machine.`));
    } finally {
      if (mine === turn) answers.removeAttribute("aria-busy");
    }
  }

  const counted = (count, word) => `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;
  const percent = (share) => `${Math.floor(100 * share + 1e-9)} %`;

  function link(data, at, words) {
    if (at < 0) return words;
    const i = data.table.places[at];
    return el("a", { href: fleetmark.root + data.rows.text("href", i), dataset: { row: data.rows.text("row", i) } }, words);
  }

  function show({ answers: good, fails }, query, data) {
    const words = good.length
      ? `${counted(good.length, "machine")} of ${good.length + fails.length} can do it; the first is ${good[0].machine}.`
      : `None of ${counted(fails.length, "machine")} can do it.`;
    fleetmark.announce(words);
    const parts = [el("p", { class: "verdict" }, good.length
      ? [el("strong", {}, el("bdi", {}, good[0].machine)), good[0].machines > 1 ? ` × ${good[0].machines}` : "", " is the first of ", `${counted(good.length, "kind")} of machine that can do it.`]
      : el("strong", {}, words))];
    if (good.length) parts.push(answerTable(good, query, data));
    if (fails.length) parts.push(failTable(fails, data, !good.length));
    parts.push(assumptions(query, good));
    answers.replaceChildren(...parts);
  }

  function answerTable(good, query, data) {
    const prices = good.some(({ price }) => Number.isFinite(price));
    const watts = good.some((answer) => Number.isFinite(answer.watts));
    const head = ["", "machine", "how many", "free", prices && "price in all", watts && "watts in all", "settings to use"].filter((words) => words !== false);
    const rest = good.slice(MOST_SHOWN);
    const line = (answer, index) => answerLine(answer, index, { prices, watts, query, data });
    const body = el("tbody", {}, good.slice(0, MOST_SHOWN).map(line));
    const more = rest.length > 0 && el("button", { type: "button", class: "rest", onclick: ({ target }) => {
      body.append(...rest.map((answer, index) => line(answer, index + MOST_SHOWN)));
      target.remove();
    } }, `Show ${rest.length} more`);
    const rule = prices ? "The lowest price first, then those without a price that compares" : "Fewest machines first";
    return el("div", {}, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "answers-caption" },
      el("table", {},
        el("caption", { id: "answers-caption" }, el("span", { class: "text" }, `${rule}; then ${prices ? "fewer machines, then " : ""}more time free. `, el("a", { class: "permalink", href: location.hash || "#" }, "Link to this answer"))),
        el("thead", {}, el("tr", {}, head.map((words) => el("th", { scope: "col" }, words || el("span", { class: "unseen" }, "place"))))),
        body)), more);
  }

  function answerLine(answer, index, { prices, watts, query, data }) {
    const bounded = Number.isFinite(query.bound);
    const page = site.machines.find(({ name }) => name === answer.machine)?.page;
    const elsewhere = Number.isFinite(answer.price) && answer.currency !== query.currency;
    return el("tr", { dataset: { machine: answer.machine } },
      el("td", { class: "rank" }, String(index + 1)),
      el("th", { scope: "row" }, el("a", { href: fleetmark.root + page }, el("bdi", {}, answer.machine))),
      el("td", { class: "number", dataset: { words: "machines" } }, String(answer.machines),
        answer.estimate && el("span", { class: "detail" }, el("span", { class: "tag doubtful" }, "≈ estimate"), `: models take turns; ${answer.apart} with machines of their own`)),
      el("td", { class: "number", dataset: { words: "free" }, title: `The fullest machine is busy for ${percent(1 - answer.headroom)} of the time, all of them for ${percent(answer.busy)}` }, percent(answer.headroom)),
      prices && el("td", { class: "number", dataset: { words: "price" } }, Number.isFinite(answer.price) ? `${number(answer.price)} ${answer.currency}` : "unknown", elsewhere && el("span", { class: "detail" }, "not compared")),
      watts && el("td", { class: "number", dataset: { words: "draws" } }, Number.isFinite(answer.watts) ? `${number(answer.watts)} W` : "unknown"),
      el("td", { class: "rests" }, answer.uses.map((use) => {
        const high = data.table[HIGH[query.percentile]][use.row];
        const held = `at least ${number(use.capacity)} FPS${bounded ? `, ${query.percentile} at most ${number(high)} ms` : ""}`;
        return el("div", {}, el("bdi", { class: "model" }, use.model), " ", link(data, use.row, held), " ",
          el("span", { class: "settings" }, el("bdi", {}, data.rows.text("label", data.table.places[use.row]))));
      })));
  }

  function failTable(fails, data, open) {
    return el("details", { class: "fails", open },
      el("summary", {}, `Why ${fails.length === 1 ? "the other fails" : `the ${open ? "" : "other "}${fails.length} fail`}`),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Machines that fail" },
        el("table", {},
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "machine"), el("th", { scope: "col" }, "why"))),
          el("tbody", {}, fails.map((answer) => el("tr", { dataset: { machine: answer.machine } },
            el("th", { scope: "row" }, el("bdi", {}, answer.machine)),
            el("td", {}, answer.fails.map(({ why, at }) => el("div", {}, link(data, at, el("bdi", {}, why)))))))))));
  }

  function assumptions(query, good) {
    const kept = Math.round(100 * query.headroom);
    const bounded = Number.isFinite(query.bound);
    const words = [
      "Only tests that ended ok and are valid count, each for the machine, device and settings that it was measured with.",
      "A machine keeps up with the lower end of the throughput's 95 % interval, not with the throughput itself.",
      bounded && (query.percentile === "p50"
        ? "The upper end of the median's 95 % interval is held against the bound."
        : `The upper end of the ${query.percentile}'s 95 % interval is held against the bound. It is made from the inferences of all runs and from how much the runs differ; where there are too few, the machine fails.`),
      bounded && "With a bound only batch 1 counts: the frames of a batch wait for each other, and how long was not measured.",
      "Each test was measured in a closed loop: the next frame starts when one is done. Real cameras send frames on their own, which may meet and wait; that is what the time kept free is for.",
      `${kept} % of each machine's time is kept free${kept === 30 ? ", as long as you do not say otherwise" : ""}.`,
      "A camera's frames stay on one machine. Cameras are put onto machines one after another, the heaviest first.",
      good.some(({ estimate }) => estimate) && "Where several models are on one machine they take turns: the shares of its time, FPS needed ÷ FPS that it keeps up with, are added up. How models get on with each other was not measured, so this is an estimate, and latencies may be higher.",
      "Decoding, scaling and the network are not in these numbers.",
      "Prices and watts are those of the table below; prices in different currencies are not compared.",
    ].filter(Boolean);
    return el("details", { class: "assumptions" }, el("summary", {}, "What this rests on"), el("ul", {}, words.map((each) => el("li", {}, each)),
      el("li", {}, el("a", { href: `${fleetmark.root}method.html#finder` }, "How this is worked out"))));
  }

  function update(asked) {
    fill(asked);
    drawOffers(asked);
    draw(asked);
  }

  buildOffers();
  state.onChange(update);
  update(state.get());
})();
