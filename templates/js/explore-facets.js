// The filter panel: for each facet its values with counts, and above the results a pill for each that is set.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, el, list } = fleetmark;
  const SEARCHED = 8; // longer lists have a field to search them
  const MOST = 300; // so many values of a facet are drawn at once
  const OPEN = new Set(["class", "machine", "model", "precision", "scenario", "batch", "status", "verdict"]);
  const TITLES = { class: "machine class", task: "task" };

  function title(key) {
    return TITLES[key] ?? fleetmark.site.columns.find((column) => column.key === key)?.heading ?? key;
  }

  /** The panel below `parent`; `change(key, names)` is called with a Set, or null for all. */
  class Panel {
    #facets = new Map();
    #change;

    constructor(parent, data, change) {
      this.#change = change;
      parent.replaceChildren(
        ...data.facets.map((key) => {
          const facet = new Facet(key, data.dimension(key).names, (names) => this.#change(key, names));
          this.#facets.set(key, facet);
          return facet.element;
        }),
      );
    }

    show(chosen, counts) {
      for (const [key, facet] of this.#facets) facet.show(chosen.get(key) ?? null, () => counts(key));
    }
  }

  class Facet {
    #names;
    #change;
    #boxes = new Map();
    #chosen = null;
    #counts = null;

    constructor(key, names, change) {
      this.#names = names;
      this.#change = change;
      this.told = el("span", { class: "told" });
      this.list = el("ul", {});
      this.more = el("p", { class: "more", hidden: true });
      this.search = names.length > SEARCHED ? el("input", { type: "search", "aria-label": `Search in ${title(key)}`, placeholder: "search", autocomplete: "off", oninput: () => this.#fill() }) : null;
      this.invert = el("button", { type: "button", onclick: () => this.#turn() }, "All but these");
      this.clear = el("button", { type: "button", onclick: () => this.#change(null) }, "Clear");
      this.actions = el("p", { class: "actions", hidden: true }, this.invert, this.clear);
      this.element = el(
        "details",
        { class: "facet", "data-key": key, open: OPEN.has(key), ontoggle: () => this.#draw() },
        el("summary", {}, el("span", { class: "name" }, title(key)), this.told),
        el("div", { role: "group", "aria-label": title(key) }, key === "class" ? el("p", { class: "rule" }, explore.CLASS_RULE) : null, this.search, this.actions, this.list, this.more),
      );
      this.#fill();
    }

    #fill() {
      const words = (this.search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      const found = this.#names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
      this.#boxes.clear();
      this.list.replaceChildren(...found.slice(0, MOST).map((name) => this.#option(name)));
      this.more.hidden = found.length > 0 && found.length <= MOST;
      this.more.textContent = found.length ? `${found.length - MOST} more: search for them` : "nothing like that";
      this.#draw();
    }

    #option(name) {
      const box = el("input", { type: "checkbox", onchange: () => this.#toggle(name, box.checked) });
      const count = el("span", { class: "n" });
      const item = el("li", {}, el("label", {}, box, el("bdi", { title: explore.short(name) === name ? null : name.slice(0, 1000) }, explore.short(name)), count));
      this.#boxes.set(name, { box, count, item });
      return item;
    }

    #toggle(name, on) {
      const names = new Set(this.#chosen ?? []);
      if (on) names.add(name);
      else names.delete(name);
      this.#change(names.size === 0 || names.size === this.#names.length ? null : names);
    }

    #turn() {
      const names = new Set(this.#names.filter((name) => !this.#chosen.has(name)));
      this.#change(names.size === 0 ? null : names);
    }

    show(chosen, counts) {
      this.#chosen = chosen;
      this.#counts = counts;
      this.told.textContent = chosen ? `${chosen.size} of ${this.#names.length}` : "";
      this.actions.hidden = !chosen;
      this.#draw();
    }

    #draw() {
      if (!this.#counts || !this.element.open) return;
      const counts = this.#counts();
      this.#names.forEach((name, at) => {
        const option = this.#boxes.get(name);
        if (!option) return;
        const count = counts[at];
        option.box.checked = Boolean(this.#chosen?.has(name));
        const text = count.toLocaleString("en-US");
        if (option.count.textContent !== text) option.count.textContent = text;
        option.item.classList.toggle("dead", count === 0);
      });
    }
  }

  /** A pill for each filter that is set, each with a button that takes it away. */
  function pills(parent, { data, chosen, raw, query, remove }) {
    const made = [];
    if (query) made.push(pill("search", `search: ${query}`, () => remove("q")));
    for (const [key, names] of chosen) made.push(pill(key, `${title(key)}: ${words(data, key, names, raw[key])}`, () => remove(key)));
    parent.hidden = made.length === 0;
    parent.replaceChildren(...made);
  }

  function words(data, key, names, raw) {
    const all = data.dimension(key)?.names;
    if (!all) return "not known in this campaign";
    if (names.size === 0) return `${explore.short(raw.slice(1).replaceAll("\\", ""))} (not in this campaign)`;
    if (names.size <= 3) return [...names].map(explore.short).join(", ");
    const rest = all.filter((name) => !names.has(name));
    return rest.length <= 2 ? `all but ${rest.map(explore.short).join(", ")}` : `${names.size} of ${all.length}`;
  }

  function pill(key, text, remove) {
    return el("span", { class: "pill", "data-key": key }, el("bdi", {}, text), el("button", { type: "button", "aria-label": `Remove the filter ${text}`, onclick: remove }, "✕"));
  }

  /** What the address says of the facets: a Set of names for each that is set. */
  function chosenIn(data, state) {
    const chosen = new Map();
    for (const key of explore.FACETS) {
      if (!state[key]) continue;
      chosen.set(key, list.read(state[key], data.dimension(key)?.names ?? []));
    }
    return chosen;
  }

  Object.assign(explore, { Panel, pills, chosenIn, title });
})();
