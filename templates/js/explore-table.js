// The table: DataTables asks for a page of rows, and gets it from the columns in memory.
"use strict";

(() => {
  const { fleetmark } = window;
  const { explore, el } = fleetmark;
  const LENGTH = 50;

  function heading(column) {
    const arrow = { lower: " ↓", higher: " ↑" }[column.better] ?? "";
    const words = { lower: "lower is better", higher: "higher is better" }[column.better];
    return el(
      "th",
      { scope: "col", class: column.kind === "text" ? "text" : "number", "data-key": column.key, title: [column.meaning, words].filter(Boolean).join(" ") },
      column.heading,
      column.unit && column.unit !== column.heading ? el("span", { class: "unit" }, ` ${column.unit}`) : null,
      arrow ? el("span", { class: "better", "aria-hidden": "true" }, arrow) : null,
    );
  }

  class Table {
    #parent;
    #table = null;
    #shape = "";
    #view = null;
    #changed;
    #known = null;
    #stamp = "";

    /** `changed({key, direction, page})` is called when the reader sorts or turns a page. */
    constructor(parent, changed) {
      this.#parent = parent;
      this.#changed = changed;
    }

    /** Shows the rows that `view.sorted` gives; `view` has also rows, columns, campaign, filters, pages, caption. */
    show(view, { key, direction, page }) {
      this.#view = view;
      const shape = JSON.stringify([view.campaign, view.columns.map((column) => column.key)]);
      const start = LENGTH * (page - 1);
      const wanted = { key, direction, page };
      const stamp = JSON.stringify([shape, view.filters, wanted]);
      if (stamp === this.#stamp) return; // the reader sorted, and the table has done it
      this.#stamp = stamp;
      // DataTables takes no page beyond those that it knows of: then it is made anew.
      const beyond = this.#table && start >= this.#table.page.info().recordsDisplay && start > 0;
      this.#known = wanted;
      if (!this.#table || shape !== this.#shape || beyond) {
        this.#make(view, wanted, start);
        this.#shape = shape;
        return;
      }
      this.#table.order(this.#order(view, wanted));
      this.#table.page(page - 1).draw("page");
    }

    #order(view, { key, direction }) {
      const at = view.columns.findIndex((column) => column.key === key);
      return at < 0 ? [] : [[at, direction]];
    }

    #make(view, wanted, start) {
      this.#table?.destroy();
      const table = el("table", { class: "rows" }, el("caption", {}, el("span", { class: "text" }, view.caption)), el("thead", {}, el("tr", {}, view.columns.map(heading))), el("tbody", {}));
      this.#parent.replaceChildren(table);
      this.#table = new window.DataTable(table, {
        ajax: (request, callback) => this.#give(request, callback),
        autoWidth: false,
        columns: view.columns.map((column, at) => ({
          data: null,
          name: column.key,
          className: `${column.kind === "text" ? "text" : "number"} c-${column.key}`,
          cellType: at === 0 ? "th" : "td",
          createdCell: at === 0 ? (node) => node.setAttribute("scope", "row") : undefined,
          orderSequence: column.better === "higher" ? ["desc", "asc", ""] : ["asc", "desc", ""],
          render: (_, type, { i }) => (type === "display" ? explore.cell(this.#view, column, i) : ""),
        })),
        displayStart: start,
        language: {
          emptyTable: "No row has all of this.",
          info: "_START_–_END_ of _TOTAL_",
          infoEmpty: "",
          zeroRecords: "No row has all of this.",
          paginate: { first: "First", previous: "Previous", next: "Next", last: "Last" },
        },
        layout: { topStart: null, topEnd: null, bottomStart: "info", bottomEnd: "paging" },
        lengthChange: false,
        order: this.#order(view, wanted),
        orderMulti: false,
        pageLength: LENGTH,
        processing: false,
        searching: false,
        serverSide: true,
      });
    }

    #give(request, callback) {
      const view = this.#view;
      const [order] = request.order;
      const asked = {
        key: order && order.dir ? view.columns[order.column].key : "",
        direction: order?.dir === "desc" ? "desc" : "asc",
        page: Math.floor(request.start / LENGTH) + 1,
      };
      // A column that is not shown may be the one that is sorted by.
      if (!asked.key && this.#known.key && !view.columns.some((column) => column.key === this.#known.key)) Object.assign(asked, { key: this.#known.key, direction: this.#known.direction });
      const rows = view.sorted(asked.key, asked.direction);
      const shown = Array.from(rows.subarray(request.start, request.start + request.length), (i) => ({ i }));
      callback({ draw: request.draw, recordsTotal: view.rows.length, recordsFiltered: rows.length, data: shown });
      if (asked.key !== this.#known.key || asked.page !== this.#known.page || (asked.key && asked.direction !== this.#known.direction)) {
        this.#known = asked;
        this.#stamp = JSON.stringify([this.#shape, view.filters, asked]);
        this.#changed(asked);
      }
    }
  }

  Object.assign(explore, { Table });
})();
