"use strict";
{
  const PAGE = JSON.parse(document.getElementById("charts").textContent);
  const DARK = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map(); // by element, its description and what Vega-Embed makes of it

  const charts = () => [...document.querySelectorAll(".chart")];
  const selects = (group) => [...document.querySelectorAll(`select[data-group="${group}"]`)];
  const params = (group) => [...document.querySelectorAll(`select[data-param-of="${group}"]`)];
  const chosen = (group) => selects(group).map((select) => select.value);

  // The same with the colours of a dark page; data hold no colours.
  function recoloured(value) {
    if (typeof value === "string") return PAGE.dark[value] ?? value;
    if (Array.isArray(value)) return value.map(recoloured);
    if (value === null || typeof value !== "object") return value;
    const parts = Object.entries(value);
    return Object.fromEntries(parts.map(([k, v]) => [k, k === "data" ? v : recoloured(v)]));
  }

  const options = (config) => ({
    ast: true, // expressions are interpreted: the page's policy forbids making code of text
    config,
    renderer: "svg",
    actions: { export: true, source: false, compiled: false, editor: false },
  });

  // A click on the legend shows one series, with the shift key several.
  function selectable(plot) {
    const colour = plot.encoding?.color;
    if (colour?.field !== "series" || !colour.legend) return plot;
    const chosen = { name: "chosen", select: { type: "point", fields: ["series"] }, bind: "legend" };
    const opacity = { condition: { param: "chosen", value: 1 }, value: 0.1 };
    const encoding = { ...plot.encoding, opacity };
    if (!plot.layer) return { ...plot, encoding, params: [chosen] };
    const signs = { ...plot.layer.at(-1), params: [chosen] };
    return { ...plot, encoding, layer: [...plot.layer.slice(0, -1), signs] };
  }

  async function embed(element, description) {
    const before = drawn.get(element);
    const config = { ...PAGE.config, background: "transparent" };
    const seen = DARK.matches ? recoloured : (value) => value;
    const made = vegaEmbed(element, seen(description), options(seen(config)));
    drawn.set(element, { made, description });
    (await before?.made)?.finalize();
  }

  // A saved picture is light on any page, as those of the folder figures are.
  async function save(event) {
    const link = event.target.closest(".vega-actions a");
    if (!link) return;
    event.preventDefault();
    const { made, description } = drawn.get(event.currentTarget);
    const { view } = await made;
    const width = description.width === "container" ? { width: view.width() } : {};
    const aside = document.createElement("div");
    const light = await vegaEmbed(aside, { ...description, ...width }, options(PAGE.config));
    light.view.setState(view.getState());
    const file = document.createElement("a");
    file.download = link.download;
    file.href = await light.view.toImageURL(link.download.split(".").at(-1), 2);
    file.click();
    light.finalize();
  }

  function draw(group) {
    if (group === "maps") return drawMaps();
    const variant = chosen(group).join(" ");
    for (const chart of document.querySelectorAll(`.chart[data-group="${group}"]`)) {
      const description = selectable(PAGE.charts[chart.id][variant]);
      const given = params(group).map(({ name, value }) => ({ name, value: Number(value) }));
      embed(chart, given.length ? { ...description, params: given } : description);
    }
  }

  function drawMaps() {
    const [speaker, which, set] = chosen("maps");
    const { description, values: speakers } = PAGE.maps[Number(set)];
    const all = speakers[Number(speaker)];
    const values = which === "all" ? all : [all[Number(which)]];
    const marks = { name: "marks", value: document.getElementById("map-marks").checked };
    embed(document.getElementById("map"), {
      ...description, data: { values }, params: [marks],
    });
    const notes = document.getElementById("map-notes");
    notes.replaceChildren(...values.map(({ note }) => {
      const line = document.createElement("div");
      line.textContent = note;
      return line;
    }));
  }

  for (const chart of charts()) chart.addEventListener("click", save);
  const groups = new Set(charts().map((chart) => chart.dataset.group));
  for (const group of groups) {
    draw(group);
    for (const select of [...selects(group), ...params(group)]) {
      select.addEventListener("change", () => draw(group));
    }
  }
  document.getElementById("map-marks")?.addEventListener("change", drawMaps);
  const theme = () => document.documentElement.classList.toggle("dark", DARK.matches);
  theme();
  DARK.addEventListener("change", () => { theme(); groups.forEach(draw); });
}
