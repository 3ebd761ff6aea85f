// A figure of all load runs and of all windows of production, by their dates, on one axis.

import { data, el, number, page, select } from "./common.js";

const HEIGHT = 300;
const FIGURES = [
  ["p50_ms", "P50, ms"], ["p95_ms", "P95, ms"], ["p99_ms", "P99, ms"],
  ["success", "success, share"], ["reached_per_s", "reached, per second"],
];

page(async () => {
  const place = document.getElementById("axis");
  const runs = (await data("load.json")).filter((run) => run.kind !== "chaos").reverse(); // oldest first
  const chart = el("div", { class: "chart", role: "img" });
  const form = el("form", { class: "choices" });
  const legend = el("ul", { class: "legend", role: "list" });
  place.append(form, legend, chart);
  let wanted = "p99_ms";
  let plot = null;
  form.append(select("figure", FIGURES, wanted, (value) => {
    wanted = value;
    update();
  }));
  new ResizeObserver(() => plot?.setSize({ width: chart.clientWidth, height: HEIGHT })).observe(chart);

  function update() {
    const kinds = ["load", "field"].map((kind) => runs.filter((run) => run.kind === kind && run[wanted] !== null));
    const names = ["lab", "field"];
    legend.replaceChildren(...kinds.map((each, index) => each.length && el("li", {},
      el("span", { class: `key key-${index + 1}`, "aria-hidden": "true" }), `${names[index]}: ${each.length}`)).filter(Boolean));
    chart.setAttribute("aria-label", `${FIGURES.find(([name]) => name === wanted)[1]} of ${kinds[0].length} load runs and ${kinds[1].length} windows of production by date; the table above has them all`);
    plot = kinds.flat().length ? draw(chart, kinds, wanted) : null;
    if (!plot) chart.replaceChildren(el("p", { class: "card" }, "No run has this figure."));
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  update();
});

// "2026-11-30 06:24", as the table has it; of a whole day the day.
function moment(seconds) {
  const words = new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  return words.endsWith(" 00:00") ? words.slice(0, 10) : words;
}

// Some room on both sides; half a day where all began at one moment, for which uPlot says "to 2.7 years later".
function around(plot, low, high) {
  const last = plot.data[0].length > 1 ? high : low;
  const room = (last - low) / 20 || 43200;
  return [low - room, last + room];
}

function draw(place, kinds, wanted) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const tables = kinds.map((runs) => {
    const points = new Map(runs.map((run) => [Date.parse(run.began) / 1000, run[wanted]]));
    const xs = [...points.keys()].sort((a, b) => a - b);
    return [xs, xs.map((x) => points.get(x))];
  });
  const axis = { stroke: colour("soft"), grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule") } };
  place.replaceChildren();
  return new uPlot({
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    scales: { x: { time: true, range: around }, y: { range: (_, low, high) => [Math.min(0, low), high * 1.1 || 1] } },
    axes: [{ ...axis, space: 110, values: (_, splits) => splits.map(moment) }, { ...axis, label: FIGURES.find(([name]) => name === wanted)[1], size: 64,
      values: (_, splits) => splits.map((each) => (each === null ? "" : number(each))) }],
    series: [{}, ...tables.map((_, index) => ({
      stroke: colour(`line-${index + 1}`), paths: () => null,
      points: { show: true, size: index ? 9 : 7, fill: index ? undefined : colour("line-1") },
    }))],
  }, uPlot.join(tables), place);
}
