// Reads the rows of a campaign, which integrator/site/store packs: an index, and the bytes of the columns.
// A column is decoded when it is first asked for. Rows stand in the table's order, whatever the file's.
"use strict";

(() => {
  const fleetmark = (window.fleetmark = window.fleetmark || {});
  const packed = (fleetmark.packed = fleetmark.packed || {});
  const EXACT_POWERS = 22; // 10 ** 22 is the last power of ten that is exact
  const decoder = new TextDecoder();
  const unpacked = new Map();
  const cache = new Map();

  function fromBase64(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = characters.charCodeAt(i);
    return bytes;
  }

  async function unpack(text) {
    if (!window.DecompressionStream) {
      throw new Error("This browser cannot unpack the data of the page: it is older than 2023. The pages of the machines hold the same rows.");
    }
    const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  /** Values of `width` bytes out of their planes, the lowest byte first. */
  function joined(bytes, count, width) {
    if (width === 1) return bytes;
    const values = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
    for (let plane = 0; plane < width; plane += 1) {
      const shift = 8 * plane;
      const start = plane * count;
      for (let i = 0; i < count; i += 1) values[i] |= bytes[start + i] << shift;
    }
    return values;
  }

  const readers = {
    float(bytes, count) {
      const mixed = new Uint8Array(8 * count);
      for (let plane = 0; plane < 8; plane += 1) {
        for (let i = 0, from = plane * count; i < count; i += 1) mixed[8 * i + plane] = bytes[from + i];
      }
      const view = new DataView(mixed.buffer);
      const values = new Float64Array(count);
      for (let i = 0; i < count; i += 1) values[i] = view.getFloat64(8 * i, true);
      return values;
    },
    decimal(bytes, count) {
      const whole = new Int32Array(joined(bytes, count, 4).buffer);
      const exponents = new Int8Array(bytes.slice(4 * count, 5 * count).buffer);
      const powers = Array.from({ length: EXACT_POWERS + 1 }, (_, power) => Number(`1e${power}`));
      const values = new Float64Array(count);
      for (let i = 0; i < count; i += 1) {
        const exponent = exponents[i];
        if (exponent === -128) values[i] = NaN;
        else if (exponent < -EXACT_POWERS || exponent > EXACT_POWERS) values[i] = Number(`${whole[i]}e${exponent}`);
        else values[i] = exponent < 0 ? whole[i] / powers[-exponent] : whole[i] * powers[exponent];
      }
      return values;
    },
    few(bytes, count, column) {
      const codes = joined(bytes, count, column.width);
      const different = Float64Array.from(column.dictionary, (value) => (value === null ? NaN : value));
      const values = new Float64Array(count);
      for (let i = 0; i < count; i += 1) values[i] = different[codes[i]];
      return values;
    },
    ids(bytes, count) {
      return { low: joined(bytes, count, 4), high: joined(bytes.subarray(4 * count), count, 2) };
    },
  };
  const codesOf = (bytes, count, column) => joined(bytes, count, column.width);
  Object.assign(readers, { text: codesOf, note: codesOf, link: codesOf });

  /** Values of all shards, each where its row stands in the table. */
  function placed(pieces, length) {
    if (pieces.length === 1 && !pieces[0].places) return pieces[0].values;
    const all = new pieces[0].values.constructor(length);
    for (const { values, places } of pieces) {
      for (let i = 0; i < values.length; i += 1) all[places[i]] = values[i];
    }
    return all;
  }

  class Rows {
    #columns;
    #shards;
    #decoded = new Map();
    #load;

    constructor(index, shards, load) {
      this.exact = index.exact;
      this.length = shards.reduce((sum, shard) => sum + shard.rows, 0);
      this.columns = index.columns.filter(({ kind }) => kind !== "note").map(({ key }) => key);
      this.#columns = new Map(index.columns.map((column) => [column.key, column]));
      this.#shards = shards;
      this.#load = load;
    }

    /** Whether a column's bytes are here; others are fetched by `need`. */
    has(key) {
      const column = this.#columns.get(key);
      return Boolean(column) && column.group in this.#shards[0].bytes;
    }

    /** Fetches columns that a large campaign keeps apart. */
    async need(keys) {
      const groups = new Set();
      for (const key of keys) {
        const column = this.#columns.get(key);
        if (column && !(column.group in this.#shards[0].bytes)) groups.add(column.group);
      }
      for (const group of groups) await this.#load(group);
      return this;
    }

    isNumber(key) {
      return ["few", "float", "decimal"].includes(this.#columns.get(key)?.kind);
    }

    #read(key, kind = this.#columns.get(key)?.kind) {
      const name = `${kind} ${key}`;
      if (this.#decoded.has(name)) return this.#decoded.get(name);
      const column = this.#columns.get(key);
      if (!column) throw new Error(`There is no column "${key}".`);
      if (!this.has(key)) throw new Error(`The column "${key}" is not loaded yet.`);
      const pieces = this.#shards.map((shard) => {
        const start = shard.offsets.get(key);
        const bytes = shard.bytes[column.group].subarray(start, start + column.width * shard.rows);
        return { values: readers[kind](bytes, shard.rows, column), places: shard.places };
      });
      let values;
      if (kind === "ids") {
        const part = (name) => placed(pieces.map((piece) => ({ values: piece.values[name], places: piece.places })), this.length);
        values = { low: part("low"), high: part("high") };
      } else {
        values = placed(pieces, this.length);
      }
      this.#decoded.set(name, values);
      return values;
    }

    /** Whether a column is written as a dictionary: texts, and numbers of which there are few. */
    hasDictionary(key) {
      return ["text", "link", "few", "note"].includes(this.#columns.get(key)?.kind);
    }

    /** For each row, the place of its value in the dictionary. */
    codes(key) {
      if (!this.hasDictionary(key)) throw new Error(`The column "${key}" has no dictionary.`);
      return this.#columns.get(key).kind === "few" ? this.#read(key, "text") : this.#read(key);
    }

    /** The different values of a column: texts, or numbers with null for what is missing. */
    dictionary(key) {
      return this.#columns.get(key)?.dictionary ?? [];
    }

    /** All numbers of a column; NaN is a missing one. */
    numbers(key) {
      if (!this.isNumber(key)) throw new Error(`The column "${key}" has no numbers.`);
      return this.#read(key);
    }

    number(key, i) {
      return this.isNumber(key) ? this.#read(key)[i] : NaN;
    }

    /** Why a number is missing; empty where nobody said. */
    note(key, i) {
      const name = `${key}__note`;
      return this.#columns.has(name) ? this.dictionary(name)[this.#read(name)[i]] : "";
    }

    text(key, i) {
      const column = this.#columns.get(key);
      if (!column || this.isNumber(key)) return "";
      const values = this.#read(key);
      if (column.kind === "ids") return idText(values.low[i], values.high[i]);
      const text = column.dictionary[values[i]];
      return column.kind === "link" ? `${text}#${this.text("row", i)}` : text;
    }

    /** The row with this id, or -1. */
    find(id) {
      const column = this.#columns.get("row");
      const values = this.#read("row");
      if (column.kind !== "ids") {
        const code = column.dictionary.indexOf(id);
        return code < 0 ? -1 : values.indexOf(code);
      }
      const [low, high] = idBits(id);
      for (let i = values.low.indexOf(low); i >= 0; i = values.low.indexOf(low, i + 1)) {
        if (values.high[i] === high) return i;
      }
      return -1;
    }
  }

  // An id is a t and 48 bits, as integrator/site/ids.py makes it.
  function idText(low, high) {
    return `t${high.toString(16).padStart(4, "0")}${low.toString(16).padStart(8, "0")}`;
  }

  function idBits(id) {
    return /^t[0-9a-f]{12}$/.test(id) ? [Number.parseInt(id.slice(5), 16), Number.parseInt(id.slice(1, 5), 16)] : [-1, -1];
  }

  /** The bytes of a part, unpacked once. */
  function bytesOf(campaign, name, script) {
    const key = JSON.stringify([campaign, name]);
    if (!unpacked.has(key)) {
      const bytes = (async () => {
        if (packed[campaign]?.[name] === undefined) await fleetmark.loadScript(script);
        const text = packed[campaign]?.[name];
        if (text === undefined) throw new Error(`The file ${script} does not hold the rows of this campaign.`);
        delete packed[campaign][name]; // it is large, and needed once
        return new Uint8Array(await unpack(text));
      })();
      unpacked.set(key, bytes);
      bytes.catch(() => unpacked.delete(key));
    }
    return unpacked.get(key);
  }

  async function read(campaign, script, models) {
    const index = JSON.parse(decoder.decode(await bytesOf(campaign, "index", script)));
    const wanted = (part) => !models || part.models.length === 0 || part.models.some((model) => models.includes(model));
    const parts = index.parts.map((part, number) => ({ ...part, number })).filter(wanted);
    const shards = parts
      .filter((part) => part.group === "core")
      .map((part) => ({ rows: part.rows, shard: part.shard, bytes: {}, offsets: new Map(), places: null }));

    async function load(group) {
      const first = index.parts.find((part) => part.group === group);
      if (group === "more") {
        const facts = JSON.parse(decoder.decode(await bytesOf(campaign, group, first.script)));
        for (const column of index.columns) Object.assign(column, facts[column.key]);
      }
      const found = await Promise.all(
        parts
          .filter((part) => part.group === group)
          .map(async (part) => [part, await bytesOf(campaign, String(part.number), part.script)]),
      );
      for (const [part, bytes] of found) {
        const shard = shards.find((each) => each.shard === part.shard);
        let offset = 0;
        if (group === "core" && index.moved) {
          shard.places = joined(bytes, part.rows, 4);
          offset = 4 * part.rows;
        }
        for (const column of index.columns) {
          if (column.group !== group) continue;
          shard.offsets.set(column.key, offset);
          offset += column.width * part.rows;
        }
        shard.bytes[group] = bytes;
      }
    }

    if (shards.length === 0) shards.push(nothing(index));
    else await load("core");
    if (models) closeRanks(shards);
    return new Rows(index, shards, load);
  }

  function nothing(index) {
    const bytes = Object.fromEntries(index.columns.map(({ group }) => [group, new Uint8Array(0)]));
    return { rows: 0, shard: 0, bytes, offsets: new Map(index.columns.map(({ key }) => [key, 0])), places: null };
  }

  /** Where only some shards are here, their rows follow each other in the table's order. */
  function closeRanks(shards) {
    if (!shards[0]?.places) return;
    const all = shards.flatMap(({ places }) => Array.from(places)).sort((a, b) => a - b);
    const rank = new Map(all.map((place, index) => [place, index]));
    for (const shard of shards) shard.places = shard.places.map((place) => rank.get(place));
  }

  /**
   * The rows of a campaign, of the newest one where none is named. Of a campaign that is cut into shards,
   * `models` names those that are wanted; without it all are loaded.
   */
  fleetmark.rows = (campaign = fleetmark.site.campaigns[0].id, { models } = {}) => {
    const key = JSON.stringify([campaign, models ?? null]);
    if (!cache.has(key)) {
      const entry = fleetmark.site.campaigns.find(({ id }) => id === campaign);
      const rows = entry
        ? read(campaign, entry.script, models)
        : Promise.reject(new Error(`There is no campaign "${campaign}" in this site.`));
      cache.set(key, rows);
      rows.catch(() => cache.delete(key));
    }
    return cache.get(key);
  };
})();
