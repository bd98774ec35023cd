// What every page has: the one name in the window, DOM from data without markup, numbers, scripts on demand,
// and the choice of a light or a dark page. Everything else hangs itself on `fleetmark`.
"use strict";

(() => {
  const root = document.body.dataset.root || "";

  // An element; texts become text nodes, so that nothing from the data is taken for markup.
  function el(tag, attributes = {}, ...children) {
    const namespace = svgTags.has(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const element = document.createElementNS(namespace, tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (name === "dataset") Object.assign(element.dataset, value);
      else if (value === true) element.setAttribute(name, "");
      else element.setAttribute(name, String(value));
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  const svgTags = new Set(["svg", "g", "path", "line", "rect", "circle", "polyline", "polygon", "text", "tspan", "title", "desc", "defs", "pattern"]);

  const grouped = new Map();

  function fixed(value, digits) {
    if (!grouped.has(digits)) {
      grouped.set(digits, new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
    }
    return grouped.get(digits).format(value);
  }

  // As "1.23e+4". What lies halfway between two goes to the even digit, as in Python; JavaScript takes the larger.
  function threeDigits(value) {
    const halfway = /^(-?\d\.\d[02468])50*(e.+)$/.exec(value.toExponential(40));
    return halfway ? halfway[1] + halfway[2] : value.toExponential(2);
  }

  // Three significant digits, as `format_number` in integrator/site/cells.py.
  function number(value) {
    if (!Number.isFinite(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    const shortest = threeDigits(value);
    if (size < 1e-4 || size >= 1e12) return shortest.replace(/e([+-])(\d)$/, "e$10$2");
    const rounded = Number(shortest);
    const exponent = Math.floor(Math.log10(Math.abs(rounded)) + 1e-12);
    return fixed(rounded, Math.max(0, 2 - exponent));
  }

  // Made once: a format is slow to make, and a table has hundreds of tooltips.
  const digits = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 12 });

  // All digits that a number has, with its unit: for tooltips.
  function exact(value, unit = "") {
    return Number.isFinite(value) ? `${digits.format(Number(value.toPrecision(12)))} ${unit}`.trim() : "";
  }

  const scripts = new Map();

  // A classic script of the site, once; `path` is from the site's root.
  function loadScript(path) {
    if (!scripts.has(path)) {
      scripts.set(path, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = root + path;
        script.addEventListener("load", () => resolve());
        script.addEventListener("error", () => {
          scripts.delete(path);
          script.remove();
          reject(new Error(`${path} is missing from this copy of the site`));
        });
        document.head.append(script);
      }));
    }
    return scripts.get(path);
  }

  // A sentence for who does not see the page.
  function announce(words) {
    document.getElementById("announcement").textContent = words;
  }

  // A file made in the page.
  function download(name, type, text) {
    const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // A cell of a CSV file that no spreadsheet takes for a formula; as `harmless` in integrator/merge.py.
  function csvCell(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "";
    if (typeof value === "number") return String(value);
    const text = String(value).replace(/\r\n?/g, "\n");
    const safe = /^[=+\-@\t\n]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  }

  // What a browser keeps for this site; some give none to a page from a folder.
  const memory = {
    get(key) {
      try { return localStorage.getItem(`fleetmark.${key}`); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem(`fleetmark.${key}`, value); } catch { /* the choice holds for this page */ }
    },
  };

  const themes = ["system", "light", "dark"];

  function dress(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const button = document.querySelector("button.theme");
    if (button) button.querySelector(".now").textContent = theme;
  }

  let theme = themes.includes(memory.get("theme")) ? memory.get("theme") : "system";
  dress(theme);
  const button = document.querySelector("button.theme");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      memory.set("theme", theme);
      dress(theme);
      announce(`Theme: ${theme}`);
    });
  }
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
  // What stands after the # of an address is the page's state: going to the content leaves it alone.
  document.querySelector("a.skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content").focus();
  });

  window.fleetmark = { root, el, number, exact, loadScript, announce, download, csvCell, memory };
})();
