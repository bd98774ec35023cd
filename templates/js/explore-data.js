// What the explorer asks of the rows: facets with counts, words, orders. Everything works on codes and typed
// arrays, so that 100,000 rows take milliseconds. Nothing here touches the page.
"use strict";

(() => {
  const { fleetmark } = window;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const NONE = "(none)";
  const LONGEST_NAME = 60;
  const FACETS = [
    "class", "task", "machine", "model", "precision", "device", "scenario", "hint", "batch", "streams", "threads",
    "requests", "openvino", "openvino_version", "timed_region", "settings", "status", "verdict", "effective_precision",
    "execution_devices",
  ];
  const limits = fleetmark.site.classes; // integrator/site/classes.py
  const CLASS_RULE =
    `edge: up to ${limits.edge_watts} W, server: from ${limits.server_watts} W; ` +
    `without watts by threads: up to ${limits.edge_threads}, from ${limits.server_threads}`;

  /** The class of each machine, by its name. */
  function classes(rows) {
    const watts = new Map(fleetmark.site.machines.map((machine) => [machine.name, machine.watts]));
    const names = rows.dictionary("machine");
    const most = new Float64Array(names.length).fill(NaN);
    const threads = rows.numbers("threads");
    const codes = rows.codes("machine");
    for (let i = 0; i < rows.length; i += 1) {
      if (threads[i] > most[codes[i]] || (most[codes[i]] !== most[codes[i]] && threads[i] > 0)) most[codes[i]] = threads[i];
    }
    return names.map((name, code) => {
      const known = watts.get(name) ?? null;
      const value = known ?? most[code];
      if (!(value > 0)) return NONE;
      if (value <= (known === null ? limits.edge_threads : limits.edge_watts)) return "edge";
      return value >= (known === null ? limits.server_threads : limits.server_watts) ? "server" : "desktop";
    });
  }

  /** A column of a few different values: codes of the rows, and for each code its name. */
  function dimension(rows, key) {
    if (key === "class" || key === "task") {
      const base = key === "class" ? "machine" : "model";
      const tasks = new Map(fleetmark.site.models.map((model) => [model.name, model.task || NONE]));
      const names = key === "class" ? classes(rows) : rows.dictionary(base).map((name) => tasks.get(name) ?? NONE);
      return named(rows.codes(base), names);
    }
    if (!rows.columns.includes(key) || !rows.hasDictionary(key)) return null;
    const names = rows.dictionary(key).map((value) => (value === null || value === "" ? NONE : String(value)));
    return named(rows.codes(key), names);
  }

  function named(codes, names) {
    const order = [...new Set(names)].sort((a, b) => (a === NONE) - (b === NONE) || collator.compare(a, b));
    const place = new Map(order.map((name, index) => [name, index]));
    return { codes, places: Int32Array.from(names, (name) => place.get(name)), names: order };
  }

  class Data {
    #dimensions = new Map();
    #orders = new Map();
    #words = new Map();

    constructor(rows) {
      this.rows = rows;
    }

    /** `{codes, places, names}`: the name of row i is names[places[codes[i]]]. */
    dimension(key) {
      if (!this.#dimensions.has(key)) this.#dimensions.set(key, dimension(this.rows, key));
      return this.#dimensions.get(key);
    }

    /** Facets that tell rows of this campaign apart. */
    get facets() {
      return FACETS.filter((key) => (this.dimension(key)?.names.length ?? 0) > 1);
    }

    name(key, i) {
      const { codes, places, names } = this.dimension(key);
      return names[places[codes[i]]];
    }

    /**
     * The rows that pass, in the table's order, and `counts(facet)`: how many rows each of its values has
     * among those that pass all other facets.
     */
    filter(chosen, query) {
      const { rows } = this;
      const active = [...chosen].filter(([key]) => this.dimension(key));
      const misses = new Uint8Array(rows.length); // how many facets a row fails; 255: a word
      const failed = new Uint8Array(rows.length); // the last of them
      for (const [at, [key, names]] of active.entries()) {
        const { codes, places, names: all } = this.dimension(key);
        const passes = Uint8Array.from(places, (place) => (names.has(all[place]) ? 1 : 0));
        for (let i = 0; i < rows.length; i += 1) {
          if (!passes[codes[i]]) {
            misses[i] += 1;
            failed[i] = at;
          }
        }
      }
      for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
        const found = this.#find(word);
        for (let i = 0; i < rows.length; i += 1) if (!found[i]) misses[i] = 255;
      }
      let count = 0;
      for (let i = 0; i < rows.length; i += 1) if (misses[i] === 0) count += 1;
      const passed = new Uint32Array(count);
      for (let i = 0, next = 0; i < rows.length; i += 1) if (misses[i] === 0) passed[next++] = i;
      return { passed, counts: this.#counts(active, misses, failed, passed) };
    }

    /** How many rows each value of a facet has, counted when it is asked for: most facets are closed. */
    #counts(active, misses, failed, passed) {
      const known = new Map();
      return (key) => {
        if (!known.has(key)) known.set(key, this.#count(key, active, misses, failed, passed));
        return known.get(key);
      };
    }

    #count(key, active, misses, failed, passed) {
      const { codes, places, names } = this.dimension(key);
      const byCode = new Uint32Array(places.length);
      for (let n = 0; n < passed.length; n += 1) byCode[codes[passed[n]]] += 1;
      const at = active.findIndex(([name]) => name === key);
      if (at >= 0) for (let i = 0; i < misses.length; i += 1) if (misses[i] === 1 && failed[i] === at) byCode[codes[i]] += 1;
      const byName = new Uint32Array(names.length);
      for (let code = 0; code < places.length; code += 1) byName[places[code]] += byCode[code];
      return byName;
    }

    /** For each row, whether one of its texts or of its notes in place of numbers has the word. The dictionaries are searched, not the rows. */
    #find(word) {
      const { rows } = this;
      const found = new Uint8Array(rows.length);
      for (const key of rows.columns.flatMap((name) => [name, `${name}__note`])) {
        if (!rows.has(key) || rows.isNumber(key) || !rows.hasDictionary(key) || key === "href") continue;
        if (!this.#words.has(key)) this.#words.set(key, rows.dictionary(key).map((text) => text.toLowerCase()));
        const words = this.#words.get(key);
        const passes = Uint8Array.from(words, (text) => (text.includes(word) ? 1 : 0));
        if (!passes.includes(1)) continue;
        const codes = rows.codes(key);
        for (let i = 0; i < rows.length; i += 1) found[i] |= passes[codes[i]];
      }
      return found;
    }

    /** These rows sorted by a column; what is missing comes last in both directions, equals keep their order. */
    sorted(passed, key, direction) {
      if (!key || !this.rows.columns.includes(key)) return passed;
      const { ranks, missing } = this.#ranks(key);
      return countingSort(passed, ranks, missing, direction === "desc");
    }

    /** For each row the place of its value among the different ones. */
    #ranks(key) {
      if (!this.#orders.has(key)) this.#orders.set(key, this.rows.isNumber(key) ? numberRanks(this.rows.numbers(key)) : textRanks(this.rows, key));
      return this.#orders.get(key);
    }
  }

  function textRanks(rows, key) {
    if (!rows.hasDictionary(key)) return { ranks: Uint32Array.from({ length: rows.length }, (_, i) => i), missing: rows.length };
    const words = rows.dictionary(key);
    const order = Array.from(words, (_, code) => code).sort((a, b) => collator.compare(words[a], words[b]) || a - b);
    const rank = new Uint32Array(words.length);
    order.forEach((code, place) => { rank[code] = words[code] === "" ? words.length : place; });
    const codes = rows.codes(key);
    const ranks = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i += 1) ranks[i] = rank[codes[i]];
    return { ranks, missing: words.length };
  }

  /**
   * By the bits: those of a positive number grow with it, those of a negative one the other way. Four passes of
   * 16 bits put the rows in order, whatever the numbers are.
   */
  function numberRanks(numbers) {
    const count = numbers.length;
    const bits = new Uint32Array(numbers.map((value) => value + 0).buffer); // -0 is 0
    const digits = Array.from({ length: 4 }, () => new Uint16Array(count));
    for (let i = 0; i < count; i += 1) {
      let low = bits[2 * i];
      let high = bits[2 * i + 1];
      if (numbers[i] !== numbers[i]) low = high = 0xffffffff; // what is missing comes last
      else if (high >>> 31) [low, high] = [~low, ~high];
      else high ^= 0x80000000;
      digits[0][i] = low;
      digits[1][i] = low >>> 16;
      digits[2][i] = high;
      digits[3][i] = high >>> 16;
    }
    let order = new Uint32Array(count).map((_, i) => i);
    for (const digit of digits) {
      const starts = new Uint32Array(0x10001);
      for (let i = 0; i < count; i += 1) starts[digit[i] + 1] += 1;
      for (let value = 1; value < starts.length; value += 1) starts[value] += starts[value - 1];
      const next = new Uint32Array(count);
      for (let n = 0; n < count; n += 1) next[starts[digit[order[n]]]++] = order[n];
      order = next;
    }
    const ranks = new Uint32Array(count);
    let rank = -1;
    let missing = -1;
    for (let n = 0; n < count; n += 1) {
      const value = numbers[order[n]];
      if (value !== value && missing < 0) missing = rank += 1;
      else if (value === value && (n === 0 || value !== numbers[order[n - 1]])) rank += 1;
      ranks[order[n]] = rank;
    }
    return { ranks, missing: missing < 0 ? rank + 1 : missing };
  }

  function countingSort(passed, ranks, missing, descending) {
    const starts = new Uint32Array(missing + 2);
    const place = (rank) => (rank === missing || !descending ? rank : missing - 1 - rank);
    for (let n = 0; n < passed.length; n += 1) starts[place(ranks[passed[n]]) + 1] += 1;
    for (let rank = 1; rank < starts.length; rank += 1) starts[rank] += starts[rank - 1];
    const sorted = new Uint32Array(passed.length);
    for (let n = 0; n < passed.length; n += 1) sorted[starts[place(ranks[passed[n]])]++] = passed[n];
    return sorted;
  }

  /** A name as it is read: machines send what they like, and a name of a page's length helps nobody. */
  function short(name) {
    return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)} …` : name;
  }

  fleetmark.explore = { Data, short, FACETS, NONE, CLASS_RULE };
})();
