"use strict";
{
  const PAGE = JSON.parse(document.getElementById("charts").textContent);
  const OPTIONS = {
    responsive: true,
    displaylogo: false,
    typesetMath: false,
    displayModeBar: false,
  };
  const MAP_OPTIONS = {
    ...OPTIONS,
    displayModeBar: "hover",
    modeBarButtons: [["toImage", "zoom2d", "resetScale2d"]],
  };

  const charts = () => [...document.querySelectorAll(".chart")];
  const selects = (group) => [...document.querySelectorAll(`select[data-group="${group}"]`)];
  const chosen = (group) => selects(group).map((select) => select.value);

  function draw(group) {
    if (group === "maps") return drawMaps();
    const variant = chosen(group).join(" ");
    for (const chart of document.querySelectorAll(`.chart[data-group="${group}"]`)) {
      const figure = PAGE.charts[chart.id][variant];
      Plotly.react(chart, figure.data, figure.layout, OPTIONS);
    }
  }

  function drawMaps() {
    const [speaker, which] = chosen("maps");
    const maps = PAGE.maps.maps[Number(speaker)];
    const targets = which === "all" ? maps.map((_, i) => i) : [Number(which)];
    const layout = { ...PAGE.maps.layout, height: 70 + 235 * targets.length, annotations: [] };
    const data = targets.flatMap((target, row) => oneMap(maps[target], target, row, targets, layout));
    Plotly.react("map", data, layout, MAP_OPTIONS);
    const notes = document.getElementById("map-notes");
    notes.replaceChildren(...targets.map((target) => {
      const line = document.createElement("div");
      line.textContent = maps[target].note;
      return line;
    }));
  }

  // One heat map and the dots of its significant units; adds their axes to the layout.
  function oneMap(map, target, row, targets, layout) {
    const { units, limit, significant, axis } = PAGE.maps;
    const name = row ? String(row + 1) : "";
    const top = 1 - row / targets.length;
    const pixel = 1 / (235 * targets.length);
    layout[`yaxis${name}`] = {
      ...axis, title: { text: "layer", standoff: 6 }, dtick: 2,
      range: [map.r.length / units - 0.5, -0.5],
      domain: [top - 1 / targets.length + 8 * pixel, top - 24 * pixel],
    };
    layout.xaxis = { ...layout.xaxis, anchor: `y${name}` }; // the last one stays
    layout.annotations.push({
      text: `<b>${PAGE.maps.targets[target]}</b>`, showarrow: false, xref: "paper", yref: "paper",
      x: 0, xanchor: "left", y: top - 22 * pixel, yanchor: "bottom",
    });
    const rows = (values) => Array.from(
      { length: values.length / units }, (_, i) => values.slice(i * units, (i + 1) * units));
    const heat = {
      type: "heatmap", coloraxis: "coloraxis", yaxis: `y${name}`, hoverinfo: "text", ygap: 1,
      z: rows(map.r.map((r) => (r === null ? null : r / 1000))),
      hovertext: rows(map.r.map((r, i) => describe(i, r, map.q[i]))),
    };
    const marked = map.q.flatMap((q, i) => (q !== null && q < significant ? [i] : []));
    const dots = {
      type: "scatter", mode: "markers", yaxis: `y${name}`, hoverinfo: "skip", showlegend: false,
      visible: document.getElementById("map-marks").checked,
      x: marked.map((i) => i % units), y: marked.map((i) => Math.floor(i / units)),
      marker: {
        size: 3.4,
        color: marked.map((i) => (Math.abs(map.r[i]) > 550 * limit ? "#fff" : "#000")),
      },
    };
    return [heat, dots];
  }

  function describe(i, r, q) {
    const padded = (number, width) => String(number).padStart(width, "0");
    const { units } = PAGE.maps;
    const unit = `layer${padded(Math.floor(i / units), 2)}.unit${padded(i % units, 3)}`;
    if (r === null) return `${unit}<br>undefined`;
    const small = q !== null && q < 0.001;
    const shown = q === null ? "undefined" : small ? q.toExponential(1) : q.toFixed(3);
    return `${unit}<br>r = ${(r / 1000).toFixed(3)}<br>q = ${shown}`;
  }

  const groups = new Set(charts().map((chart) => chart.dataset.group));
  for (const group of groups) {
    draw(group);
    for (const select of selects(group)) select.addEventListener("change", () => draw(group));
  }
  document.getElementById("map-marks")?.addEventListener("change", drawMaps);
}
