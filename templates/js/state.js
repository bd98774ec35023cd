// What is chosen on a page, kept in the address after "#": every view is a link. Only what differs from the
// default is written, and a list of more than half of what there is as its complement, so that a link still
// means what it meant when machines and models have been added.
"use strict";

(() => {
  const { fleetmark } = window;
  const listeners = [];

  function parse() {
    const hash = location.hash.slice(1);
    return hash.includes("=") ? new URLSearchParams(hash) : new URLSearchParams();
  }

  // `+a,b`: these; `-a,b`: all but these; commas and backslashes inside a name have a backslash before them.
  const list = {
    write(chosen, all) {
      const picked = all.filter((name) => chosen.has(name));
      if (picked.length === all.length) return "";
      const rest = all.filter((name) => !chosen.has(name));
      const complement = picked.length > all.length / 2;
      return (complement ? "-" : "+") + (complement ? rest : picked).map((name) => name.replace(/[\\,]/g, "\\$&")).join(",");
    },
    names(text) {
      return (text.slice(1).match(/(?:[^\\,]|\\.)+/gs) || []).map((name) => name.replace(/\\(.)/gs, "$1"));
    },
    read(text, all) {
      if (!/^[+-]/.test(text)) return new Set(all);
      const names = new Set(list.names(text));
      return new Set(all.filter((name) => names.has(name) === (text[0] === "+")));
    },
  };

  // One part of the address: the keys of `defaults`, all texts. Other keys are left as they are, so that
  // several parts of a page live in one address.
  function state(defaults) {
    const watchers = [];
    let known = read();

    function read() {
      const parameters = parse();
      return Object.fromEntries(Object.keys(defaults).map((key) => [key, parameters.get(key) ?? defaults[key]]));
    }

    function set(changes, { push = true } = {}) {
      const next = { ...known, ...changes };
      const parameters = parse();
      for (const key of Object.keys(defaults)) {
        if (next[key] === defaults[key]) parameters.delete(key);
        else parameters.set(key, next[key]);
      }
      const before = location.hash.slice(1);
      known = next;
      if (parameters.toString() !== (before.includes("=") ? parse().toString() : "")) {
        const address = parameters.toString();
        history[push ? "pushState" : "replaceState"](null, "", address ? `#${address}` : location.pathname + location.search);
      }
      for (const watcher of watchers) watcher(known);
    }

    listeners.push(() => {
      const next = read();
      if (Object.keys(defaults).every((key) => next[key] === known[key])) return;
      known = next;
      for (const watcher of watchers) watcher(known);
    });
    return { get: () => ({ ...known }), set, onChange: (watcher) => watchers.push(watcher), defaults: { ...defaults } };
  }

  // Back and forward, and an address that is edited by hand: popstate comes with both.
  window.addEventListener("popstate", () => listeners.forEach((listener) => listener()));
  Object.assign(fleetmark, { state, list });
})();
