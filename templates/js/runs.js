// The numbers of every good run, loaded for one machine at a time: `integrator/site/explain/shards.py` packs
// them, and comparisons are made of them.
"use strict";

(() => {
  const { fleetmark } = window;
  const machines = new Map();

  function bytes(text) {
    const characters = atob(text);
    const found = new Uint8Array(characters.length);
    for (let i = 0; i < characters.length; i += 1) found[i] = characters.charCodeAt(i);
    return found.buffer;
  }

  // The lowest byte comes first in the file, as on every machine that browsers of today run on.
  function unpack(shard) {
    const counts = new Uint16Array(bytes(shard.counts));
    const latency = new Float64Array(bytes(shard.latency));
    const throughput = new Float64Array(bytes(shard.throughput));
    const found = new Map();
    let at = 0;
    counts.forEach((count, i) => {
      const row = shard.rows.slice(i * shard.characters, (i + 1) * shard.characters);
      found.set(row, { latency: latency.subarray(at, at + count), throughput: throughput.subarray(at, at + count) });
      at += count;
    });
    return found;
  }

  async function load(campaign, machine) {
    const file = fleetmark.site.machines.find(({ name }) => name === machine)?.file;
    if (file === undefined) throw new Error(`There is no machine "${machine}" in this site.`);
    const name = `runs/${campaign}/${file}`;
    await fleetmark.loadScript(`data/${name}.js`);
    const found = unpack(fleetmark.shards[name]);
    delete fleetmark.shards[name]; // unpacked, it is needed no more
    return found;
  }

  /**
   * By row, the median latencies (ms) and the throughputs (FPS) of a test's good runs, in their order.
   * A row without a good run is not there.
   */
  fleetmark.runs = (campaign, machine) => {
    const key = JSON.stringify([campaign, machine]);
    if (!machines.has(key)) {
      const found = load(campaign, machine);
      machines.set(key, found);
      found.catch(() => machines.delete(key));
    }
    return machines.get(key);
  };
})();
