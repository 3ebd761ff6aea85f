// One benchmark: its value, history, changes, and how to measure a point again.

import { change, data, date, el, explanation, inOneOf, page, query, select, short, table, text, titleOf, word, writer } from "./common.js";
import { MOST_LINES, draw } from "./chart.js";

const RANGES = [["0", "all"], ["300", "last 300"], ["100", "last 100"], ["30", "last 30"]];
const POINTS_LISTED = 200;

page(async (place) => {
  const site = await data("site.json");
  const wanted = query();
  const benchmark = site.benchmarks.find((each) => each.name === wanted.get("name"));
  if (!benchmark) {
    const name = wanted.get("name");
    place.append(el("h1", {}, "Benchmark"), el("p", { class: "card" },
      name ? `There is no benchmark called ${name}. ` : "No benchmark is chosen. ",
      el("a", { href: "benchmarks.html" }, "All benchmarks")));
    return;
  }
  new View(place, site, benchmark, await data(`benchmarks/${benchmark.file}`)).show();
});

/** An interval in words, the lower end of what people read first; "" where none is known. */
function intervalOf(reads, low, high) {
  if (low === null || high === null) return "";
  if (!reads.inverted) return `${text(reads, low)} to ${text(reads, high)}`;
  return low > 0 ? `${text(reads, high)} to ${text(reads, low)}` : `at least ${text(reads, high)}`;
}

const SPELL = 1.5; // times the usual slowness of its series: measured in a spell of the machine

/** What a ruler says of the machine at a point: what the clock said, and if a slow spell was on; null without a ruler. */
function machineAt(reads, series, at) {
  const slow = series.slow?.[at];
  if (!slow) return null;
  const known = series.slow.filter((each) => each).sort((a, b) => a - b);
  const spell = slow > SPELL * known[Math.floor((known.length - 1) / 2)];
  const clock = text(reads, series.values[at] * slow);
  return { clock, spell, words: `; ${clock} by the clock, the machine at ${slow.toFixed(2)} times the reference${spell ? ": a slow spell" : ""}` };
}

const LEVEL = 5; // points whose median is the level now, as in site/model.py

/** The level now and of how many points: the median of the last, none before the last change. */
function levelOf(series) {
  const begin = series.at.indexOf(series.changes.at(-1)?.at ?? series.at[0]);
  const values = series.values.slice(Math.max(begin, series.values.length - LEVEL)).sort((a, b) => a - b);
  const middle = values.length / 2;
  const level = values.length % 2 ? values[Math.floor(middle)] : (values[middle - 1] + values[middle]) / 2;
  return [level, values.length];
}

class View {
  constructor(place, site, benchmark, file) {
    const { series } = file;
    Object.assign(this, { place, site, benchmark, series, file });
    const wanted = query();
    const places = [...new Set(series.map((each) => each.place))];
    const asked = Number(wanted.get("place") ?? site.default_place);
    this.where = places.includes(asked) ? asked : places[0];
    const one = Number(wanted.get("case") ?? 0);
    this.case = one >= 0 && one < benchmark.cases.length ? one : 0;
    // By parameter: the chosen value's number, or "all".
    this.chosen = this.numbersOf(this.case);
    this.look = { byDate: false, fromZero: false, last: 0 };
    this.places = places;
  }

  /** The number of a combination as numbers of its parameters' values, in asv's order. */
  numbersOf(number) {
    const found = [];
    for (const values of [...this.benchmark.params].reverse()) {
      found.unshift(String(number % values.length));
      number = Math.floor(number / values.length);
    }
    return found;
  }

  selected() {
    return this.benchmark.cases
      .map((_, number) => number)
      .filter((number) => this.numbersOf(number).every((value, at) => this.chosen[at] === "all" || this.chosen[at] === value));
  }

