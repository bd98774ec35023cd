// A drawing becomes a view that answers to the pointer once it is seen: the library is loaded no earlier, and
// where it cannot be loaded the drawing stays.
"use strict";

(() => {
  const { el, loadScript } = window.fleetmark;

  const options = {
    renderer: "svg",
    actions: false,
    mode: "vega-lite",
    // All data is in the specification; nothing is loaded from anywhere.
    loader: {
      load: () => Promise.reject(new Error("charts load nothing")),
      sanitize: () => Promise.reject(new Error("charts load nothing")),
    },
  };

  async function enliven(figure) {
    const drawing = figure.querySelector(".drawing");
    const spec = JSON.parse(figure.querySelector("script.spec").textContent);
    await loadScript("assets/vendor/vega.js");
    const place = el("div", { class: "view" });
    place.hidden = true;
    drawing.after(place);
    try {
      const { view } = await window.vegaEmbed(place, spec, options);
      view.addEventListener("click", (event, item) => explain(item));
      drawing.hidden = true;
      place.hidden = false;
      figure.dataset.live = "yes";
    } catch (error) {
      place.remove();
      throw error;
    }
  }

  // A mark that stands for a test explains itself, as a number in a table does.
  function explain(item) {
    const row = item?.datum?.row;
    if (row && window.fleetmark.explain) window.fleetmark.explain(row, item.datum.campaign_id);
  }

  function start(figure) {
    enliven(figure).catch((error) => console.warn(`${figure.id}: the drawing stays as it is: ${error.message}`));
  }

  const figures = [...document.querySelectorAll("figure.chart")].filter((figure) => figure.querySelector("script.spec"));
  if (!("IntersectionObserver" in window)) return;
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      start(target);
    }
  }, { rootMargin: "200px" });
  for (const figure of figures) seen.observe(figure);
})();
