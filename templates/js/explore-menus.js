// The choices above the results: columns, pivot, presets.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, el, list } = fleetmark;
  const ROW_SLOTS = 2;
  const COLUMN_SLOTS = 4;

  const PRESETS = [
    { title: "Edge CPUs, INT8, sync, batch 1", state: { class: "+edge", device: "+CPU", precision: "+INT8", scenario: "+sync", batch: "+1", sort: "latency_ms" } },
    { title: "Throughput servers", state: { class: "+server", scenario: "+async", sort: "-throughput_fps" } },
    { title: "The predecessor’s classic table", state: { view: "pivot", rows: "task,model", cols: "machine,device,precision,scenario", measure: "fps", base: "none" } },
  ];

  /** Links that set a whole view; each tells how many rows of this campaign it has. */
  function presets(parent, data) {
    const links = PRESETS.map((preset) => {
      const state = { ...preset.state };
      if (state.rows && data.dimension("task").names.length < 2) state.rows = "model";
      const chosen = explore.chosenIn(data, state);
      const count = data.filter(chosen, "").passed.length;
      const told = count ? `${count.toLocaleString("en-US")} rows` : "nothing here";
      const link = el("a", { href: `#${new URLSearchParams(state)}`, class: count ? "" : "dead" }, preset.title);
      return el("li", {}, link, el("span", { class: "n" }, ` ${told}`));
    });
    parent.replaceChildren(...links);
  }

  /** A box for each column, by group; `change(text)` is called with what the address shall say. */
  class ColumnPicker {
    #boxes = new Map();

    constructor(parent, columns, usual, change) {
      const keys = columns.map(({ key }) => key);
      const groups = Map.groupBy ? Map.groupBy(columns, ({ group }) => group) : grouped(columns);
      const changed = () => {
        const chosen = new Set(keys.filter((key) => this.#boxes.get(key).checked));
        change(write(chosen, keys, usual));
      };
      const sets = [...groups].map(([group, members]) =>
        el("fieldset", {}, el("legend", {}, group), members.map((column) => {
          const box = el("input", { type: "checkbox", onchange: changed });
          this.#boxes.set(column.key, box);
          return el("label", { title: column.meaning }, box, `${column.heading}${column.unit && column.unit !== column.heading ? ` (${column.unit})` : ""}`);
        })));
      const reset = el("button", { type: "button", onclick: () => change("") }, "The usual ones");
      parent.replaceChildren(reset, ...sets);
    }

    show(chosen) {
      for (const [key, box] of this.#boxes) box.checked = chosen.has(key);
    }
  }

  function grouped(columns) {
    const groups = new Map();
    for (const column of columns) groups.set(column.group, [...(groups.get(column.group) ?? []), column]);
    return groups;
  }

  function write(chosen, keys, usual) {
    if (keys.every((key) => chosen.has(key) === usual.has(key))) return "";
    return list.write(chosen, keys) || "-";
  }

  /** The columns that an address names; its empty text means the usual ones. */
  function columnsIn(text, keys, usual) {
    return text ? list.read(text, keys) : new Set(keys.filter((key) => usual.has(key)));
  }

  /** A measure as it is read alone: its group tells which median it is. */
  function named({ group, heading, unit }) {
    const words = group.toLowerCase() === heading || group === "Further" || heading === unit ? heading : `${group.toLowerCase()}, ${heading}`;
    return heading === unit ? unit : `${words}, ${unit}`;
  }

  function choice(label, options, change) {
    const select = el("select", { onchange: () => change(select.value) }, options.map(([value, words]) => el("option", { value }, words)));
    return { select, element: el("label", {}, label, select) };
  }

  /** Rows, columns, measure, aggregate and baseline of the pivot; `change` is called with parts of the state. */
  class PivotMenu {
    constructor(parent, { data, dimensions, measures, bases, change }) {
      this.dimensions = dimensions;
      this.rows = this.#slots("Rows", ROW_SLOTS, (value) => change({ rows: value }));
      this.columns = this.#slots("Columns", COLUMN_SLOTS, (value) => change({ cols: value }));
      this.measure = choice("Measure", measures.map((column) => [column.key, named(column)]), (value) => change({ measure: value }));
      this.aggregate = choice("Of several tests", Object.entries(explore.AGGREGATES), (value) => change({ agg: value }));
      this.base = choice("Compared with", bases, (value) => change({ base: value }));
      parent.replaceChildren(...[...this.rows.parts, ...this.columns.parts, this.measure, this.aggregate, this.base].map(({ element }) => element));
      this.data = data;
    }

    #slots(name, count, change) {
      const options = [["", "–"], ...this.dimensions.map((key) => [key, explore.title(key)])];
      const parts = Array.from({ length: count }, (_, at) =>
        choice(at === 0 ? name : `then`, at === 0 && name === "Rows" ? options.slice(1) : options, () => change([...new Set(parts.map(({ select }) => select.value).filter(Boolean))].join(","))));
      parts.forEach(({ select }, at) => select.setAttribute("aria-label", at === 0 ? name : `${name}, then`));
      return { parts };
    }

    show({ rows, columns, measure, aggregate, base }) {
      for (const [slots, keys] of [[this.rows.parts, rows], [this.columns.parts, columns]]) {
        slots.forEach(({ select, element }, at) => {
          select.value = keys[at] ?? "";
          element.hidden = at > keys.length;
        });
      }
      this.measure.select.value = measure;
      this.aggregate.select.value = aggregate;
      this.base.select.value = base;
    }
  }

  Object.assign(explore, { named, presets, ColumnPicker, columnsIn, PivotMenu, PIVOT_SLOTS: { rows: ROW_SLOTS, columns: COLUMN_SLOTS } });
})();