  show() {
    const { benchmark, place } = this;
    document.title = `${benchmark.name} · ${this.site.project}`;
    this.value = el("div", { class: "now" });
    this.chart = el("div", { class: "chart", tabindex: 0, role: "img", keydown: (event) => this.key(event) });
    this.pointed = el("p", { class: "pointed", "aria-live": "polite" });
    this.legend = el("ul", { class: "legend", role: "list" });
    this.below = el("div", {});
    place.append(
      this.title = el("h1", {}),
      el("p", {}, el("code", {}, ...benchmark.name.split(/(?<=[._])/).flatMap((part) => [part, el("wbr")]))),
      el("p", {}, benchmark.catches || "Its class says nothing of it."),
      benchmark.cannot_see ? el("p", { class: "soft" }, benchmark.cannot_see) : "",
      el("p", { class: "soft" }, `${benchmark.kind}${benchmark.layout ? `, layout ${benchmark.layout}` : ""}; `,
        `stored in ${benchmark.unit || "no unit"}; ${benchmark.reads.inverted ? `read as ${benchmark.reads.unit}, higher is better` : "lower is better"}. `,
        el("a", { href: `grid.html#${benchmark.name}` }, "asv's graph"), " · ",
        el("a", { href: `data/benchmarks/${benchmark.file}` }, "data")),
      this.choices(), this.value, this.limits = el("ul", { class: "soft", role: "list" }), this.legend, this.chart, this.pointed, this.below, this.source());
    if (!this.series.some((each) => each.at.length)) {
      this.chart.replaceWith(el("p", { class: "card unmeasured" }, this.series.some((each) => each.failed.length)
        ? "Every measurement of it failed: see the build's or asv's own words."
        : "It was never measured."));
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.update());
    new ResizeObserver(() => this.plot?.setSize({ width: this.chart.clientWidth, height: this.plot.height })).observe(this.chart);
    this.update();
  }

