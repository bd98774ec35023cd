// What the drawer shows of one test. Everything comes as data and becomes text.
"use strict";

(() => {
  const { fleetmark } = window;
  const { el, number, exact, root } = fleetmark;

  const bdi = (text) => el("bdi", {}, text);
  const words = (name) => name.replace(/_/g, " ");
  const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

  // A number with three digits, all of them in its tooltip; null where it is not known.
  function figure(value, unit = "") {
    return known(value) ? el("span", { class: "figure", title: exact(value, unit) }, number(value)) : el("span", { class: "missing" }, "–");
  }

  // What is counted is shown in full.
  function amount(value, unit) {
    return known(value) && !unit && Number.isInteger(value) ? count(value) : figure(value, unit);
  }

  function count(value) {
    return known(value) ? value.toLocaleString("en-US") : "–";
  }

  function section(id, heading, ...content) {
    const name = `explain-${id}`;
    return el("section", { id: name, "aria-labelledby": `${name}-title` }, el("h3", { id: `${name}-title` }, heading), content);
  }

  // A table in a region of its own that scrolls: the page does not.
  function table(caption, head, rows, kind) {
    return el("div", { class: `scroll ${kind}`, tabindex: "0", role: "region", "aria-label": caption },
      el("table", {}, el("caption", { class: "unseen" }, caption),
        el("thead", {}, el("tr", {}, head.map((cell) => el("th", { scope: "col", class: cell.class }, cell.words ?? cell)))),
        el("tbody", {}, rows)));
  }

  function answer({ cell, detail, words: texts }) {
    const status = cell.text("status");
    const ok = status === "ok";
    const verdict = cell.text("verdict");
    const reasons = cell.text("verdict_reasons").split(" ").filter(Boolean);
    const kind = { valid: "good", noisy: "doubtful", invalid: "bad" }[verdict];
    const sign = { valid: "✓ ", noisy: "~ ", invalid: "✕ " }[verdict];
    return [
      known(cell.number("latency_ms")) && el("dl", { class: "figures" },
        value("Median latency", "latency_ms", "ms", "latency_low_ms", "latency_high_ms"),
        value("Throughput", "throughput_fps", "FPS", "throughput_low_fps", "throughput_high_fps"),
        value("FPS", "fps", "FPS"),
        value("Single pass", "single_pass_ms", "ms"),
        known(cell.number("energy_mj_per_inference")) && value("Energy per inference", "energy_mj_per_inference", "mJ")),
      !ok && el("div", { class: "failure" },
        el("p", {}, el("span", { class: "tag bad" }, el("span", { "aria-hidden": "true" }, "✕ "), words(status))),
        el("div", { class: "full", tabindex: "0", role: "region", "aria-label": "the reason in full" }, bdi(cell.text("reason") || "No reason was given."))),
      verdict && el("div", { class: "verdict" },
        el("p", {}, el("span", { class: `tag ${kind ?? "doubtful"}` }, el("span", { "aria-hidden": "true" }, sign ?? ""), bdi(verdict)),
          verdict === "valid" ? " No reason to doubt these numbers." : " These numbers are shown and never ranked."),
        reasons.length > 0 && el("ul", {}, reasons.map((name) => {
          const reason = texts.reasons[name];
          return el("li", {}, el("strong", {}, bdi(words(name))), reason && [`: ${reason.meaning}. `, el("em", {}, reason.advice)]);
        }))),
    ];

    function value(heading, key, unit, low, high) {
      const bounds = low && known(cell.number(low)) && known(cell.number(high));
      return el("div", {}, el("dt", {}, heading),
        el("dd", {}, el("span", { class: "value" }, figure(cell.number(key), unit)), " ", el("span", { class: "unit" }, unit),
          bounds && el("span", { class: "between" }, figure(cell.number(low), unit), " to ", figure(cell.number(high), unit)),
          low && !bounds && el("span", { class: "between" }, cell.note(low) ? `no interval: ${cell.note(low)}` : "no interval")));
    }
  }

  function distribution({ cell, detail, words: texts }) {
    const percentiles = [
      ["minimum", "latency_min_ms"], ["median of the runs", "latency_ms"], ["p90", "latency_p90_ms"],
      ["p95", "latency_p95_ms"], ["p99", "latency_p99_ms"], ["maximum", "latency_max_ms"],
    ].filter(([, key]) => known(cell.number(key)) || cell.note(key));
    const runs = (detail?.runs.quantiles ?? []).flatMap((quantiles, i) => quantiles
      ? [{ label: `run ${detail.runs.run[i] + 1}`, quantiles, summary: `median ${number(detail.runs.median_ms[i])} ms, ${count(detail.runs.iterations[i])} iterations` }]
      : []);
    if (percentiles.length === 0 && runs.length === 0) return null;
    const upper = (key) => key.replace("_ms", "_high_ms");
    const bounded = percentiles.some(([, key]) => known(cell.number(upper(key))));
    const place = el("div", { class: "chart" });
    return section("distribution", "Distribution",
      runs.length > 0 && place,
      runs.length > 0 && el("p", { class: "lead" }, `How large a share of the inferences took at most so long. Each line is one of ${runs.length} ${runs.length === 1 ? "run" : "runs"}; the upright line is the median, the band its 95 % interval.`),
      percentiles.length > 0 && table("Percentiles of the latency of all inferences", [{ words: "of all inferences", class: "" }, { words: "ms", class: "number" }, ...(bounded ? [{ words: ["at most, ms", el("span", { class: "unit" }, "upper end of its 95 % interval")], class: "number" }] : [])],
        percentiles.map(([heading, key]) => el("tr", {}, el("th", { scope: "row" }, heading),
          el("td", { class: "number" }, known(cell.number(key)) ? figure(cell.number(key), "ms") : el("span", { class: "note" }, cell.note(key))),
          bounded && el("td", { class: "number" }, known(cell.number(upper(key))) ? figure(cell.number(upper(key)), "ms") : el("span", { class: "note" }, cell.note(upper(key)))))), "narrow"),
      runs.length > 0 && draw(place, () => fleetmark.ecdf({
        runs, shares: texts.shares, width: Math.max(260, Math.round(place.clientWidth)),
        value: cell.number("latency_ms"), low: cell.number("latency_low_ms"), high: cell.number("latency_high_ms"),
      })));
  }

  // At the width that there is; drawn again when that changes.
  function draw(place, chart) {
    let width = 0;
    new ResizeObserver(() => {
      if (Math.round(place.clientWidth) === width) return;
      width = Math.round(place.clientWidth);
      place.replaceChildren(chart());
    }).observe(place);
    return null;
  }

  function outcome(status) {
    if (status === "ok") return "ok";
    if (status === "not_run") return el("span", { class: "soft" }, "· not run");
    return el("span", { class: "tag bad" }, el("span", { "aria-hidden": "true" }, "✕ "), words(status));
  }

  // A long one gives its first words, and the rest when it is opened.
  function reason(text) {
    const first = text.split("\n", 1)[0];
    const short = first.length > 90 ? `${first.slice(0, 90)} …` : first === text ? first : `${first} …`;
    if (short === text) return el("span", { class: "reason" }, bdi(text));
    return el("details", { class: "reason" }, el("summary", {}, bdi(short)), bdi(text));
  }

  // How far a run is from the test's value, in per cent with its sign.
  function beside(share) {
    const shown = (100 * share).toFixed(Math.abs(share) < 0.1 ? 2 : 1).replace("-", "−");
    return /[1-9]/.test(shown) && share > 0 ? `+${shown}` : /[1-9]/.test(shown) ? shown : "0";
  }

  function runsTable({ campaign, cell, detail }) {
    const { runs } = detail;
    if (runs.run.length === 0) return section("runs", "Runs", el("p", { class: "empty" }, "No run of this test came back."));
    const some = (key) => runs[key].some((value) => value !== null && value !== "");
    const raw = some("file");
    const value = cell.number("latency_ms");
    const several = runs.median_ms.filter(known).length > 1;
    const rows = runs.run.map((run, i) => el("tr", { class: ["ok", "not_run"].includes(runs.status[i]) ? "" : "failed" },
      el("th", { scope: "row" }, run + 1),
      el("td", {}, outcome(runs.status[i]),
        runs.reason[i] && reason(runs.reason[i])),
      el("td", { class: "time" }, el("time", { datetime: runs.started_at[i], title: runs.started_at[i] }, runs.started_at[i].slice(0, 19).replace("T", " "))),
      el("td", { class: "number" }, figure(runs.median_ms[i], "ms")),
      several && el("td", { class: "number soft" }, known(runs.median_ms[i]) ? beside(runs.median_ms[i] / value - 1) : "–"),
      el("td", { class: "number" }, figure(runs.throughput_fps[i], "FPS")),
      el("td", { class: "number" }, count(runs.iterations[i])),
      el("td", { class: "number" }, figure(runs.wall_s[i], "s")),
      el("td", {}, runs.stopped[i] ?? "–"),
      raw && el("td", {}, runs.file[i] && el("a", { href: `${root}data/raw/${campaign.id}/${cell.text("machine")}/${runs.file[i]}`, download: true }, el("span", { "aria-hidden": "true" }, "raw"), el("span", { class: "unseen" }, `raw result of run ${run + 1}`)))));
    const numbers = (name, unit) => ({ words: [name, el("span", { class: "unit" }, unit)], class: "number" });
    return section("runs", "Runs",
      el("p", { class: "lead" }, "Each run is a process of its own. The test’s value is the median of its runs; how far each is off shows what they agree on."),
      table("The runs of this test", ["run", "status", "started (UTC)", numbers("median", "ms"), ...(several ? [numbers("off by", "%")] : []), numbers("throughput", "FPS"), numbers("iterations", ""), numbers("time", "s"), "stopped", ...(raw ? ["file"] : [])], rows, "runs"));
  }

  const SETTING = { weights: "weights", openvino: "OpenVINO", timed_region: "timed region" };

  function settings({ detail }) {
    const rows = detail.settings.map(({ name, asked, got, mark, note }) => el("tr", { class: mark },
      el("th", { scope: "row" }, bdi(SETTING[name] ?? (/^[A-Z]/.test(name) ? name : words(name)))),
      el("td", {}, bdi(asked)),
      el("td", {}, got.length > 0 ? got.map((value, i) => [i > 0 && ", ", bdi(value)]) : el("span", { class: "missing" }, "–"),
        mark === "differs" && el("span", { class: "tag bad" }, " ≠ not as asked"),
        mark === "chosen" && el("span", { class: "soft" }, " OpenVINO’s choice"),
        note && el("span", { class: "tag doubtful" }, " ≠ ", bdi(note)))));
    const properties = Object.entries(detail.properties);
    return section("settings", "Settings",
      el("p", { class: "lead" }, "What was asked for, and what the compiled model says of itself."),
      table("Settings, asked for and got", ["setting", "asked", "got"], rows, "settings"),
      properties.length > 0 && el("details", {}, el("summary", {}, `All ${properties.length} properties of the compiled model`),
        table("Properties of the compiled model", ["property", "value"],
          properties.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, bdi(name)), el("td", {}, bdi(value)))), "properties")));
  }

  // A row for each quantity, a column for each run.
  function byRun(caption, runs, quantities, kind) {
    const rows = quantities.map(({ heading, unit, values, unknown }) => {
      const head = el("th", { scope: "row" }, heading, unit && el("span", { class: "unit" }, ` ${unit}`));
      if (!values.some(known)) return el("tr", {}, head, el("td", { colspan: values.length, class: "unknown" }, el("em", {}, "unknown"), unknown && [": ", bdi(unknown)]));
      return el("tr", {}, head, values.map((value) => el("td", { class: "number", title: known(value) ? null : unknown }, amount(value, unit))));
    });
    return table(caption, ["", ...runs.map((run) => ({ words: `run ${run + 1}`, class: "number" }))], rows, kind);
  }

  function conditions({ detail, words: texts }) {
    const { conditions: values, unknown } = detail;
    const content = Object.keys(values).length > 0
      ? byRun("The machine during each run", detail.runs.run, Object.entries(texts.conditions).map(([key, { words: heading, unit }]) => ({ heading, unit, values: values[key], unknown: unknown[key] })), "by-run")
      : el("p", { class: "empty" }, "Nothing is known of the machine during these runs.");
    return detail.runs.run.length > 0 && section("conditions", "The machine during each run", content);
  }

  function phases({ detail, words: texts }) {
    const rows = Object.entries(texts.phases).map(([key, heading]) => ({ heading, unit: "ms", values: detail.phases[key] ?? [] }));
    if (!rows.some(({ values }) => values.some(known))) return null;
    return section("phases", "Where the time went", byRun("Phases of each run, in milliseconds", detail.runs.run, rows.filter(({ values }) => values.some(known)), "by-run"));
  }

  function size(bytes) {
    return bytes < 1e6 ? `${number(bytes / 1e3)} kB` : `${number(bytes / 1e6)} MB`;
  }

  function versions({ cell, detail }) {
    const entries = [
      ["OpenVINO", cell.text("openvino_version")],
      ["fleetmark", detail?.agent],
      ["model", cell.text("model_sha256") && el("code", {}, cell.text("model_sha256"))],
      ...(detail?.model.files ?? []).map((file) => ["model’s file", [bdi(file.name), `, ${size(file.size)}, `, el("code", {}, file.sha256)]]),
      ...(detail?.model.inputs ?? []).map((input) => ["input", [bdi(input.name), ` [${input.shape.join(", ")}] ${input.element_type}, filled from ${input.low} to below ${input.high}`, input.preprocess && ", preprocessed in the model"]]),
      ["measured", detail && `${detail.measure.warmup_s} s of warm-up, then at most ${detail.measure.duration_s} s${detail.measure.interval_target ? `, until the median is known to ± ${Number((100 * detail.measure.interval_target).toPrecision(3))} %` : ""}`],
      ["started", cell.text("started_at")],
      ["test", el("code", {}, cell.text("test_id"))],
    ];
    return section("versions", "Model and versions",
      el("dl", { class: "pairs" }, entries.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value instanceof Node || Array.isArray(value) ? value : bdi(value))))));
  }

  function copied(dialog, text, name) {
    const code = el("code", {}, text);
    const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${name}`, onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        dialog.status.textContent = "Copied";
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      } catch {
        // Where the clipboard is closed to the page, what is to be copied is at least chosen.
        getSelection().selectAllChildren(code);
        dialog.status.textContent = "Selected: copy it with the keyboard";
        button.textContent = "Selected";
      }
    } }, "Copy");
    return el("div", { class: "command" }, el("pre", { tabindex: "0", "aria-label": name }, code), button);
  }

  function repeat(dialog, { detail }) {
    const { command, file, campaign, benchmark_app: theirs } = detail.repeat;
    return section("repeat", "Measure it again",
      el("p", { class: "lead" }, "With the lab’s lab.yaml and this file, ", el("code", {}, file), ", which plans this one test:"),
      copied(dialog, campaign, file),
      copied(dialog, command, "the command"),
      el("p", { class: "lead" }, "The nearest that OpenVINO’s benchmark_app can do", theirs.without.length > 0 && [" (without ", bdi(theirs.without.join(", ")), ")"], theirs.config ? [", with this ", el("code", {}, "config.json"), ":"] : ":"),
      theirs.config && copied(dialog, theirs.config, "config.json"),
      copied(dialog, theirs.command, "the command of benchmark_app"));
  }

  function links({ cell, campaign }) {
    return section("links", "Where it stands",
      el("ul", {},
        el("li", {}, el("a", { href: root + cell.text("href") }, "its row on the page of ", bdi(cell.text("machine")))),
        el("li", {}, el("a", { href: `${root}method.html` }, "what each number means, and how it is computed")),
        el("li", {}, el("a", { href: `${root}data/index.html` }, "all data of this site")),
        el("li", {}, "campaign ", bdi(campaign.title), ", ", el("code", {}, campaign.id))));
  }

  fleetmark.explanation = (dialog, found) => {
    const { cell, detail } = found;
    dialog.title_.replaceChildren(bdi(cell.text("model")), " on ", bdi(cell.text("machine")));
    dialog.body.replaceChildren(...[
      el("p", { class: "label" }, bdi(cell.text("label"))),
      answer(found),
      distribution(found),
      detail && runsTable(found),
      detail && settings(found),
      detail && conditions(found),
      detail && phases(found),
      versions(found),
      detail && repeat(dialog, found),
      !detail && el("p", { class: "empty" }, "This copy of the site has no runs and no settings of this test."),
      links(found),
    ].flat().filter(Boolean));
  };
})();
