// Draws a pivot: the number always, a colour only for a difference that is known.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, el, number, exact } = fleetmark;
  const LEVELS = [0.07, 0.26, 0.58, 1, 2]; // log2 of 1.05, 1.2, 1.5, 2 and 4
  const MOST_LABELS = 1;
  const MOST_CELLS = 3_000;
  const SIGNS = { better: "▲", worse: "▼", noise: "≈", unknown: "?" };

  const ratio = (value) => `${number(value)}×`;

  function level(value) {
    const distance = Math.abs(Math.log2(value));
    return Math.max(1, LEVELS.filter((bound) => distance >= bound).length);
  }

  function tooltip(view, cell) {
    const { rows } = view;
    const parts = [exact(cell.value, view.column.unit)];
    if (cell.counted.length > 1) parts.push(`${explore.AGGREGATES[view.aggregate]} of ${cell.counted.length} tests`);
    if (view.aggregate === "best" || cell.counted.length === 1) parts.push(rows.text("label", cell.row));
    const { compared } = cell;
    if (compared) {
      const interval = compared.outcome === "unknown" ? "without an interval" : `${number(compared.low)} to ${number(compared.high)}`;
      const of = view.aggregate === "best" ? "" : `, ${compared.pairs} of ${compared.of} tests in common`;
      parts.push(`${number(compared.ratio)} times as good as ${view.baseWords} (${interval}${of})`);
      if (compared.otherwise.length) parts.push(`other settings (${compared.otherwise.join(", ").replaceAll("_", " ")}): that is of ${rows.text("label", compared.base)}`);
    }
    if (cell.doubt) parts.push(cell.doubt);
    return parts.join("; ");
  }

  function comparison(cell) {
    if (cell.isBase && !cell.compared) return el("small", { class: "ratio" }, "1×");
    const { compared } = cell;
    if (!compared) return null;
    const covered = compared.pairs < compared.of && compared.pairs > 1 ? ` ${compared.pairs}/${compared.of}` : "";
    const otherwise = compared.otherwise.length ? [" *", el("span", { class: "unseen" }, " other settings")] : null;
    return el("small", { class: "ratio" }, `${SIGNS[compared.outcome]}${ratio(compared.ratio)}${covered}`, otherwise);
  }

  function value(view, cell) {
    const words = number(cell.value);
    const label = cell.isBest ? [el("b", {}, words), el("span", { class: "star", title: "best of its row" }, "★"), el("span", { class: "unseen" }, " best")] : words;
    const single = view.aggregate === "best" || cell.counted.length === 1;
    if (single) return explore.rowLink(view, cell.row, { title: tooltip(view, cell) }, label);
    return el("a", { href: view.drill(cell), title: tooltip(view, cell) }, label);
  }

  function drawCell(view, cell) {
    if (!cell || cell.kind === "none") return el("td", { class: "number empty-cell", title: cell?.reason }, el("span", { class: "missing" }, "·", el("span", { class: "unseen" }, "nothing")));
    if (cell.kind === "not run") return el("td", { class: "number" }, explore.rowLink(view, cell.row, { class: "missing", title: cell.reason.slice(0, 1000) }, "·", el("span", { class: "unseen" }, "not run")));
    if (cell.kind === "failed") {
      return el("td", { class: "failed" }, explore.rowLink(view, cell.row, { title: cell.reason.slice(0, 1000) }, el("span", { class: "tag bad" }, "✗ "), el("bdi", {}, explore.firstWords(cell.reason))));
    }
    const { compared } = cell;
    const heat = compared && (compared.outcome === "better" || compared.outcome === "worse") ? `${compared.outcome}-${level(compared.ratio)}` : "";
    return el("td", { class: `number ${heat}`.trim() }, value(view, cell), explore.doubt(cell.doubt), comparison(cell));
  }

  /** Beside the name of a machine, in what it differs from the machine that it is compared with. */
  function badge(view, key, name) {
    const words = key === "machine" && view.badge ? view.badge(name) : "";
    if (!words) return null;
    const labels = words.startsWith("differs in: ") ? words.slice("differs in: ".length).split(", ") : [];
    const more = labels.length > MOST_LABELS ? ` +${labels.length - MOST_LABELS}` : "";
    const text = labels.length ? `≠ ${labels.slice(0, MOST_LABELS).join(", ")}${more}` : words;
    return el("span", { class: "differs", title: words }, text);
  }

  /** Headings of several levels; equal neighbours share one. */
  function head(view, paths) {
    const levels = view.columnKeys.length;
    const lines = [];
    for (let depth = 0; depth < Math.max(1, levels); depth += 1) {
      const line = el("tr", {});
      if (depth === 0) line.append(el("th", { scope: "col", rowspan: Math.max(1, levels), class: "corner" }, view.rowKeys.map(explore.title).join(", ") || "all"));
      if (levels === 0) line.append(el("th", { scope: "col", class: "number" }, view.column.heading));
      for (let at = 0; levels > 0 && at < paths.length; ) {
        let end = at + 1;
        while (end < paths.length && paths[at].slice(0, depth + 1).every((name, index) => paths[end][index] === name)) end += 1;
        const last = depth === levels - 1;
        line.append(el("th", { scope: last ? "col" : "colgroup", colspan: end - at, class: last ? "number" : "" }, el("bdi", {}, explore.short(paths[at][depth])), badge(view, view.columnKeys[depth], paths[at][depth])));
        at = end;
      }
      lines.push(line);
    }
    return el("thead", {}, lines);
  }

  function body(view, pivot, columns, most) {
    const lines = [];
    let above = null;
    pivot.down.slice(0, most).forEach((path, row) => {
      const group = path.slice(0, -1).join(" · ");
      if (path.length > 1 && group !== above) lines.push(el("tr", { class: "group" }, el("th", { scope: "rowgroup", colspan: columns + 1 }, el("bdi", {}, explore.short(group)))));
      above = group;
      const cells = Array.from({ length: columns }, (_, column) => drawCell(view, pivot.at(row, column)));
      lines.push(el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, explore.short(path.at(-1) ?? "all")), badge(view, view.rowKeys.at(-1), path.at(-1))), cells));
    });
    return el("tbody", {}, lines);
  }

  function legend(view, hasInterval) {
    if (!view.baseWords) return null;
    if (!hasInterval) return el("p", { class: "legend" }, `There is no interval of ${view.column.heading}, so no difference is known and none has a colour.`);
    const sides = view.baseWords.startsWith("the best") ? ["worse"] : ["worse", "better"];
    const swatch = (style, words) => el("span", { class: `swatch ${style}` }, words);
    return el(
      "p",
      { class: "legend" },
      `Against ${view.baseWords}: `,
      [5, 4, 3, 2, 1].map((n) => swatch(`worse-${n}`, n === 5 ? "▼ 4× worse" : "")),
      swatch("", "≈ inside the noise"),
      sides.includes("better") && [1, 2, 3, 4, 5].map((n) => swatch(`better-${n}`, n === 5 ? "▲ 4× better" : "")),
      " ★ best of its row · ? no interval · * the best are of other settings: point at one for both · ~ noisy and ✕ invalid are neither ranked nor coloured · ✗ failed · “·” not run",
      view.badge ? " · ≠ what differs from the baseline beside the speed" : sides.length === 1 && [...view.rowKeys, ...view.columnKeys].includes("machine") ? ". Compare with one machine to see in what the others differ." : null,
    );
  }

  /** The pivot as a table below `parent`. */
  function draw(parent, view, pivot) {
    const columns = pivot.across.length;
    if (pivot.down.length === 0) {
      parent.replaceChildren(el("p", { class: "empty" }, "No row has all of this."));
      return;
    }
    const most = view.all ? Infinity : Math.max(1, Math.floor(MOST_CELLS / columns));
    const better = { lower: "lower is better", higher: "higher is better" }[view.column.better];
    const caption = `${view.caption}: ${explore.AGGREGATES[view.aggregate]} of ${explore.named(view.column)}${pivot.onlySync ? " (sync tests alone: in async, requests wait for each other)" : ""} – ${better}`;
    const table = el("table", { class: "pivot" }, el("caption", {}, el("span", { class: "text" }, caption)), head(view, pivot.across), body(view, pivot, columns, most));
    const rest = pivot.down.length - most;
    parent.replaceChildren(
      ...[
        legend(view, pivot.hasInterval),
        el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table),
        rest > 0 ? el("p", {}, `${rest} more rows. `, el("button", { type: "button", onclick: () => draw(parent, { ...view, all: true }, pivot) }, "Show all")) : null,
      ].filter(Boolean),
    );
  }

  Object.assign(explore, { drawPivot: draw });
})();
