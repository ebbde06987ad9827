"use strict";
// Tables: a click on a column's name sorts; buttons copy; a hint says that there is more sideways.
{
  const text = (cell) => cell.textContent.replace(/\s+/g, " ").trim();
  const plain = (shown) => shown.replaceAll("−", "-").replace(/^–$/, "");
  const number = (cell) => Number(plain(text(cell)).replaceAll(",", "").match(/-?\d*\.?\d+/)?.[0] ?? NaN);

  const head = (table) => [...table.tHead.rows].at(-1).cells;
  const lines = (table) => [...table.tBodies[0].rows];
  const isBaseline = (row) => row.classList.contains("baseline");

  function sort(table, column) {
    const cell = head(table)[column];
    const words = cell.classList.contains("word");
    const before = cell.getAttribute("aria-sort");
    const up = before ? before === "descending" : words;
    for (const other of head(table)) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", up ? "ascending" : "descending");
    const compare = (a, b) => {
      const [x, y] = [a.cells[column], b.cells[column]];
      if (words) return (up ? 1 : -1) * text(x).localeCompare(text(y), undefined, { numeric: true });
      const [m, n] = [number(x), number(y)];
      if (Number.isNaN(m) || Number.isNaN(n)) return Number.isNaN(m) - Number.isNaN(n);
      return up ? m - n : n - m;
    };
    const [rows, apart] = [false, true].map((b) => lines(table).filter((row) => isBaseline(row) === b));
    table.tBodies[0].append(...rows.sort(compare), ...apart); // the baseline stays below
  }

  // Copying

  const split = (cell) => plain(text(cell)).match(/^(.*?)(?: \[(.*), (.*)\])?$/).slice(1);

  function groups(table) {
    const above = table.tHead.rows.length > 1 ? [...table.tHead.rows[0].cells] : [];
    return above.map((cell) => ({ title: text(cell), span: cell.colSpan }));
  }

  function asCsv(table) {
    const titles = groups(table).flatMap(({ title, span }) => Array(span).fill(title));
    const names = [...head(table)].map((cell, i) => [titles[i], text(cell)].filter(Boolean).join(" "));
    const rows = lines(table).map((row) => [...row.cells].map(split));
    const bounded = names.map((_, i) => rows.some((row) => row[i][1] !== undefined));
    const widen = (first, i, low, high) => (bounded[i] ? [first, low ?? "", high ?? ""] : [first]);
    return [
      names.flatMap((name, i) => widen(name, i, `${name} low`, `${name} high`)),
      ...rows.map((row) => row.flatMap(([value, low, high], i) => widen(value, i, low, high))),
    ].map((row) => row.map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",") + "\n").join("");
  }

  const LATEX = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "<": "$<$", ">": "$>$", "|": "$|$", "−": "$-$", "–": "--", "²": "$^2$", "×": "$\\times$",
  };
  const latex = (shown) => shown.replace(/[\\~^<>|−–²×{}$&#_%]/g, (sign) => LATEX[sign] ?? `\\${sign}`);

  function latexCell(cell) {
    const [value, bounds] = text(cell).split(/ (?=\[[^\]]*\]$)/).map(latex);
    const shown = cell.classList.contains("best") ? `\\textbf{${value}}` : value;
    return bounds ? `${shown} {\\footnotesize ${bounds}}` : shown;
  }

  function asLatex(table) {
    const line = (cells) => `  ${cells.join(" & ")} \\\\`;
    const columns = [...head(table)].map((cell) => (cell.classList.contains("word") ? "l" : "r")).join("");
    const above = groups(table);
    let at = 1;
    const rules = above.map(({ title, span }) => {
      const rule = title ? `\\cmidrule(lr){${at}-${at + span - 1}}` : "";
      at += span;
      return rule;
    });
    const spanning = above.map(({ title, span }) => (title ? `\\multicolumn{${span}}{c}{${latex(title)}}` : ""));
    const rows = lines(table);
    return [
      "% \\usepackage{booktabs}",
      `\\begin{tabular}{${columns}}`,
      "  \\toprule",
      ...(above.length ? [line(spanning), `  ${rules.join("")}`] : []),
      line([...head(table)].map((cell) => latex(text(cell)))),
      "  \\midrule",
      ...rows.flatMap((row, i) => [
        ...(isBaseline(row) && i && !isBaseline(rows[i - 1]) ? ["  \\midrule"] : []),
        line([...row.cells].map(latexCell)),
      ]),
      "  \\bottomrule",
      "\\end{tabular}",
      "",
    ].join("\n");
  }

  async function copy(content) {
    try {
      await navigator.clipboard.writeText(content);
    } catch { // a browser that gives pages from disk no clipboard
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = content;
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  function button(name, what, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = name;
    made.title = what;
    made.addEventListener("click", action);
    return made;
  }

  function copier(table, name, make) {
    const made = button(name, `copy this table as ${name}`, async () => {
      await copy(make(table));
      made.textContent = "copied";
      setTimeout(() => { made.textContent = name; }, 1500);
    });
    return made;
  }

  const wide = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      target.classList.toggle("more", target.scrollWidth > target.clientWidth + 1);
    }
  });

  for (const scroller of document.querySelectorAll(".scroll")) {
    const tools = document.createElement("div");
    tools.className = "tools";
    const hint = document.createElement("span");
    hint.className = "hint";
    hint.textContent = "scroll sideways for more →";
    tools.append(hint);
    const table = scroller.querySelector("table");
    if (table) {
      tools.append(copier(table, "CSV", asCsv), copier(table, "LaTeX", asLatex));
      [...head(table)].forEach((cell, column) => {
        const sorter = button(text(cell), "sort by this column", () => sort(table, column));
        cell.replaceChildren(sorter);
      });
    }
    scroller.after(tools);
    wide.observe(scroller);
  }
}
