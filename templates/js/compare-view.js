// How a comparison is drawn: the answer, what it is of, ratios by model, what differs, and every configuration.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number, exact } = fleetmark;
  const LEVELS = [1.1, 1.5, 3]; // as integrator/site/pages/compare.py
  const MOST_LABELS = 3;
  const MOST_REASONS = 6;

  const signs = { faster: "▲", slower: "▼", equivalent: "≈", inconclusive: "?" };
  const units = { latency: "ms", throughput: "FPS" };
  const plural = (count, word) => `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;

  // With three digits; where both ends of an interval read the same then, with as many as tell them apart.
  function writer(interval) {
    if (!interval || number(interval[0]) !== number(interval[1])) return number;
    const digits = [4, 5, 6].find((count) => interval[0].toPrecision(count) !== interval[1].toPrecision(count));
    return digits ? (value) => value.toPrecision(digits) : number;
  }

  const between = (interval) => interval.map(writer(interval)).join(" to ");

  // A ratio with the digits of its interval, so that it is seen to lie inside.
  const inside = (ratio, interval) => writer(interval)(ratio);

  // A class of the style sheet: the further from 1, the stronger.
  function colour(outcome, ratio) {
    if (outcome !== "faster" && outcome !== "slower") return "";
    const size = Math.abs(Math.log(ratio));
    return `${outcome === "faster" ? "fast" : "slow"}-${1 + LEVELS.filter((edge) => size >= Math.log(edge)).length}`;
  }

  // How many times as fast B is, whichever way the measure counts.
  function speed({ ratio, interval }, measure) {
    if (measure === "throughput" || ratio === null) return { ratio, interval };
    return { ratio: 1 / ratio, interval: interval && [1 / interval[1], 1 / interval[0]] };
  }

  function badge(text, labels = MOST_LABELS) {
    const [head, tail] = text.split(": ", 2);
    const parts = tail ? tail.split(", ") : [];
    const shown = parts.length > labels ? `${head}: ${parts.slice(0, labels).join(", ")} +${parts.length - labels}` : text;
    return el("span", { class: parts.length ? "badge differs" : "badge", title: text }, shown);
  }

  const letters = (names) => ["A", "B"].map((letter, place) => [el("span", { class: "letter" }, letter), " ", el("bdi", {}, names[place])]);

  function answer(found, names) {
    const { ratio, interval } = speed(found.mean, found.measure);
    const [a, b] = letters(names);
    if (found.pairs.length === 0) return el("p", { class: "answer" }, a, " and ", b, " have no configuration in common.");
    if (ratio === null) return el("p", { class: "answer" }, a, " and ", b, " have no configuration in common that is ok and valid on both.");
    const range = interval ? el("span", { class: "between" }, ` [${between(interval)}]`) : el("span", { class: "between" }, ` (${found.mean.reason})`);
    const title = `${exact(ratio)}${interval ? `; 95 % interval ${exact(interval[0])} to ${exact(interval[1])}` : ""}`;
    const times = el("strong", { title }, `${inside(ratio, interval)} times`);
    const after = { inconclusive: interval ? ": which of the two is faster is not known." : ".", equivalent: `: equivalent, less than ${fleetmark.shards.compare.rule.percent} % apart.` };
    return el("p", { class: "answer" }, `${signs[found.mean.outcome]} `, b, " is ", times, " as fast as ", a, range, after[found.mean.outcome] ?? ".");
  }

  function tally(found) {
    const counted = found.pairs.filter((pair) => pair.counted);
    const words = { faster: "B is faster", slower: "B is slower", equivalent: "equivalent", inconclusive: "inconclusive" };
    return el("ul", { class: "tally" }, Object.entries(words).map(([outcome, text]) =>
      el("li", {}, el("b", {}, counted.filter((pair) => pair.outcome === outcome).length.toLocaleString("en-US")), el("span", { "aria-hidden": "true" }, `${signs[outcome]} `), text)));
  }

  function why(pair) {
    if (pair.counted) return pair.reason;
    const states = [["A", pair.a], ["B", pair.b]].filter(([, side]) => !side.counted);
    if (states.length === 2 && pair.a.state === pair.b.state) return `${pair.a.state} on both`;
    return states.map(([letter, side]) => `${side.state} on ${letter}`).join(" and ");
  }

  // What the mean is not of, and why.
  function leftOut(found) {
    const reasons = new Map();
    const out = found.pairs.filter((pair) => !pair.counted || pair.ratio === null);
    for (const pair of out) reasons.set(why(pair), (reasons.get(why(pair)) ?? 0) + 1);
    const ordered = [...reasons].sort((one, other) => other[1] - one[1]);
    const rest = ordered.slice(MOST_REASONS).reduce((sum, [, count]) => sum + count, 0);
    const words = ordered.slice(0, MOST_REASONS).map(([text, count]) => `${count} ${text}`);
    const items = [];
    if (out.length) items.push(`${plural(out.length, "configuration")} not counted: ${words.join("; ")}${rest ? `; ${rest} for other reasons` : ""}.`);
    if (found.only.a) items.push(`${plural(found.only.a, "configuration")} planned for A alone.`);
    if (found.only.b) items.push(`${plural(found.only.b, "configuration")} planned for B alone.`);
    return items.length ? el("ul", { class: "out" }, items.map((text) => el("li", {}, text))) : null;
  }

  function headline(found, names) {
    const { mean, measure, pairs } = found;
    const of = `Geometric mean of the ratios of ${measure === "latency" ? "median latencies" : "throughputs"} over ${mean.known} of ${plural(mean.of, "configuration")} that both planned (${mean.groups > 1 ? `${plural(mean.groups, "model")}, each weighing the same` : "of one model"}), with its 95 % interval over the ${mean.groups > 1 ? "models" : "configurations"}.`;
    return [answer(found, names), mean.ratio === null ? null : el("p", { class: "of" }, of), el("p", { class: "of" }, badge(found.badge, 6)), pairs.length ? tally(found) : null, leftOut(found)].filter(Boolean);
  }

  const kinds = { hardware: "Hardware", software: "Software", setting: "Settings" };

  function differences(found, names) {
    const { differs } = found;
    if (!differs.length) return [el("h3", {}, "In what they differ"), el("p", { class: "lead" }, "In nothing that their machines tell.")];
    const certain = differs.filter((each) => each.certain);
    const unknown = differs.filter((each) => !each.certain);
    const cell = (text) => (text === null ? el("td", { class: "unknown" }, el("em", {}, "unknown")) : el("td", {}, el("bdi", {}, text)));
    const row = (each) => el("tr", {}, el("th", { scope: "row" }, each.label), cell(each.first), cell(each.second));
    const group = (title, rows) => (rows.length ? [el("tr", { class: "of-kind" }, el("th", { colspan: 3, scope: "rowgroup" }, title)), rows.map(row)] : []);
    const [a, b] = letters(names);
    const table = el("div", { class: "scroll differences", tabindex: 0, role: "region", "aria-label": "In what they differ" },
      el("table", {},
        el("caption", { class: "unseen" }, "Facts of the two that are not the same"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "fact"), el("th", { scope: "col" }, a), el("th", { scope: "col" }, b))),
        el("tbody", {}, Object.entries(kinds).map(([kind, title]) => group(title, certain.filter((each) => each.kind === kind))), group("Unknown on one side, and so not known to differ", unknown))));
    const summary = `${certain.length ? plural(certain.length, "fact") : "No fact"} known to differ${unknown.length ? `, ${unknown.length} unknown on one side` : ""}`;
    return [el("h3", {}, "In what they differ"), el("details", { open: certain.length <= 12 }, el("summary", {}, summary), table)];
  }

  function value(side, campaign, measure) {
    if (!side.ok) return el("span", { class: "tag bad", title: side.reason }, el("span", { "aria-hidden": "true" }, "✕ "), side.state);
    const [low, high] = side.interval;
    const title = `${exact(side.value, units[measure])}${Number.isNaN(low) || Number.isNaN(high) ? "" : `; 95 % interval ${exact(low)} to ${exact(high)}`}`;
    return el("a", { href: fleetmark.root + side.href, title, dataset: { row: side.row, campaign } }, number(side.value));
  }

  function ratioCell(pair) {
    if (pair.ratio === null) return el("td", { class: "number", "data-heading": "ratio B ÷ A" }, el("span", { class: "missing" }, "–"));
    const title = `${exact(pair.ratio)}${pair.interval ? `; 95 % interval ${exact(pair.interval[0])} to ${exact(pair.interval[1])}` : ""}`;
    return el("td", { class: `number ${pair.counted ? colour(pair.outcome, pair.ratio) : ""}`, "data-heading": "ratio B ÷ A", title },
      inside(pair.ratio, pair.interval), el("span", { class: "interval" }, pair.interval ? between(pair.interval) : "no interval"));
  }

  function verdictCell(pair) {
    const doubts = [["A", pair.a], ["B", pair.b]].filter(([, side]) => side.ok && !side.counted);
    const tags = doubts.map(([letter, side]) => el("span", { class: side.state === "noisy" ? "tag doubtful" : "tag bad" }, `${side.state} on ${letter}`));
    const cell = (...content) => el("td", { class: "verdict", "data-heading": "B by A", title: pair.reason }, ...content);
    if (!pair.outcome) return cell(el("span", { class: "missing" }, "no ratio"), tags);
    if (!pair.counted) return cell(el("span", { class: "missing" }, "not counted"), tags);
    const why = pair.interval ? null : el("span", { class: "interval" }, pair.reason);
    return cell(el("span", { "aria-hidden": "true" }, `${signs[pair.outcome]} `), pair.outcome, why);
  }

  function row(pair, found) {
    const heading = (letter) => `${letter} [${units[found.measure]}]`;
    return el("tr", {},
      el("th", { scope: "row" }, el("b", {}, el("bdi", {}, pair.model)), el("span", { class: "settings" }, el("bdi", {}, pair.label))),
      el("td", { class: "number", "data-heading": heading("A") }, value(pair.a, found.a.campaign, found.measure)),
      el("td", { class: "number", "data-heading": heading("B") }, value(pair.b, found.b.campaign, found.measure)),
      ratioCell(pair),
      verdictCell(pair),
      el("td", { class: "differing", "data-heading": "comparability" }, badge(pair.badge)));
  }

  fleetmark.compareView = { headline, differences, row, units, plural, between, speed };
})();
