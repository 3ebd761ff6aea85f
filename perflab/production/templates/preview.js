// Draws the panels of a dashboard from the answers that stand in the page.

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#7f7f7f"];
const HEIGHT = 200;
const SCALES = {
  s: [[1e-6, "µs"], [1e-3, "ms"], [1, "s"]],
  bytes: [[1, "B"], [1024, "KiB"], [2 ** 20, "MiB"], [2 ** 30, "GiB"]],
  Bps: [[1, "B/s"], [1e3, "kB/s"], [1e6, "MB/s"]],
  ops: [[1, "ops/s"]],
  none: [[1, ""]],
};
const { panels, x } = JSON.parse(document.getElementById("data").textContent);

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function worded(unit, value) {
  if (value === null || value === undefined) return "";
  if (value === 0) return "0";
  const scales = SCALES[unit] ?? [[1, unit]];
  const [size, name] = scales.findLast(([each]) => Math.abs(value) >= each) ?? scales[0];
  return `${Number((value / size).toPrecision(3))} ${name}`.trim();
}

const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function draw(panel, place) {
  const axis = { stroke: colourOf("soft"), grid: { stroke: colourOf("rule"), width: 1 }, ticks: { stroke: colourOf("rule") } };
  const limits = panel.thresholds.map(([value]) => value);
  const thresholds = (plot) => {
    for (const [value, colour] of panel.thresholds) {
      const y = Math.round(plot.valToPos(value, "y", true));
      if (y < plot.bbox.top || y > plot.bbox.top + plot.bbox.height) continue;
      Object.assign(plot.ctx, { strokeStyle: colourOf(colour), lineWidth: 1.5 * devicePixelRatio });
      plot.ctx.setLineDash([6, 4]);
      plot.ctx.beginPath();
      plot.ctx.moveTo(plot.bbox.left, y);
      plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
      plot.ctx.stroke();
      plot.ctx.setLineDash([]);
    }
  };
  const plot = new uPlot({
    width: place.clientWidth, height: HEIGHT, legend: { show: false },
    // The first threshold is always seen, the others where the lines come near.
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, limits[0] ?? 0) * 1.08 || 1] } },
    axes: [{ ...axis, space: 70, values: (_, splits) => splits.map((each) => new Date(each * 1000).toISOString().slice(11, 19)) }, { ...axis, size: 72, values: (_, splits) => splits.map((each) => worded(panel.unit, each)) }],
    series: [{}, ...panel.lines.map((line, index) => ({
      label: line.label, stroke: COLOURS[index % COLOURS.length], width: 1.5, spanGaps: false,
      dash: index < COLOURS.length ? undefined : [6, 3],
    }))],
    hooks: { draw: [thresholds] },
  }, [x, ...panel.lines.map((line) => line.y)], place);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
}

function table(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))].filter((name) => name !== "__name__");
  const cells = (tag, texts) => el("tr", {}, ...texts.map((text) => el(tag, {}, text)));
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "table" },
    el("table", {}, cells("th", names), ...rows.map((row) => cells("td", names.map((name) => row[name] ?? "")))));
}

for (const panel of panels) {
  const { x: column, y, w, h } = panel.place;
  const place = el("div", { role: "img", "aria-label": `${panel.title}: ${panel.lines.map((line) => line.label).join(", ") || "no data"}` });
  const section = el("section", { style: `grid-column: ${column + 1} / span ${w}; grid-row: ${y + 1} / span ${h}` },
    el("h2", {}, panel.title), el("p", { class: "soft" }, panel.about));
  document.getElementById("panels").append(section);
  if (panel.rows.length) section.append(table(panel.rows));
  else if (!panel.lines.length) section.append(el("p", {}, "No data."));
  else {
    section.append(place, el("ul", {}, ...panel.lines.map((line, index) => {
      const now = line.y.at(-1) ?? line.y.at(-2);
      return el("li", {}, el("span", { style: `background: ${COLOURS[index % COLOURS.length]}` }), `${line.label}: ${worded(panel.unit, now) || "–"}`);
    }), ...(panel.left ? [el("li", {}, `and ${panel.left} more`)] : [])));
    draw(panel, place);
  }
}
document.documentElement.dataset.shown = "true";
