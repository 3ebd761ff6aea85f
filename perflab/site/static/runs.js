// Charts of several readiness or load runs over each other: colours are runs, dashes are lines.

import { data, el, number, page, select, short } from "./common.js";

const MOST = 6;
const OFFERED = 24; // runs; the reports of older ones are linked above
const HEIGHT = 360;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 2]];
const RANKS = [50, 90, 99, 99.9, 99.99, 99.999];
const reports = new Map();

async function report(run) {
  if (!reports.has(run.data)) {
    const answer = await fetch(run.data);
    if (!answer.ok) throw new Error(`${run.data}: ${answer.status} ${answer.statusText}`);
    reports.set(run.data, await answer.json());
  }
  return reports.get(run.data);
}

/** Titles count operations, which differ from run to run. */
const nameOf = (chart) => chart.title.replace(/ of [\d,]+ operations/, "");
/** By name: steps of readiness runs are told apart, a load run is one. */
const chartsOf = (found) => found.steps.flatMap((step) => step.charts.filter((chart) => chart.lines.length)
  .map((chart) => [found.steps.length > 1 ? `${step.name}: ${nameOf(chart)}` : nameOf(chart), chart]));
const labelOf = (run) =>
  [run.kind === "field" ? "field" : "", run.scenario, short(run.commit) || "no commit", run.began.slice(0, 16).replace("T", " "), run.incomplete && "INCOMPLETE"].filter(Boolean).join(", ");

page(async () => {
  const place = document.getElementById("overlay");
  const listed = await data(place.dataset.runs);
  const runs = listed.filter((run) => run.kind !== "chaos").slice(0, OFFERED); // those have no charts
  const alike = (run) => run.scenario === runs[0].scenario;
  const shown = new Set([...runs.filter(alike), ...runs.filter((run) => !alike(run))].slice(0, 2));
  let wanted = null;
  const form = el("form", { class: "choices", "aria-label": "What to draw" });
  const boxes = el("fieldset", {}, el("legend", {}, `Runs, at most ${MOST}`), ...runs.map((run) => {
    const box = el("input", { type: "checkbox", change: () => {
      if (!box.checked) shown.delete(run);
      else if (shown.size < MOST) shown.add(run);
      else box.checked = false;
      update();
    } });
    box.checked = shown.has(run);
    return el("label", {}, box, ` ${labelOf(run)}${run.quick ? ", quick" : ""}`);
  }));
  const chart = el("div", { class: "chart", role: "img" });
  const legend = el("ul", { class: "legend", role: "list" });
  place.append(boxes, form, legend, chart);
  let plot = null;
  new ResizeObserver(() => plot?.setSize({ width: chart.clientWidth, height: HEIGHT })).observe(chart);

  async function update() {
    const chosen = runs.filter((run) => shown.has(run));
    const found = await Promise.all(chosen.map(async (run) => [run, new Map(chartsOf(await report(run)))]));
    const names = [...new Set(found.flatMap(([, charts]) => [...charts.keys()]))];
    wanted = names.includes(wanted) ? wanted : names.find((name) => name.includes("spectrum")) ?? names[0];
    form.replaceChildren(names.length ? select("chart", names.map((name) => [name, name]), wanted, (value) => {
      wanted = value;
      update();
    }) : "");
    const drawn = found.filter(([, charts]) => charts.has(wanted)).map(([run, charts]) => [run, charts.get(wanted)]);
    plot = drawn.length ? draw(chart, drawn) : null;
    if (!plot) chart.replaceChildren(el("p", { class: "card" }, "No chosen run has a chart."));
    legend.replaceChildren(...drawn.map(([run], index) =>
      el("li", {}, el("span", { class: `key key-${index + 1}`, "aria-hidden": "true" }), labelOf(run))),
      drawn.length ? el("li", { class: "soft" }, `Lines, from whole to ever more broken: ${drawn[0][1].lines.map((each) => each.label).join(", ")}`) : "");
    chart.setAttribute("aria-label", `${wanted ?? "No chart"} of ${drawn.length === 1 ? "one run" : `${drawn.length} runs`}; each run's report has its figures as a table`);
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  await update();
});

function draw(place, drawn) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const [, first] = drawn[0];
  const lines = drawn.flatMap(([, chart], run) => chart.lines.map((line, index) => ({ ...line, run, index })));
  // uPlot wants ascending places; a percentile may come twice.
  const tables = lines.map((line) => {
    const points = new Map(line.x.map((x, at) => [x, line.y[at]]));
    const xs = [...points.keys()].sort((a, b) => a - b);
    return [xs, xs.map((x) => points.get(x))];
  });
  const positive = lines.every((line) => line.y.every((y) => y === null || y > 0));
  const axis = { stroke: colour("soft"), grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule") } };
  const ranks = first.ranks
    ? { splits: () => RANKS.map((rank) => -Math.log10(1 - rank / 100)), values: () => RANKS.map((rank) => `P${rank}`) } : {};
  place.replaceChildren();
  return new uPlot({
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    scales: { x: { time: false, distr: first.log_x ? 3 : 1, log: 2 }, y: { distr: first.log_y && positive ? 3 : 1 } },
    axes: [
      { ...axis, label: first.x_label, values: (_, splits) => splits.map((each) => (each === null ? "" : number(each))), ...ranks },
      { ...axis, label: first.y_label, size: 64, values: (_, splits) => splits.map((each) => (each === null ? "" : number(each))) },
    ],
    series: [{}, ...lines.map((line) => ({
      label: line.label, stroke: colour(`line-${line.run + 1}`), width: 1.5, dash: DASHES[line.index % DASHES.length],
      points: { show: line.x.length <= 12 }, spanGaps: false,
    }))],
  }, uPlot.join(tables), place);
}
