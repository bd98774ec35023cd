// The answers of *Find my machine*, as they are drawn.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number, finder, site } = fleetmark;
  const { HIGH } = finder;
  const MOST_SHOWN = 10;

  const counted = (count, word) => `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;
  const percent = (share) => `${Math.floor(100 * share + 1e-9)} %`;

  function link(data, at, words) {
    if (at < 0) return words;
    const i = data.table.places[at];
    return el("a", { href: fleetmark.root + data.rows.text("href", i), dataset: { row: data.rows.text("row", i) } }, words);
  }

  // What to show for what was found, and a sentence for who does not see it. `data` is { rows, table }: the store,
  // and the table that was searched, with the `places` of its tests in the store.
  function drawn({ answers: good, fails }, query, data) {
    const words = good.length
      ? `${counted(good.length, "machine")} of ${good.length + fails.length} can do it; the first is ${good[0].machine}.`
      : fails.length === 1 ? "The only machine cannot do it." : `None of ${counted(fails.length, "machine")} can do it.`;
    const parts = [el("p", { class: "verdict" }, good.length
      ? [el("strong", {}, el("bdi", {}, good[0].machine)), good[0].machines > 1 ? ` × ${good[0].machines}` : "", good.length > 1 ? ` is the first of ${counted(good.length, "kind")} of machine that can do it.` : " is the only kind of machine that can do it."]
      : el("strong", {}, words))];
    if (good.length) parts.push(answerTable(good, query, data));
    if (fails.length) parts.push(failTable(fails, data, !good.length));
    parts.push(assumptions(query, good));
    return { words, parts };
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
      el("summary", {}, `Why ${fails.length === 1 ? `${open ? "it" : "the other"} fails` : `the ${open ? "" : "other "}${fails.length} fail`}`),
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

  finder.drawn = drawn;
})();
