// Ratios by model: a lane for each, a dot for each configuration, so that a mean hides nothing.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number } = fleetmark;
  const LANE = 22;
  const TOP = 40;
  const ABOVE = [1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000];
  const BELOW = [0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001];

  // The ticks that have room: each further from 1 than the last one by 56 pixels.
  function ticks(low, high, x) {
    const side = (values) => {
      let last = x(1);
      return values.filter((value) => {
        if (Math.log(value) < low || Math.log(value) > high || Math.abs(x(value) - last) < 56) return false;
        last = x(value);
        return true;
      });
    };
    return [1, ...side(ABOVE), ...side(BELOW)];
  }

  function byModel(pairs) {
    const models = new Map();
    for (const pair of pairs) {
      if (pair.ratio === null) continue;
      if (!models.has(pair.model)) models.set(pair.model, []);
      models.get(pair.model).push(pair);
    }
    const mean = (members) => members.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / members.length;
    return [...models]
      .map(([model, members]) => ({ model, members, mean: mean(members.some((pair) => pair.counted) ? members.filter((pair) => pair.counted) : members) }))
      .sort((one, other) => other.mean - one.mean);
  }

  // Dots on the same pixel with the same meaning are one.
  function dots(members, x, y) {
    const seen = new Set();
    const kind = (pair) => (!pair.counted ? "doubtful" : pair.outcome === "faster" || pair.outcome === "slower" ? pair.outcome : "");
    const found = [];
    for (const pair of members) {
      const [at, name] = [Math.round(x(pair.ratio)), kind(pair)];
      if (seen.has(`${at} ${name}`)) continue;
      seen.add(`${at} ${name}`);
      found.push(el("circle", { cx: at, cy: y, r: 4, class: name }, el("title", {}, `${pair.model}, ${pair.label}: ${number(pair.ratio)}${pair.counted ? `, ${pair.outcome}` : ", not counted"}`)));
    }
    return found;
  }

  function strip(found, width) {
    const models = byModel(found.pairs);
    if (models.length === 0) return [];
    const logs = models.flatMap(({ members }) => members.map(({ ratio }) => Math.log(ratio)));
    const low = logs.reduce((least, log) => Math.min(least, log), Math.log(1 / 1.05));
    const high = logs.reduce((most, log) => Math.max(most, log), Math.log(1.05));
    const left = Math.min(190, Math.round(width * 0.3));
    const inner = Math.max(60, width - left - 24);
    const x = (ratio) => left + 8 + ((Math.log(ratio) - low) / (high - low)) * (inner - 8);
    const height = TOP + models.length * LANE + 8;
    const up = found.measure === "throughput";
    const most = Math.max(4, Math.floor(left / 7.2));
    const cut = (name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
    const mean = found.mean.interval;
    const words = models.slice(0, 100).map(({ model, members, mean: middle }) => `${model} ${number(Math.exp(middle))} (${members.length})`).join(", ");
    const svg = el("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Mean ratio B ÷ A by model, with the number of configurations: ${words}` },
      mean ? el("rect", { class: "span", x: x(mean[0]), y: TOP - 8, width: Math.max(1, x(mean[1]) - x(mean[0])), height: height - TOP + 8 }, el("title", {}, "the 95 % interval of the mean over the models")) : null,
      ticks(low, high, x).map((value) => [
        el("line", { class: value === 1 ? "one" : "grid", x1: x(value), x2: x(value), y1: TOP - 8, y2: height }),
        el("text", { x: x(value), y: TOP - 13, "text-anchor": "middle" }, String(value)),
      ]),
      x(1) - left > 110 ? el("text", { x: x(1) - 8, y: 12, "text-anchor": "end" }, up ? "← A is faster" : "← B is faster") : null,
      width - x(1) > 110 ? el("text", { x: x(1) + 8, y: 12 }, up ? "B is faster →" : "A is faster →") : null,
      models.map(({ model, members, mean: middle }, lane) => {
        const y = TOP + lane * LANE + LANE / 2;
        return el("g", {},
          el("line", { class: "lane", x1: left, x2: width - 8, y1: y, y2: y }),
          el("text", { class: "model", x: left - 8, y: y + 4, "text-anchor": "end" }, el("title", {}, model), cut(model)),
          dots(members, x, y),
          el("line", { class: "mean", x1: x(Math.exp(middle)), x2: x(Math.exp(middle)), y1: y - 8, y2: y + 8 }, el("title", {}, `${model}: ${number(Math.exp(middle))}`)));
      }));
    return [
      el("h3", {}, "Ratios by model"),
      el("p", { class: "lead" }, "A dot is a configuration, a bar the mean of its model. Grey: inside the noise, or not known; hollow: noisy or invalid, and in no mean. The band is the interval of the mean of all."),
      el("div", { class: "strip", tabindex: 0, role: "region", "aria-label": "Ratios by model" }, svg),
    ];
  }

  fleetmark.compareStrip = strip;
})();
