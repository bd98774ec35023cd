// "Explain this number": a drawer with what stands behind one row, opened by any <a data-row="…"> and by the
// key `explain` of the address. With scripts off such a link leads to the row on its machine's page.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el } = fleetmark;
  const chosen = fleetmark.state({ explain: "" });
  let dialog = null;
  let shown = "";
  let pushed = false;

  // A row's id has no full stop.
  const parts = (key) => {
    const dot = key.indexOf(".");
    return dot < 0 ? [key, ""] : [key.slice(0, dot), key.slice(dot + 1)];
  };

  async function need() {
    if (!fleetmark.site) await fleetmark.loadScript("assets/manifest.js");
    if (!fleetmark.rows) await fleetmark.loadScript("assets/js/store.js");
    if (!fleetmark.shards?.words) await fleetmark.loadScript("assets/words.js");
    if (!fleetmark.ecdf) await fleetmark.loadScript("assets/js/ecdf.js");
    if (!fleetmark.explanation) await fleetmark.loadScript("assets/js/explanation.js");
  }

  function fileOf(list, name) {
    return list.find((each) => each.name === name)?.file;
  }

  // The row's cells, and its details where the site has them.
  async function read(row, wanted) {
    await need();
    const campaign = fleetmark.site.campaigns.find(({ id }) => id === (wanted || fleetmark.site.campaigns[0].id));
    if (!campaign) throw new Error(`This site has no campaign ${wanted}.`);
    const rows = await fleetmark.rows(campaign.id);
    const { words } = fleetmark.shards;
    await rows.need([...words.order, "row", "href", "label"]);
    const place = rows.find(row);
    if (place < 0) throw new Error(`The campaign ${campaign.id} has no test ${row}: the link is of another one, or of another site.`);
    const machine = fileOf(fleetmark.site.machines, rows.text("machine", place));
    const model = fileOf(fleetmark.site.models, rows.text("model", place));
    let detail = null;
    if (words.details[campaign.id]?.[machine]?.includes(model)) {
      const name = `explain/${campaign.id}/${machine}/${model}`;
      await fleetmark.loadScript(`data/${name}.js`);
      const shard = fleetmark.shards[name];
      if (shard.tests[row]) {
        detail = { ...shard.tests[row] };
        for (const [part, values] of Object.entries(shard.shared)) {
          const place = detail[part];
          detail[part] = Array.isArray(place) ? place.map((each) => values[each]) : values[place];
        }
      }
    }
    const cell = {
      text: (key) => rows.text(key, place),
      number: (key) => rows.number(key, place),
      note: (key) => rows.note(key, place),
    };
    return { row, campaign, cell, detail, words };
  }

  function make() {
    const close = el("button", { type: "button", class: "close", onclick: hide }, "Close");
    const title = el("h2", { id: "explain-title", tabindex: "-1", autofocus: true }, "Explain this number");
    const body = el("div", { class: "body" });
    const status = el("p", { class: "unseen", role: "status", "aria-live": "polite" });
    dialog = el("dialog", { class: "explain", "aria-labelledby": "explain-title" },
      el("div", { class: "head" }, title, close), body, status);
    Object.assign(dialog, { title_: title, body, status });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      hide();
    });
    dialog.addEventListener("click", (event) => {
      // Beside it: what is inside of its own box, such as the room below a short text, is not.
      if (event.target === dialog && event.clientX < dialog.getBoundingClientRect().left) hide();
    });
    document.body.append(dialog);
  }

  // A page that the drawer was opened on is where "back" leads; a page that began with it stays.
  function hide() {
    if (pushed) history.back();
    else chosen.set({ explain: "" }, { push: false });
  }

  async function draw() {
    const { explain } = chosen.get();
    if (explain === shown) return;
    shown = explain;
    if (!explain) {
      pushed = false;
      if (dialog?.open) dialog.close();
      return;
    }
    if (!dialog) make();
    dialog.title_.replaceChildren("Explain this number");
    dialog.body.replaceChildren(el("p", { class: "empty" }, "Loading …"));
    dialog.setAttribute("aria-busy", "true");
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    try {
      const found = await read(...parts(explain));
      if (explain !== shown) return; // another was asked for meanwhile
      fleetmark.explanation(dialog, found);
    } catch (error) {
      if (explain !== shown) return;
      dialog.body.replaceChildren(el("p", { class: "trouble" }, error.message));
    }
    dialog.removeAttribute("aria-busy");
  }

  /**
   * Opens the drawer for a row, of the newest campaign where none is named. The link names it in any case: it is
   * to this number, also when there is a newer campaign.
   */
  fleetmark.explain = (row, campaign = "") => {
    if (!chosen.get().explain) pushed = true;
    chosen.set({ explain: `${row}.${campaign || document.body.dataset.campaign}` }, { push: !shown });
  };

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[data-row]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // a window of its own
    event.preventDefault();
    fleetmark.explain(link.dataset.row, link.dataset.campaign);
  });

  chosen.onChange(draw);
  draw();
})();
