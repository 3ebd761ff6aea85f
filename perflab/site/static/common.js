// What all pages with a script share: the data, words for figures, elements.
// Figures are worded as site/readings.py words them; tests/perflab/site/test_chromium.py compares them.

const SCALES = {
  seconds: [[1e-9, "ns"], [1e-6, "µs"], [1e-3, "ms"], [1, "s"]],
  bytes: [[1, "bytes"], [1e3, "kB"], [1e6, "MB"], [1e9, "GB"]],
};
const DIGITS = 4;

export async function data(path) {
  const answer = await fetch(`data/${path}`);
  if (!answer.ok) throw new Error(`data/${path}: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

/** An element; `attributes` may hold handlers by the names of their events. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== null && each !== undefined && each !== ""));
  return made;
}

/** Run a page; whatever goes wrong is told where its content would be. */
export async function page(main) {
  const place = document.getElementById("content");
  try {
    await main(place);
  } catch (error) {
    console.error(error);
    const words = location.protocol === "file:"
      ? "Browsers let no page read data from a file: serve the site, for instance by make preview."
      : error.message;
    place.append(el("p", { class: "card not-met", role: "alert" }, `This page cannot be shown. ${words}`));
  }
  performance.mark("shown");
  document.documentElement.dataset.shown = "true";
}

export const query = () => new URLSearchParams(location.search);

/** A stored figure as people think of it. */
export const read = (reads, stored) => (reads.inverted ? (stored ? 1 / stored : Infinity) : stored);

/** The unit in which figures as large as this are written: [size, name]. */
export function scaleOf(unit, value) {
  const scales = SCALES[unit] ?? [[1, unit]];
  return scales.findLast(([size]) => (value ? Math.abs(value) >= size : size === 1)) ?? scales[0];
}

export function number(value) {
  if (!Number.isFinite(value)) return "∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  if (Math.abs(value) >= 10 ** (DIGITS - 1)) return Math.round(value).toLocaleString("en");
  if (Math.abs(value) < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(DIGITS)));
}

/** A stored figure with its unit. */
export function text(reads, stored) {
  const value = read(reads, stored);
  if (!Number.isFinite(value)) return "∞";
  const [size, unit] = scaleOf(reads.unit, value);
  return `${number(value / size)} ${unit}`.trim();
}

/** A ratio of stored figures, new over old, as a change of what people read. */
export function change(reads, ratio) {
  if (ratio === null || !Number.isFinite(ratio)) return reads.inverted ? "from ∞" : "from 0";
  if (ratio < 0) return "from 0";
  const shown = reads.inverted ? 1 / ratio : ratio;
  if (!Number.isFinite(shown)) return "to ∞";
  if (shown >= 10) return `× ${number(shown)}`;
  const percent = (shown - 1) * 100;
  const written = percent.toFixed(Math.abs(percent) < 99.5 ? 1 : 0);
  if (Number(written) === 0) return "0 %";
  return `${percent > 0 ? "+" : "−"}${written.replace("-", "")} %`;
}

export const word = (each) => (each.new > each.old ? "worse" : "better");

export const date = (ms) => new Date(ms).toISOString().slice(0, 10);

export const short = (hash) => hash.slice(0, 8);

/** After a change's commit: the one that a search has found, or among how many it is. */
export function inOneOf(site, each, before) {
  const found = each.culprit;
  if (found && found.at === null) return `${before}no commit made it (${found.sure}, of ${found.of})`;
  if (found) return el("span", {}, before, "made by ",
    el("a", { href: `commit.html?commit=${short(site.commits[found.at][0])}` }, el("code", {}, short(site.commits[found.at][0]))),
    ` ${site.commits[found.at][1]} (${found.sure}, of ${found.of} commits)`);
  return each.at - each.before > 1 ? `${before}in one of ${each.at - each.before} commits` : "";
}

/** After a change: its explanation, or the command that writes it, where alerts have told the step. */
export function explanation({ explained }) {
  if (!explained) return "";
  if (explained.page) return el("span", {}, " ", el("a", { href: explained.page }, "explained"));
  return el("details", {}, el("summary", {}, "Explain it"), el("code", {}, explained.command));
}

export const titleOf = (benchmark, number) => benchmark.titles[number];

/** Who wrote a commit; nobody is named where all are of one. */
export const writer = (site, author) => ((site.authors ??= new Set(site.commits.map((each) => each[2])).size) > 1 ? author : "");

/** By a key, in the order in which keys come first. */
export const grouped = (rows, keyOf) => rows.reduce((found, row) => {
  const key = keyOf(row);
  if (!found.has(key)) found.set(key, []);
  found.get(key).push(row);
  return found;
}, new Map());

export const benchmarkLink = (benchmark, number, place) =>
  `benchmark.html?${new URLSearchParams({ name: benchmark.name, case: number, place })}`;

/** A labelled choice among [value, text] pairs, or groups of them: [name, pairs]. */
export function select(label, pairs, chosen, changed) {
  const option = ([value, shown]) =>
    Array.isArray(shown)
      ? el("optgroup", { label: value }, ...shown.map(option))
      : el("option", { value, selected: String(value) === String(chosen) }, shown);
  const made = el("select", { change: () => changed(made.value) }, ...pairs.map(option));
  return el("label", {}, `${label} `, made);
}

/** A table that scrolls sideways by itself, reachable by keyboard; of kind "stack", a phone shows each row as a paragraph. */
export function table(label, heads, rows, kind = undefined) {
  const head = el("tr", {}, ...heads.map(([shown, kind]) => el("th", { scope: "col", class: kind }, shown)));
  return el("div", { class: "wide", role: "region", "aria-label": label, tabindex: 0 },
    el("table", { class: kind }, el("thead", {}, head), el("tbody", {}, ...rows)));
}
