// What machines cost and draw, as *Find my machine* takes it: the lab's word, or what is written over it.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, finder } = fleetmark;
  const { positive, same } = finder.address;

  // The table of `machines` of the site, to be opened; `draw(offers)` fills it. `save(machine, offer)` is called with what somebody wrote.
  finder.offersTable = (machines, offered, save) => {
    const summary = el("summary", {}, "Prices and watts");
    const lines = machines.map(({ name }) => offerLine(name, offered[name], (offer) => save(name, offer)));
    const dated = machines.map(({ priced_on: day }) => day).filter(Boolean).sort();
    const span = dated.length ? `, of ${dated[0]}${dated.at(-1) === dated[0] ? "" : ` to ${dated.at(-1)}`}` : "";
    const headings = ["machine", "price", "currency", "watts"].map((words) => el("th", { scope: "col" }, words));
    const element = el("details", { class: "offers" },
      summary,
      el("p", { class: "lead" }, `As the lab says${span}. What you change here stays in the link and nowhere else. A price is that of one machine, watts are what it draws in all.`),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Prices and watts" },
        el("table", {},
          el("thead", {}, el("tr", {}, headings, el("th", { scope: "col" }, el("span", { class: "unseen" }, "undo")))),
          el("tbody", {}, lines.map(({ row }) => row)))));
    const draw = (offers) => {
      const edited = lines.filter(({ show }, at) => show(offers[machines[at].name])).length;
      summary.textContent = `Prices and watts${edited ? ` (${edited} edited here)` : ""}`;
    };
    return { element, draw };
  };

  // A machine's line; `show` gives whether it differs from what the lab says.
  function offerLine(name, lab, save) {
    const amount = (what) => el("input", { type: "number", min: 0.01, step: "any", autocomplete: "off", "aria-label": `${what} of ${name}` });
    const cells = {
      price: amount("price"),
      currency: el("input", { size: 5, maxlength: 8, autocomplete: "off", "aria-label": `currency of ${name}` }),
      watts: amount("watts"),
    };
    const written = () => ({ price: positive(cells.price.value), currency: cells.currency.value.trim(), watts: positive(cells.watts.value) });
    for (const control of Object.values(cells)) control.addEventListener("change", () => save(written()));
    const undo = el("button", { type: "button", hidden: true, onclick: () => {
      save(lab);
      cells.price.focus();
    } }, "as the lab says");
    const row = el("tr", { dataset: { machine: name } },
      el("th", { scope: "row" }, el("bdi", {}, name)),
      Object.values(cells).map((control) => el("td", {}, control)),
      el("td", {}, undo));
    const show = (offer) => {
      if (!same(written(), offer)) {
        for (const key of ["price", "watts"]) cells[key].value = Number.isFinite(offer[key]) ? String(offer[key]) : "";
        cells.currency.value = offer.currency;
      }
      const changed = !same(offer, lab);
      row.classList.toggle("edited", changed);
      undo.hidden = !changed;
      return changed;
    };
    return { row, show };
  }
})();
