"use strict";
(() => {
  const page = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // A raw line that is led to opens by itself.
  const unfold = () => {
    const line = location.hash.startsWith("#raw-") && document.getElementById(location.hash.slice(1));
    if (line) { line.open = true; line.scrollIntoView(); }
  };
  addEventListener("hashchange", unfold);
  unfold();

  const valueOf = (cell) => {
    const raw = cell.dataset.value;
    return raw === undefined ? cell.textContent : raw === "" ? null : Number(raw);
  };
  const before = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  const sort = (table, column, way) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
    // What was not measured comes last whichever way it is sorted.
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : way * before(a, b)));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => {
        const way = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        sort(table, column, way === "ascending" ? 1 : -1);
      });
      head.replaceChildren(button);
    });
  }

  const inflated = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const colours = () => {
    const style = getComputedStyle(page);
    const of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), line: of("--line"), card: of("--card") };
  };
  const merged = (layout) => {
    const { ink, line, card } = colours();
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    return {
      ...layout,
      paper_bgcolor: card, plot_bgcolor: card,
      font: { color: ink, family: "system-ui, sans-serif", size: 12 },
      margin: { l: 10, r: 10, t: 10, b: 10 },
      dragmode: false,
      hovermode: "closest",
      hoverlabel: { bgcolor: card, bordercolor: line, font: { color: ink }, align: "left" },
      legend: { orientation: "h", yanchor: "bottom", y: 1.01, xanchor: "left", x: 0, ...layout.legend },
      xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
    };
  };
  const drawn = [];
  const draw = async () => {
    const source = document.createElement("script");
    source.textContent = await inflated(document.getElementById("drawing").textContent);
    document.head.append(source);
    for (const holder of document.querySelectorAll("script[data-for]")) {
      const place = document.getElementById(holder.dataset.for);
      const { data, layout } = JSON.parse(holder.textContent);
      place.replaceChildren();
      await Plotly.newPlot(place, data, merged(layout), { displayModeBar: false });
      drawn.push([place, layout]);
      new ResizeObserver(() => Plotly.Plots.resize(place)).observe(place);
    }
    page.dataset.drawn = drawn.length;
  };
  dark.addEventListener("change", () => drawn.forEach(([place, layout]) => Plotly.relayout(place, merged(layout))));
  const excuse = (error) => {
    for (const text of document.querySelectorAll(".waiting")) {
      text.prepend(`The pictures could not be drawn (${error.message}); a newer browser may. `);
    }
  };
  draw().catch(excuse);
})();
