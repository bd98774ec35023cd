// Sorting and filtering of the table of all tests. The table itself is in the page: without this file
// everything is there, in the order of the campaign. What is chosen is kept in the address after "#".
"use strict";

(() => {
  const table = document.getElementById("all");
  const form = document.querySelector("form.controls");
  if (!table || !form) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.querySelectorAll("tr[data-status]"));
  const headings = Array.from(table.querySelectorAll("thead th[data-key]"));
  const fields = form.elements;
  const count = fields.namedItem("count");
  const shows = {
    all: () => true,
    failures: (row) => row.dataset.status !== "ok",
    doubtful: (row) => row.dataset.verdict === "noisy" || row.dataset.verdict === "invalid",
    ok: (row) => row.dataset.status === "ok",
  };
  const texts = new Map();
  const compareText = new Intl.Collator("en", { numeric: true }).compare;
  const start = { sort: "", dir: "asc", q: "", show: "all" };
  let state = { ...start };

  function textOf(row) {
    if (!texts.has(row)) {
      // What a reason means is no word of the test's own: "heat" finds no test that is told to look for it.
      const own = row.cloneNode(true);
      for (const doubts of own.querySelectorAll(".doubts")) doubts.remove();
      texts.set(row, own.textContent.replace(/\s+/g, " ").toLowerCase());
    }
    return texts.get(row);
  }

  function sortRows() {
    const index = headings.findIndex((heading) => heading.dataset.key === state.sort);
    if (index < 0) return rows;
    const numeric = !headings[index].classList.contains("text");
    const direction = state.dir === "desc" ? -1 : 1;
    const keyed = rows.map((row) => [row.cells[index].dataset.sort, row]);
    keyed.sort(([a], [b]) => {
      // What is missing comes last in both directions.
      if (a === "" || b === "") return (a === "") - (b === "");
      return direction * (numeric ? Number(a) - Number(b) : compareText(a, b));
    });
    return keyed.map(([, row]) => row);
  }

  function draw({ resort }) {
    if (resort) body.append(...sortRows());
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const visible = shows[state.show](row) && words.every((word) => textOf(row).includes(word));
      row.hidden = !visible;
      if (visible) shown += 1;
    }
    for (const heading of headings) {
      if (heading.dataset.key === state.sort) {
        heading.setAttribute("aria-sort", state.dir === "desc" ? "descending" : "ascending");
      } else {
        heading.removeAttribute("aria-sort");
      }
    }
    count.value = shown === rows.length ? `${shown} tests` : `${shown} of ${rows.length} tests`;
  }

  function address() {
    const parameters = new URLSearchParams();
    for (const key of Object.keys(start)) {
      if (state[key] !== start[key]) parameters.set(key, state[key]);
    }
    return `#${parameters}`;
  }

  function change(changes, { remember }) {
    state = { ...state, ...changes };
    history[remember ? "pushState" : "replaceState"](null, "", address());
    draw({ resort: "sort" in changes });
  }

  function read() {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) {
      // A link to one row: it must not be hidden.
      const row = document.getElementById(hash);
      if (row && row.hidden) {
        state = { ...state, q: "", show: "all" };
        fill();
        draw({ resort: false });
        row.scrollIntoView({ block: "center" });
      }
      return;
    }
    const parameters = new URLSearchParams(hash);
    state = { ...start };
    for (const key of Object.keys(start)) {
      if (parameters.has(key)) state[key] = parameters.get(key);
    }
    if (!Object.hasOwn(shows, state.show)) state.show = "all";
    fill();
    draw({ resort: true });
  }

  function fill() {
    fields.namedItem("q").value = state.q;
    fields.namedItem("show").value = state.show;
  }

  for (const heading of headings) {
    const label = heading.querySelector(".label");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...label.childNodes);
    label.append(button);
    button.addEventListener("click", () => {
      const { key } = heading.dataset;
      // Of rates the highest is wanted first; of everything else the lowest.
      const first = heading.dataset.better === "higher" ? "desc" : "asc";
      const dir = state.sort !== key ? first : state.dir === "asc" ? "desc" : "asc";
      change({ sort: key, dir }, { remember: true });
    });
  }
  fields.namedItem("q").addEventListener("input", (event) => {
    change({ q: event.target.value }, { remember: false });
  });
  fields.namedItem("show").addEventListener("change", (event) => {
    change({ show: event.target.value }, { remember: true });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    change({ ...start }, { remember: true });
    fill();
  });
  window.addEventListener("popstate", read);
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

  for (const hidden of [form, ...table.querySelectorAll(".sort-help")]) hidden.hidden = false;
  draw({ resort: false });
  read();
})();