  choices() {
    const { benchmark, site } = this;
    const check = (label, name) => el("label", {}, el("input", { type: "checkbox", change: (event) => {
      this.look[name] = event.target.checked;
      this.update();
    } }), ` ${label}`);
    return el("form", { class: "choices", "aria-label": "What to show" },
      this.places.length > 1 ? select("machine", this.places.map((each) => [each, site.places[each].label]), this.where, (value) => {
        this.where = Number(value);
        this.update();
      }) : "",
      ...benchmark.params.map((values, at) => select(benchmark.param_names[at],
        [...values.map((value, number) => [number, value.replace(/^['"]|['"]$/g, "")]), ["all", "all"]], this.chosen[at], (value) => {
          this.chosen[at] = value;
          this.update();
        })),
      select("commits", RANGES, 0, (value) => {
        this.look.last = Number(value);
        this.update();
      }),
      check("from zero", "fromZero"), check("by date", "byDate"));
  }

  update() {
    const cases = this.selected();
    const all = this.series.filter((each) => each.place === this.where && cases.includes(each.case));
    const drawn = all.filter((each) => each.at.length).slice(0, MOST_LINES);
    this.lines = drawn.map((series) => ({ label: this.benchmark.cases[series.case] || this.benchmark.name, series }));
    this.title.textContent = titleOf(this.benchmark, this.lines[0]?.series.case ?? this.case);
    const marks = this.marks();
    this.tell(all.length);
    if (drawn.length && this.chart.isConnected) {
      const commits = this.site.places[this.where].commits;
      const begin = this.look.last ? commits.at(-Math.min(this.look.last, commits.length)) : 0;
      const made = draw(this.chart, this.lines, this.benchmark, this.site.commits, { ...this.look, begin }, marks, (number) => this.point(number));
      this.plot = made.plot;
      this.numbers = made.numbers;
    } else {
      this.plot = null;
      if (this.chart.isConnected) this.chart.replaceChildren(el("p", { class: "card" }, "No value on this machine for this choice."));
    }
    this.below.replaceChildren(this.changes(), this.again(), this.points());
  }

  /** What is drawn beside one line, and told below its value; beside several it would mean nothing. */
  marks() {
    const { reads, floor } = this.benchmark;
    const marks = { bands: [], limits: [], alarms: [] };
    const said = [];
    if (this.lines.length === 1) {
      const { series } = this.lines[0];
      const [level, points] = levelOf(series);
      if (floor > 0 && points !== 2) { // of two that differ nobody knows which is the level
        marks.bands.push([level * (1 - floor), level * (1 + floor)]);
        said.push(`Grey: ${Number((floor * 100).toPrecision(3))} % about the level now, ${text(reads, level)}; a smaller change is none.`);
      }
      for (const { name, words, limit } of this.file.targets) {
        marks.limits.push([limit, `target: ${name}`, "met"]);
        said.push(`Target: ${name}, ${words}: ${series.values.at(-1) <= limit ? "kept" : "not kept"} by the newest point.`);
      }
      for (const { up_to, reason, until } of this.file.accepted.filter((each) => each.cases.includes(series.case))) {
        marks.limits.push([level * up_to, `accepted up to × ${up_to}`, "unmeasured"]);
        said.push(`Accepted until ${until}, up to × ${up_to}: ${reason}.`);
      }
      const { machine } = this.site.places[this.where];
      for (const each of this.file.alarms.filter((one) => one.case === series.case && one.machine === machine)) {
        marks.alarms.push([each.at, each.state]);
        said.push(`${each.state === "alarm" ? "Alarm" : "Suspect"}: ${each.what} at ${short(this.site.commits[each.at][0])}.`);
      }
    }
    this.limits.replaceChildren(...said.map((line) => el("li", {}, line)));
    return marks;
  }

  source() {
    return this.file.code
      ? el("details", {}, el("summary", {}, "Its source"), el("pre", {}, el("code", {}, this.file.code)),
        el("p", { class: "soft" }, "As asv discovered it last."))
      : "";
  }

  tell(count) {
    const { reads } = this.benchmark;
    this.value.replaceChildren(...this.lines.slice(0, 1).map(({ series }) => {
      const commit = this.site.commits[series.at.at(-1)];
      return el("p", {}, el("strong", { id: "value" }, text(reads, series.values.at(-1))),
        el("span", { class: "soft" }, ` at ${short(commit[0])}, ${date(commit[3])}${this.lines.length > 1 ? `; ${this.lines[0].label}` : ""}`));
    }));
    const hidden = count - this.lines.length;
    this.legend.replaceChildren(...(this.lines.length < 2 ? [] : this.lines.map(({ label }, index) =>
      el("li", {}, el("span", { class: `key key-${index + 1}`, "aria-hidden": "true" }), label))),
      hidden > 0 ? el("li", { class: "soft" }, `${hidden} without values or beyond ${MOST_LINES} lines are not drawn`) : "");
    const last = this.lines[0]?.series;
    this.chart.setAttribute("aria-label", last
      ? `${titleOf(this.benchmark, last.case)}: ${last.at.length} points, now ${text(reads, last.values.at(-1))}, ` +
        `${last.changes.length} changes. Left and right arrows go from point to point.`
      : "No values");
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !this.plot) return;
    event.preventDefault();
    const from = this.plot.cursor.idx ?? this.numbers.length;
    const to = Math.max(0, Math.min(this.numbers.length - 1, from + step));
    this.plot.setCursor({ left: this.plot.valToPos(this.plot.data[0][to], "x"), top: 0 });
  }

  /** What the point at a commit says. */
  point(number) {
    if (number === null) return;
    const [hash, subject, author, ms] = this.site.commits[number];
    const { reads } = this.benchmark;
    this.pointed.replaceChildren(el("code", {}, short(hash)), ` ${subject} `, el("span", { class: "soft" }, [writer(this.site, author), date(ms)].filter(Boolean).join(", ")),
      ...this.lines.flatMap(({ label, series }) => {
        const at = series.at.indexOf(number);
        if (at < 0) return [];
        const bounds = [series.low[at], series.high[at]];
        const told = intervalOf(reads, ...bounds);
        const interval = told && bounds[0] !== bounds[1] ? ` (99 %: ${told})` : "";
        const found = series.changes.find((each) => each.at === number);
        return [el("br"), el("strong", {}, text(reads, series.values[at])), this.lines.length > 1 ? ` ${label}` : "",
          el("span", { class: "soft" }, interval, machineAt(reads, series, at)?.words ?? ""),
          found ? el("span", { class: word(found) }, ` ${change(reads, found.ratio)} ${word(found)}, ${found.certainty}`) : ""];
      }));
  }

  changes() {
    const { reads } = this.benchmark;
    const found = this.lines.flatMap(({ series, label }) => series.changes.map((each) => ({ ...each, label })));
    found.sort((a, b) => b.at - a.at);
    if (!found.length) return el("p", { class: "soft" }, "No change in what is shown.");
    return el("section", {}, el("h2", {}, "Changes"),
      table("Changes", [["Change", ""], ["From, to", ""], ["Commit", ""], ["Diff", ""]], found.map((each) => {
        const [hash, subject, author] = this.site.commits[each.at];
        const [before] = this.site.commits[each.before];
        return el("tr", {},
          el("td", {}, el("span", { class: word(each) }, `${change(reads, each.ratio)} ${word(each)}`), " ", el("span", { class: "soft" }, each.certainty)),
          el("td", {}, `${text(reads, each.old)} → ${text(reads, each.new)}`, this.lines.length > 1 ? el("span", { class: "soft" }, ` ${each.label}`) : ""),
          el("td", {}, el("a", { href: `commit.html?commit=${short(hash)}` }, el("code", {}, short(hash))), ` ${subject} `, el("span", { class: "soft" }, writer(this.site, author),
            inOneOf(this.site, each, " ")), explanation(each)),
          el("td", {}, el("code", {}, `git diff ${short(before)} ${short(hash)}`), " ",
            el("a", { href: `compare.html?${new URLSearchParams({ base: short(before), head: short(hash), place: this.where })}` }, "compare")));
      }), "stack"));
  }

  again() {
    const newest = this.lines[0]?.series.at.at(-1);
    if (newest === undefined) return "";
    return el("section", {}, el("h2", {}, "Measure a point again"),
      el("pre", {}, el("code", {}, `asv run --bench '${this.benchmark.name.replaceAll(".", "\\.")}' ${short(this.site.commits[newest][0])}^!`)),
      el("p", { class: "soft" }, `On ${this.site.places[this.where].label}; another commit's hash measures that one. `,
        this.site.ours ? "To find the commit between two points: python -m perflab bisect." : ""));
  }

  points() {
    const { reads } = this.benchmark;
    const line = this.lines[0];
    if (!line) return "";
    const { series } = line;
    const ruled = series.slow?.some((each) => each);
    const rows = series.at.map((number, at) => el("tr", {},
      el("td", {}, el("code", {}, short(this.site.commits[number][0])), ` ${this.site.commits[number][1]}`),
      el("td", { class: "n" }, text(reads, series.values[at])),
      el("td", { class: "n" }, intervalOf(reads, series.low[at], series.high[at]) || "–"),
      ruled ? this.machine(reads, series, at) : ""));
    const shown = rows.reverse().slice(0, POINTS_LISTED);
    return el("details", {}, el("summary", {}, `The ${rows.length > shown.length ? `last ${shown.length} of ${rows.length}` : rows.length} points as a table`),
      table("Points", [["Commit", ""], ["Value", "n"], ["99 % interval", "n"], ...(ruled ? [["By the clock", "n"]] : [])], shown));
  }

  /** What the clock said, and if the machine was in a slow spell. */
  machine(reads, series, at) {
    const found = machineAt(reads, series, at);
    return el("td", { class: "n" }, found ? `${found.clock}${found.spell ? " (slow spell)" : ""}` : "–");
  }
}
