"use strict";
{
  const PAGE = JSON.parse(document.getElementById("charts").textContent);
  const OPTIONS = {
    ast: true, // expressions are interpreted: the page's policy forbids making code of text
    config: PAGE.config,
    renderer: "svg",
    actions: { export: true, source: false, compiled: false, editor: false },
  };
  const drawn = new Map(); // by element, what Vega-Embed returned

  const charts = () => [...document.querySelectorAll(".chart")];
  const selects = (group) => [...document.querySelectorAll(`select[data-group="${group}"]`)];
  const chosen = (group) => selects(group).map((select) => select.value);

  // A click on the legend shows one series, with the shift key several.
  function selectable(plot) {
    // Vega-Lite binds no legend that several plots share
    if (plot.facet || plot.encoding.color?.field !== "series") return plot;
    const chosen = { name: "chosen", select: { type: "point", fields: ["series"] }, bind: "legend" };
    const opacity = { condition: { param: "chosen", value: 1 }, value: 0.1 };
    const encoding = { ...plot.encoding, opacity };
    if (!plot.layer) return { ...plot, encoding, params: [chosen] };
    const signs = { ...plot.layer.at(-1), params: [chosen] };
    return { ...plot, encoding, layer: [...plot.layer.slice(0, -1), signs] };
  }

  async function embed(element, description) {
    const before = drawn.get(element);
    drawn.set(element, vegaEmbed(element, description, OPTIONS));
    (await before)?.finalize();
  }

  function draw(group) {
    if (group === "maps") return drawMaps();
    const variant = chosen(group).join(" ");
    for (const chart of document.querySelectorAll(`.chart[data-group="${group}"]`)) {
      embed(chart, selectable(PAGE.charts[chart.id][variant]));
    }
  }

  function drawMaps() {
    const [speaker, which] = chosen("maps");
    const all = PAGE.maps.values[Number(speaker)];
    const values = which === "all" ? all : [all[Number(which)]];
    const marks = { name: "marks", value: document.getElementById("map-marks").checked };
    embed(document.getElementById("map"), {
      ...PAGE.maps.description, data: { values }, params: [marks],
    });
    const notes = document.getElementById("map-notes");
    notes.replaceChildren(...values.map(({ note }) => {
      const line = document.createElement("div");
      line.textContent = note;
      return line;
    }));
  }

  const groups = new Set(charts().map((chart) => chart.dataset.group));
  for (const group of groups) {
    draw(group);
    for (const select of selects(group)) select.addEventListener("change", () => draw(group));
  }
  document.getElementById("map-marks")?.addEventListener("change", drawMaps);
}
