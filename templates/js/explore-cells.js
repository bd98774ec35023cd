// One value of a row, as it is read: in the table, in the pivot, in a download.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, el, number, exact, root } = fleetmark;
  const INTERVALS = { latency_ms: ["latency_low_ms", "latency_high_ms"], throughput_fps: ["throughput_low_fps", "throughput_high_fps"] };
  const LONGEST_TITLE = 1000;
  const DOUBTS = { noisy: ["~", "doubtful"], invalid: ["✕", "bad"], "no interval": ["?", "doubtful"] };

  /** A link that opens what stands behind a row; without scripts of that page, it leads to the row itself. */
  function rowLink(view, i, attributes, ...children) {
    const { rows, campaign } = view;
    return el("a", { href: root + rows.text("href", i), "data-row": rows.text("row", i), "data-campaign": campaign, ...attributes }, ...children);
  }

  function missing() {
    return el("span", { class: "missing" }, el("span", { "aria-hidden": "true" }, "–"), el("span", { class: "unseen" }, "none"));
  }

  /** A sign beside a number that may not be trusted. */
  function doubt(verdict) {
    const [sign, style] = DOUBTS[verdict] ?? [];
    return sign ? el("span", { class: `tag ${style}`, title: verdict }, ` ${sign}`, el("span", { class: "unseen" }, ` ${verdict}`)) : null;
  }

  function tooltip(rows, column, i) {
    const value = exact(rows.number(column.key, i), column.unit);
    const [low, high] = (INTERVALS[column.key] ?? []).map((key) => (rows.columns.includes(key) ? rows.number(key, i) : NaN));
    const interval = low > 0 ? `; 95 % interval ${number(low)} to ${number(high)}` : "";
    const verdict = rows.text("verdict", i);
    return `${value}${interval}${verdict && verdict !== "valid" ? `; ${verdict}` : ""}`;
  }

  function numberCell(view, column, i) {
    const { rows } = view;
    const value = rows.number(column.key, i);
    if (Number.isNaN(value)) {
      const note = rows.note(column.key, i);
      return note ? el("span", { class: "note" }, note) : missing();
    }
    if (column.kind === "count") return document.createTextNode(value.toLocaleString("en-US"));
    return el("span", {}, rowLink(view, i, { title: tooltip(rows, column, i) }, number(value)), doubt(rows.text("verdict", i)));
  }

  function firstWords(text) {
    return explore.short(text.split("\n", 1)[0]);
  }

  /** What a cell leaves out of a text. */
  function titleOf(text) {
    return firstWords(text) === text ? null : text.slice(0, LONGEST_TITLE);
  }

  function statusCell(view, i) {
    const status = view.rows.text("status", i).replaceAll("_", " ");
    if (status === "ok") return el("span", { class: "tag good" }, el("span", { "aria-hidden": "true" }, "✓ "), "ok");
    const reason = view.rows.text("reason", i);
    return el(
      "span",
      {},
      el("span", { class: "tag bad" }, el("span", { "aria-hidden": "true" }, "✕ "), status),
      reason ? [" ", rowLink(view, i, { class: "reason", title: reason.slice(0, LONGEST_TITLE) }, el("bdi", {}, firstWords(reason)))] : null,
    );
  }

  function verdictCell(view, i) {
    const verdict = view.rows.text("verdict", i);
    if (!verdict) return missing();
    const [sign, style] = DOUBTS[verdict] ?? ["", "good"];
    return el("span", { class: `tag ${style}`, title: view.rows.text("verdict_reasons", i).replaceAll("_", " ") }, sign ? `${sign} ` : "", verdict);
  }

  /** What stands in a cell of the table. */
  function cell(view, column, i) {
    const { rows } = view;
    if (rows.isNumber(column.key)) return numberCell(view, column, i);
    if (column.key === "status") return statusCell(view, i);
    if (column.key === "verdict") return verdictCell(view, i);
    const text = rows.text(column.key, i);
    if (!text) return missing();
    const page = view.pages.get(column.key)?.get(text);
    if (page) return el("a", { href: root + page, title: titleOf(text) }, el("bdi", {}, explore.short(text)));
    return el("bdi", { class: "text", title: titleOf(text) }, firstWords(text));
  }

  /** The same in full, for a file: a number, a text, or null. */
  function plain(rows, key, i) {
    if (!rows.isNumber(key)) return rows.text(key, i) || null;
    const value = rows.number(key, i);
    return Number.isNaN(value) ? rows.note(key, i) || null : value;
  }

  Object.assign(explore, { cell, plain, rowLink, doubt, firstWords });
})();
