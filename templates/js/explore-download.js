// The current view as a file: what is filtered, sorted and chosen, in full precision.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, csvCell } = fleetmark;

  function csv(lines) {
    return lines.map((line) => line.map(csvCell).join(",")).join("\n") + "\n";
  }

  function table(view, order) {
    const keys = view.columns.map((column) => column.key);
    const values = Array.from(order, (i) => keys.map((key) => explore.plain(view.rows, key, i)));
    return { keys, values };
  }

  function tableCsv(view, order) {
    const { keys, values } = table(view, order);
    return csv([keys, ...values]);
  }

  function tableJson(view, order) {
    const { keys, values } = table(view, order);
    const rows = values.map((line) => Object.fromEntries(keys.map((key, at) => [key, line[at]])));
    return JSON.stringify({ campaign: view.campaign, filters: view.filters, exact: view.rows.exact, columns: keys, rows }, null, 1);
  }

  /** A number, or in words why there is none. */
  function pivotValue(cell) {
    if (!cell || cell.kind === "none") return null;
    return cell.kind === "value" ? cell.value : cell.reason;
  }

  function pivotCsv(view, pivot) {
    const head = [...view.rowKeys, ...pivot.across.map((names) => names.join(" / ") || view.column.key)];
    const lines = pivot.down.map((names, row) => [...names, ...pivot.across.map((_, column) => pivotValue(pivot.at(row, column)))]);
    return csv([head, ...lines]);
  }

  function pivotJson(view, pivot) {
    const cells = [];
    pivot.down.forEach((names, row) => {
      pivot.across.forEach((path, column) => {
        const cell = pivot.at(row, column);
        if (!cell) return;
        const { compared } = cell;
        const machine = [...names, ...path][[...view.rowKeys, ...view.columnKeys].indexOf("machine")];
        cells.push({
          ...Object.fromEntries(view.rowKeys.map((key, at) => [key, names[at]])),
          ...Object.fromEntries(view.columnKeys.map((key, at) => [key, path[at]])),
          [view.column.key]: cell.kind === "value" ? cell.value : null,
          state: cell.kind === "value" ? cell.doubt || "valid" : cell.kind,
          reason: cell.kind === "value" ? null : cell.reason,
          tests: cell.counted?.length ?? 0,
          ratio: compared?.ratio ?? null,
          ratio_low: Number.isFinite(compared?.low) ? compared.low : null,
          ratio_high: Number.isFinite(compared?.high) ? compared.high : null,
          difference: compared?.outcome ?? null,
          settings: cell.counted && view.aggregate === "best" ? view.rows.text("label", cell.row) : null,
          baseline_settings: compared && view.aggregate === "best" ? view.rows.text("label", compared.base) : null,
          comparability: compared && machine !== undefined ? view.badge?.(machine) || null : null,
        });
      });
    });
    const facts = { campaign: view.campaign, filters: view.filters, rows: view.rowKeys, columns: view.columnKeys, measure: view.column.key, unit: view.column.unit, aggregate: view.aggregate, baseline: view.baseWords || null, only: pivot.onlySync ? "sync" : null };
    return JSON.stringify({ ...facts, cells }, null, 1);
  }

  Object.assign(explore, { tableCsv, tableJson, pivotCsv, pivotJson });
})();
