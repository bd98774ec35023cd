// What *Find my machine* is asked, as it stands in the address: texts to numbers, and back.
"use strict";

(() => {
  const { finder } = window.fleetmark;
  const DEFAULTS = {
    need: "", percentile: "p99", bound: "50", price: "", currency: "", watts: "", precision: "", device: "", free: "30", offers: "",
  };

  // `8*30*resnet50;2*15*bert`: eight cameras of 30 FPS with the one model, two of 15 with the other.
  function demandsOf(text) {
    return text.split(";").map((part) => /^(\d+)\*([\d.]+)\*(.*)$/s.exec(part)).filter(Boolean)
      .map(([, cameras, fps, model]) => ({ cameras: Number(cameras), fps: Number(fps), model: decoded(model) }))
      .filter(({ cameras, fps }) => cameras >= 1 && fps > 0);
  }

  const demandsText = (demands) => demands.map(({ cameras, fps, model }) => `${cameras}*${fps}*${encoded(model)}`).join(";");
  const encoded = (text) => text.replace(/[%;*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  const positive = (text) => (text !== "" && Number(text) > 0 ? Number(text) : NaN);

  // Machine, price, currency and watts, of each machine that differs from what the lab says (`offered`).
  function editsOf(text, offered) {
    const edits = {};
    for (const part of text.split(";").filter(Boolean)) {
      const [machine, price = "", currency = "", watts = ""] = part.split("~").map(decoded);
      if (Object.hasOwn(offered, machine)) edits[machine] = { price: positive(price), currency, watts: positive(watts) };
    }
    return edits;
  }

  function editsText(edits, offered) {
    const written = (value) => (Number.isFinite(value) ? String(value) : "");
    return Object.entries(edits).filter(([machine, edit]) => !same(edit, offered[machine]))
      .map(([machine, { price, currency, watts }]) => [machine, written(price), currency, written(watts)].map(encoded).join("~")).join(";");
  }

  const same = (a, b) => Object.is(a.price, b.price) && a.currency === b.currency && Object.is(a.watts, b.watts);

  function queryOf(asked, offers) {
    return {
      demands: demandsOf(asked.need),
      percentile: Object.hasOwn(finder.HIGH, asked.percentile) ? asked.percentile : "p99",
      bound: positive(asked.bound),
      price: positive(asked.price),
      currency: asked.currency || finder.usualCurrency(offers),
      watts: positive(asked.watts),
      precision: asked.precision,
      device: asked.device,
      headroom: Math.min(95, Math.max(0, Number(asked.free) || 0)) / 100,
    };
  }

  finder.address = { DEFAULTS, demandsOf, demandsText, editsOf, editsText, same, positive, queryOf };
})();
