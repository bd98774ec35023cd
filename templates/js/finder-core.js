// Which machines keep up with a demand: pure functions on plain arrays; of the page they know nothing.
//
// A table is { length, machine, model, device, precision, scenario, status, verdict, batch, throughput_low_fps,
// latency_high_ms, latency_p95_high_ms, latency_p99_high_ms, notes }: arrays of that length, NaN where there is
// no number; `notes` has arrays of sentences that say why a number is missing, by the number's key.
//
// A query is { demands: [{ model, cameras, fps }], percentile: "p50" | "p95" | "p99", bound: ms or NaN,
// price: NaN or the most that all machines together may cost, currency, watts: NaN or likewise, precision,
// device: "" for any, headroom: share of a machine's time that is kept free, 0 to below 1 }.
//
// Offers are { machine: { price, currency, watts } }, NaN and "" where unknown.
"use strict";

(() => {
  const HIGH = { p50: "latency_high_ms", p95: "latency_p95_high_ms", p99: "latency_p99_high_ms" };
  const MOST_MACHINES = 100000;
  // Sums of shares of time are not exact: what exceeds a whole by less than this does not.
  const SLACK = 1e-9;
  const { fleetmark } = window;
  const { number } = fleetmark;

  // How far a test comes on the way to being usable: the stages in their order. A machine fails with the reason
  // of its test that came farthest.
  const STAGES = ["absent", "filtered", "failed", "doubtful", "batch", "runs", "samples", "slow", "fit"];

  function stageOf(table, i, query) {
    if (query.precision && table.precision[i] !== query.precision) return "filtered";
    if (query.device && table.device[i] !== query.device) return "filtered";
    if (table.status[i] !== "ok") return "failed";
    if (table.verdict[i] !== "valid") return "doubtful";
    const bounded = Number.isFinite(query.bound);
    // Frames of a batch wait for each other, and no measurement says how long.
    if (bounded && table.batch[i] !== 1) return "batch";
    if (!(table.throughput_low_fps[i] > 0)) return "runs";
    if (bounded) {
      const high = table[HIGH[query.percentile]][i];
      if (!(high > 0)) return "samples";
      if (high > query.bound) return "slow";
    }
    return "fit";
  }

  // By machine, in the order of the table: for each model the places of its tests.
  function byMachine(table, names) {
    const machines = new Map(names.map((name) => [name, new Map()]));
    for (let i = 0; i < table.length; i += 1) {
      if (!machines.has(table.machine[i])) machines.set(table.machine[i], new Map());
      const models = machines.get(table.machine[i]);
      if (!models.has(table.model[i])) models.set(table.model[i], []);
      models.get(table.model[i]).push(i);
    }
    return machines;
  }

  // The test of a model on a machine that keeps up with most, or why there is none.
  function choose(table, places, model, query) {
    let stage = 0;
    let at = [];
    for (const i of places) {
      const here = STAGES.indexOf(stageOf(table, i, query));
      if (here > stage) [stage, at] = [here, [i]];
      else if (here === stage) at.push(i);
    }
    if (STAGES[stage] !== "fit") return { row: -1, ...reason(table, at, model, query, STAGES[stage], places) };
    const high = table[HIGH[query.percentile]];
    const best = at.reduce((a, b) => {
      const [x, y] = [table.throughput_low_fps[a], table.throughput_low_fps[b]];
      if (x !== y) return x > y ? a : b;
      return high[b] < high[a] ? b : a;
    });
    return { row: best, capacity: table.throughput_low_fps[best], stage: "fit", why: "" };
  }

  const noteOf = (table, key, i) => (table.notes && table.notes[key] && table.notes[key][i]) || "";

  // The smallest number that a note asks for, such as "needs 412 more".
  function fewest(table, key, at) {
    const notes = at.map((i) => [noteOf(table, key, i), i]).filter(([note]) => note);
    const size = ([note]) => Number((/\d+/.exec(note) || [Infinity])[0]);
    notes.sort((a, b) => size(a) - size(b));
    return notes.length ? notes[0] : ["", at[0]];
  }

  function reason(table, at, model, query, stage, places) {
    const wanted = [query.precision, query.device && `on ${query.device}`].filter(Boolean).join(" ");
    switch (stage) {
      case "absent": return { stage, why: `no test of ${model}`, at: -1 };
      case "filtered": return { stage, why: `no test of ${model} ${wanted}`, at: places[0] };
      case "failed": {
        const statuses = [...new Set(at.map((i) => String(table.status[i]).replace(/_/g, " ")))];
        return { stage, why: `no test of ${model} ended ok: ${statuses.join(", ")}`, at: at[0] };
      }
      case "doubtful": {
        const verdicts = ["noisy", "invalid"].filter((word) => at.some((i) => table.verdict[i] === word));
        return { stage, why: `${model}: only ${verdicts.join(" and ") || "doubtful"} results`, at: at[0] };
      }
      case "batch": {
        const least = Math.min(...at.map((i) => table.batch[i]));
        return { stage, why: `${model}: only measured with batch ${least}${at.length > 1 ? " and more" : ""}, whose frames wait for each other`, at: at[0] };
      }
      case "runs": {
        const [note, i] = fewest(table, "throughput_low_fps", at);
        return { stage, why: `${model}: throughput without an interval${note ? `, ${note}` : ""}`, at: i };
      }
      case "samples": {
        const [note, i] = fewest(table, HIGH[query.percentile], at);
        const words = /^needs \d+ more$/.test(note) ? `${note} inferences` : note;
        return { stage, why: `${model}: no ${words ? `${query.percentile}: ${words}` : `upper end of the ${query.percentile} is known`}`, at: i };
      }
      default: {
        const key = HIGH[query.percentile];
        const best = at.reduce((a, b) => (table[key][b] < table[key][a] ? b : a));
        return { stage, why: `${model}: ${query.percentile} ${number(table[key][best])} ms > ${number(query.bound)} ms`, at: best };
      }
    }
  }

  // How many machines hold all cameras: `loads` are { index, cameras, share }, the share of a machine's time that
  // a camera takes. Cameras are not cut in two. First-fit, the largest share first; every camera that is alike goes at once.
  function pack(loads, room) {
    const bins = [];
    const order = [...loads].sort((a, b) => b.share - a.share || a.index - b.index);
    for (const { cameras, share, index } of order) {
      let left = cameras;
      for (const bin of bins) {
        const fits = Math.min(left, Math.floor((room - bin.used) / share + SLACK));
        if (fits > 0) {
          bin.used += fits * share;
          bin.cameras[index] = (bin.cameras[index] || 0) + fits;
          left -= fits;
        }
        if (!left) break;
      }
      const each = Math.floor(room / share + SLACK);
      if (left && (!each || bins.length + left / each > MOST_MACHINES)) return null;
      while (left) {
        const fits = Math.min(left, each);
        bins.push({ used: fits * share, cameras: { [index]: fits } });
        left -= fits;
      }
    }
    return bins;
  }

  // A machine for each model apart: no estimate of how models share one is needed. Demands of one model may mix.
  function packApart(loads, room) {
    const models = [...new Set(loads.map((load) => load.model))];
    const packed = models.map((model) => pack(loads.filter((load) => load.model === model), room));
    return packed.includes(null) ? null : packed.flat();
  }

  function onMachine(table, machine, models, query, offer) {
    const uses = query.demands.map((demand) => ({
      ...demand,
      need: demand.cameras * demand.fps,
      ...choose(table, models.get(demand.model) || [], demand.model, query),
    }));
    const room = 1 - query.headroom;
    const whys = [];
    for (const use of uses) {
      if (use.row < 0) whys.push({ why: use.why, at: use.at });
      else if (use.fps > use.capacity * room * (1 + SLACK)) {
        const kept = query.headroom ? `, ${number(use.capacity * room)} with ${Math.round(100 * query.headroom)} % kept free` : "";
        whys.push({ why: `${use.model}: one camera needs ${number(use.fps)} FPS, it keeps up with ${number(use.capacity)}${kept}`, at: use.row });
      }
    }
    const seen = new Set();
    const answer = { machine, uses, fails: whys.filter(({ why }) => !seen.has(why) && seen.add(why)), price: NaN, currency: "", watts: NaN };
    if (whys.length) return answer;
    const loads = uses.map(({ model, cameras, fps, capacity }, index) => ({ index, model, cameras, share: fps / capacity }));
    const [mixed, apart] = [pack(loads, room), packApart(loads, room)];
    if (!mixed || !apart) {
      answer.fails.push({ why: `more than ${number(MOST_MACHINES)} machines`, at: -1 });
      return answer;
    }
    const bins = apart.length <= mixed.length ? apart : mixed;
    const several = (bin) => new Set(Object.keys(bin.cameras).map((index) => loads[index].model)).size > 1;
    Object.assign(answer, {
      machines: bins.length,
      apart: apart.length,
      // Several models on one machine take turns: how they get on with each other was not measured.
      estimate: bins.some(several),
      busy: loads.reduce((sum, load) => sum + load.cameras * load.share, 0) / bins.length,
      headroom: 1 - Math.max(...bins.map((bin) => bin.used)),
      latency: Math.max(...uses.map((use) => table[HIGH[query.percentile]][use.row])),
    });
    const known = offer || {};
    if (Number.isFinite(known.price)) Object.assign(answer, { price: bins.length * known.price, currency: known.currency || "" });
    if (Number.isFinite(known.watts)) answer.watts = bins.length * known.watts;
    answer.fails.push(...limits(answer, query));
    return answer;
  }

  function limits(answer, query) {
    const found = [];
    if (Number.isFinite(query.price)) {
      if (!Number.isFinite(answer.price)) found.push({ why: "price unknown", at: -1 });
      else if (answer.currency !== query.currency) {
        found.push({ why: `price in ${answer.currency || "no currency"}, the limit in ${query.currency || "no currency"}`, at: -1 });
      } else if (answer.price > query.price) {
        found.push({ why: `${number(answer.price)} ${answer.currency} for ${counted(answer.machines)} > ${number(query.price)} ${query.currency}`.trim(), at: -1 });
      }
    }
    if (Number.isFinite(query.watts)) {
      if (!Number.isFinite(answer.watts)) found.push({ why: "watts unknown", at: -1 });
      else if (answer.watts > query.watts) {
        found.push({ why: `${number(answer.watts)} W for ${counted(answer.machines)} > ${number(query.watts)} W`, at: -1 });
      }
    }
    return found;
  }

  const counted = (count) => `${count} machine${count === 1 ? "" : "s"}`;

  // Prices of the query's currency come first, the lowest before the others; then fewer machines, then more
  // headroom, then the name. A price in another currency is not compared.
  function order(currency) {
    const price = (answer) => (Number.isFinite(answer.price) && answer.currency === currency ? answer.price : Infinity);
    return (a, b) => {
      const [x, y] = [price(a), price(b)];
      if (x !== y) return x < y ? -1 : 1;
      return a.machines - b.machines || b.headroom - a.headroom || (a.machine < b.machine ? -1 : 1);
    };
  }

  // The answers in order, and the machines that fail, each with its reasons; `machines` names also those that
  // have no row in the table.
  function find(table, query, offers, machines = []) {
    const found = [...byMachine(table, machines)].map(([machine, models]) => onMachine(table, machine, models, query, offers[machine]));
    return {
      answers: found.filter((answer) => !answer.fails.length).sort(order(query.currency)),
      fails: found.filter((answer) => answer.fails.length).sort((a, b) => a.fails.length - b.fails.length || (a.machine < b.machine ? -1 : 1)),
    };
  }

  // The currency of most prices, the first of the alphabet where several are.
  function usualCurrency(offers) {
    const counts = new Map();
    for (const { price, currency } of Object.values(offers)) {
      if (Number.isFinite(price) && currency) counts.set(currency, (counts.get(currency) || 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name)[0] || "";
  }

  fleetmark.finder = { find, choose, pack, usualCurrency, HIGH };
})();
