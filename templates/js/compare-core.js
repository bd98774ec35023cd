// Whether one test is faster than another: the rule of integrator/statistics/compare.py, carried out again in
// the browser on what integrator/site/compare/scripts.py ships of it. Python is the definition; a test holds
// this file against it.
"use strict";

(() => {
  const fleetmark = (window.fleetmark = window.fleetmark || {});

  function median(sorted) {
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  const needs = (missing) => `needs ${missing} more run${missing > 1 ? "s" : ""} of each`;

  // What a ratio with this interval is called.
  function outcomeOf(rule, [low, high], higherIsFaster) {
    if (1 / (1 + rule.band) <= low && high <= 1 + rule.band) return "equivalent";
    if (low <= 1 && 1 <= high) return "inconclusive";
    return low > 1 === higherIsFaster ? "faster" : "slower";
  }

  const possible = (sample) => sample.every((value) => Number.isFinite(value) && value > 0);

  // The runs that are missing of both: -1 where some have no value that can be, NaN where nobody knows the rank.
  function missing(rule, first, second) {
    if (!possible(first) || !possible(second)) return -1;
    const rank = rule.ranks[`${Math.min(first.length, second.length)},${Math.max(first.length, second.length)}`];
    return rank === undefined ? NaN : Math.max(0, -rank);
  }

  // Two tests by one number of each of their runs; the ratio is second ÷ first.
  function measure(rule, first, second, higherIsFaster) {
    const lacking = missing(rule, first, second);
    if (!(lacking >= 0) || first.length === 0 || second.length === 0) return { outcome: "inconclusive", ratio: null, interval: null };
    const below = Float64Array.from(first, Math.log);
    const above = Float64Array.from(second, Math.log);
    const ratios = new Float64Array(below.length * above.length);
    let place = 0;
    for (const over of above) for (const under of below) ratios[place++] = over - under;
    ratios.sort();
    const ratio = Math.exp(median(ratios));
    if (lacking) return { outcome: "inconclusive", ratio, interval: null };
    const rank = rule.ranks[`${Math.min(first.length, second.length)},${Math.max(first.length, second.length)}`];
    const interval = [Math.exp(ratios[rank - 1]), Math.exp(ratios[ratios.length - rank])];
    return { outcome: outcomeOf(rule, interval, higherIsFaster), ratio, interval };
  }

  // One sentence: what the outcome rests on, or what is missing.
  function reasonOf(rule, first, second, { outcome, interval }) {
    const lacking = missing(rule, first, second);
    if (lacking === -1) return `a run of the ${possible(first) ? "second" : "first"} test has no positive finite value`;
    if (Number.isNaN(lacking)) return "no rank is known for so many runs";
    if (!interval) return needs(lacking);
    const shown = `the ratio is between ${interval[0].toFixed(3)} and ${interval[1].toFixed(3)}`;
    return shown + ({ equivalent: `, less than ${rule.percent} % apart`, inconclusive: ": more runs may tell" }[outcome] ?? "");
  }

  const compare = (rule, first, second, higherIsFaster) => {
    const found = measure(rule, first, second, higherIsFaster);
    return { ...found, reason: reasonOf(rule, first, second, found) };
  };

  // Student's t; beyond the table an expansion in the degrees of freedom, exact to six digits.
  function student(rule, freedom) {
    if (freedom <= rule.student.length) return rule.student[freedom - 1];
    const z = rule.normal;
    const powers = (...factors) => factors.reduce((sum, factor) => sum * z * z + factor, 0) * z;
    return z
      + powers(1, 1) / (4 * freedom)
      + powers(5, 16, 3) / (96 * freedom ** 2)
      + powers(3, 19, 17, -15) / (384 * freedom ** 3)
      + powers(79, 776, 1482, -1920, -945) / (92160 * freedom ** 4);
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // The mean of ratios on the logarithms, with Student's interval over them; null is one that is not known.
  function meanOfRatios(rule, ratios) {
    const logs = ratios.filter((ratio) => ratio !== null).map(Math.log);
    const counts = { known: logs.length, of: ratios.length };
    if (logs.length === 0) return { ratio: null, interval: null, reason: "no configuration has a ratio", ...counts };
    const middle = mean(logs);
    if (logs.length === 1) return { ratio: Math.exp(middle), interval: null, reason: "needs 1 more configuration", ...counts };
    const variance = logs.reduce((sum, log) => sum + (log - middle) ** 2, 0) / (logs.length - 1);
    const half = (student(rule, logs.length - 1) * Math.sqrt(variance)) / Math.sqrt(logs.length);
    return { ratio: Math.exp(middle), interval: [Math.exp(middle - half), Math.exp(middle + half)], reason: "", ...counts };
  }

  // The mean of the groups' means: a model of many configurations weighs no more than one of few.
  function meanByGroup(rule, ratios, groups) {
    const byGroup = new Map();
    ratios.forEach((ratio, place) => {
      if (ratio === null) return;
      if (!byGroup.has(groups[place])) byGroup.set(groups[place], []);
      byGroup.get(groups[place]).push(Math.log(ratio));
    });
    if (byGroup.size <= 1) return { ...meanOfRatios(rule, ratios), groups: byGroup.size };
    const means = meanOfRatios(rule, Array.from(byGroup.values(), (logs) => Math.exp(mean(logs))));
    const known = Array.from(byGroup.values()).reduce((sum, logs) => sum + logs.length, 0);
    return { ...means, known, of: ratios.length, groups: byGroup.size };
  }

  // In what two machines differ, as integrator/site/compare/differences.py: `shipped` is assets/machines.js.
  function differences(shipped, first, second) {
    const side = ([campaign, machine]) => shipped.of[campaign]?.[machine];
    const [one, other] = [side(first), side(second)];
    const text = (facts, place) => (facts && facts[place] >= 0 ? shipped.texts[facts[place]] : null);
    if (!one && !other) return [{ label: "description", kind: "hardware", first: null, second: null, certain: false }];
    const found = [];
    shipped.facts.forEach(({ label, kind }, place) => {
      const [a, b] = [text(one, place), text(other, place)];
      if (a !== b) found.push({ label, kind, first: a, second: b, certain: a !== null && b !== null });
    });
    return [...found.filter((each) => each.certain), ...found.filter((each) => !each.certain)];
  }

  // What stands beside a ratio.
  function badge(found) {
    const certain = found.filter((each) => each.certain);
    const hardware = certain.filter((each) => each.kind === "hardware").map((each) => each.label);
    const labels = [
      ...(hardware.length > 1 ? ["hardware"] : hardware),
      ...certain.filter((each) => each.kind !== "hardware").map((each) => each.label),
    ];
    if (labels.length) return `differs in: ${labels.join(", ")}`;
    return found.length ? "same as far as is known" : "same";
  }

  fleetmark.comparison = { compare, measure, reasonOf, outcomeOf, meanOfRatios, meanByGroup, differences, badge, student };
})();
