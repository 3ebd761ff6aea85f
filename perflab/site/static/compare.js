// Two commits beside each other, by suite; and one commit beside the one measured before it.

import { benchmarkLink, change, data, date, el, explanation, grouped, inOneOf, page, query, select, short, table, text, titleOf, writer } from "./common.js";

const PRINTED = 5.1e-4; // a smaller change would be printed as "0 %"
const SIGMAS = 4; // of some hundred figures, none should pass by chance
const WORDS = {
  certain: "certain", beyond: "beyond the noise", within: "within the noise", unknown: "noise unknown",
};

/**
 * What a pair of stored figures says. Exact ones differ or not; of all others one point stands
 * against one, so they have to differ by four standard deviations of such a difference.
 */
export function judge(benchmark, noise, old, now) {
  const floor = Math.max(benchmark.floor, PRINTED) * Math.abs(old);
  const gap = Math.abs(now - old);
  if (benchmark.kind === "exact") return gap > floor ? "certain" : "within";
  if (noise === null) return gap > floor ? "unknown" : "within";
  return gap > Math.max(floor, SIGMAS * Math.SQRT2 * noise * Math.abs(old)) ? "beyond" : "within";
}

/** Rows of everything that both or one of two commits' files have, in the suite's order. */
function rowsOf(site, place, base, head) {
  const noise = site.places[place].noise;
  return site.series.flatMap(([number, which], column) => {
    const benchmark = site.benchmarks[number];
    const old = base?.values[column] ?? null;
    const now = head?.values[column] ?? null;
    const failed = head?.failed.includes(column) ?? false;
    if (old === null && now === null && !failed) return [];
    const row = { benchmark, which, old, now, failed, sure: null, worse: false };
    if (old !== null && now !== null) {
      row.sure = judge(benchmark, noise[column], old, now);
      row.ratio = old > 0 ? now / old : now === old ? 1 : null;
      row.worse = now > old;
    }
    row.counts = row.sure === "certain" || row.sure === "beyond";
    return [row];
  });
}

function cells(row, place) {
  const { benchmark, which, old, now } = row;
  const { reads } = benchmark;
  const shown = (value) => (value === null ? "–" : text(reads, value));
  const verdict = row.worse ? "worse" : "better";
  let words = row.failed ? "failed" : now === null ? "gone" : old === null ? "new" : change(reads, row.ratio);
  if (row.counts) words += ` ${verdict}`;
  return el("tr", {},
    el("th", { scope: "row" }, el("a", { href: benchmarkLink(benchmark, which, place) }, titleOf(benchmark, which))),
    el("td", { class: "n", "data-name": "before" }, shown(old)),
    el("td", { class: "n", "data-name": "after" }, row.failed ? "failed" : shown(now)),
    el("td", { class: "n" }, el("span", { class: row.failed ? "worse" : row.counts ? verdict : "soft" }, words)),
    el("td", { class: "soft" }, WORDS[row.sure] ?? ""));
}

/** A row for each suite, linked where it is told below: how many figures became what, and the geometric mean of their ratios, of what is stored. */
function summary(suites, told) {
  const cell = (count, kind) => el("td", { class: "n" }, el("span", { class: count ? kind : "soft" }, count));
  const lines = [...suites].map(([suite, rows]) => {
    const worse = rows.filter((row) => row.counts && row.worse).length;
    const better = rows.filter((row) => row.counts && !row.worse).length;
    const ratios = rows.map((row) => row.ratio).filter((each) => each > 0);
    const mean = ratios.length ? `× ${Math.exp(ratios.reduce((sum, each) => sum + Math.log(each), 0) / ratios.length).toFixed(3)}` : "–";
    return el("tr", {}, el("th", { scope: "row" }, told.has(suite) ? el("a", { href: `#suite-${suite}` }, suite) : suite), cell(worse, "worse"), cell(better, "better"),
      cell(rows.filter((row) => row.sure && !row.counts).length, ""), cell(rows.filter((row) => !row.sure && !row.failed).length, "soft"), el("td", { class: "n" }, mean));
  });
  return table("Suites", [["Suite", ""], ["Worse", "n"], ["Better", "n"], ["Unchanged", "n"], ["In one only", "n"], ["Mean, after over before", "n"]], lines, "sums");
}

/** Everything about two files of one place, as elements. */
function difference(site, place, base, head, showAll) {
  const rows = rowsOf(site, place, base, head);
  const counted = rows.filter((row) => row.counts);
  const worse = counted.filter((row) => row.worse).length;
  const failed = rows.filter((row) => row.failed).length;
  const suites = grouped(rows, (row) => row.benchmark.suite);
  const made = [el("p", { id: "verdict" },
    el("span", { class: worse ? "worse" : "soft" }, `${worse} worse`), ", ",
    el("span", { class: counted.length > worse ? "better" : "soft" }, `${counted.length - worse} better`), ", ",
    failed ? el("span", { class: "worse" }, `${failed} failed, `) : "",
    `of ${rows.length} figures.`)];
  const isTold = (row) => showAll || row.counts || row.failed;
  const told = [...suites].filter(([, all]) => !base || all.some(isTold));
  if (base) made.push(summary(suites, new Set(told.map(([suite]) => suite))));
  for (const [suite, all] of told) {
    const shown = all.filter(isTold);
    const left = all.filter((row) => !isTold(row));
    const alone = left.filter((row) => !row.sure).length;
    const words = [left.length > alone ? `${left.length - alone} without a change` : "", alone ? `${alone} ${base ? "in one only" : "without one to compare with"}` : ""].filter(Boolean).join(", ");
    made.push(el("section", {}, el("h2", { id: `suite-${suite}` }, suite, " ", el("span", { class: "soft" }, words)),
      shown.length
        ? table(suite, [["Benchmark", ""], ["Before", "n"], ["After", "n"], ["Change", "n"], ["", ""]], shown.map((row) => cells(row, place)), "stack")
        : ""));
  }
  return made;
}

const commitFile = (site, number) => data(`commits/${site.commits[number][0]}.json`);
const ofPlace = (file, place) => file?.places.find((each) => each.place === place);
const nameOf = ([hash, subject, , ms, tags]) => [short(hash), date(ms), ...tags, subject].join(" ").slice(0, 90);

/** The measured commits of a place around one: the last up to it, the last before it, the first after it. */
function around(site, place, number) {
  const { commits } = site.places[place];
  const before = commits.filter((each) => each < number);
  return { upTo: commits.includes(number) ? number : before.at(-1), before: before.at(-1), after: commits.find((each) => each > number) };
}

/** The number of the commit that a hash, the beginning of one, or a tag names; -1 if none. */
export function find(site, wanted) {
  if (!wanted) return -1;
  const tagged = site.commits.findIndex((each) => each[4].includes(wanted));
  return tagged >= 0 ? tagged : site.commits.findIndex((each) => each[0].startsWith(wanted));
}

function allSwitch(update) {
  return el("label", {}, el("input", { type: "checkbox", id: "all", change: update }), " all figures");
}

async function showCompare(place, site) {
  const wanted = query();
  const usable = site.places.map((each, number) => [number, each]).filter(([, each]) => each.commits.length);
  place.append(el("h1", {}, "Compare two commits"));
  if (!usable.length) {
    place.append(el("p", { class: "card" }, "No commit was measured yet."));
    return;
  }
  const asked = Number(wanted.get("place") ?? site.default_place);
  const state = { place: usable.some(([number]) => number === asked) ? asked : site.default_place };
  const body = el("div", {});
  const form = el("form", { class: "choices", "aria-label": "What to compare" });
  const all = allSwitch(() => update());

  function defaults() {
    const measured = site.places[state.place].commits;
    state.head = take(wanted.get("head")) ?? measured.at(-1);
    state.base = take(wanted.get("base")) ?? measured.at(-2) ?? measured[0];
  }

  /** The measured commit that a hash or tag stands for: itself, or the last one measured before it. */
  function take(name) {
    const number = find(site, name);
    if (number < 0) return undefined;
    return around(site, state.place, number).upTo ?? site.places[state.place].commits[0];
  }

  const said = { base: wanted.get("base"), head: wanted.get("head") };
  const offered = el("datalist", { id: "offered" }, ...[...site.commits].reverse().map((commit) =>
    el("option", { value: commit[4].at(-1) ?? short(commit[0]) }, nameOf(commit))));
  const note = el("p", { class: "soft", "aria-live": "polite" });

  function field(label, name) {
    const input = el("input", { list: "offered", size: 14, spellcheck: "false", value: said[name] ?? short(site.commits[state[name]][0]), change: () => {
      said[name] = input.value.trim();
      const found = take(said[name]);
      if (found !== undefined) state[name] = found;
      update();
    } });
    return el("label", {}, `${label} `, input);
  }

  function choices() {
    form.replaceChildren(
      usable.length > 1 ? select("machine", usable.map(([number, each]) => [number, each.label]), state.place, (value) => {
        state.place = Number(value);
        Object.assign(state, { base: take(said.base) ?? state.base, head: take(said.head) ?? state.head });
        update();
      }) : "",
      field("before", "base"), field("after", "head"), offered);
  }

  /** What stands for what was asked, where that is another commit. */
  function stands() {
    return ["base", "head"].flatMap((name) => {
      if (!said[name]) return [];
      if (find(site, said[name]) < 0) return [`${said[name]} is no commit or tag of the published branch.`];
      if (find(site, said[name]) === state[name]) return [];
      return [`${said[name]} was not measured here: ${short(site.commits[state[name]][0])} stands for it.`];
    }).join(" ");
  }

  async function update() {
    const [base, head] = await Promise.all([state.base, state.head].map((number) => commitFile(site, number)));
    const [from, to] = [state.base, state.head].map((number) => short(site.commits[number][0]));
    history.replaceState(null, "", `?${new URLSearchParams({ base: from, head: to, place: state.place })}`);
    note.textContent = stands();
    body.replaceChildren(
      el("ul", {}, ...[state.base, state.head].map((number) => el("li", {}, el("a", { href: `commit.html?commit=${short(site.commits[number][0])}` }, nameOf(site.commits[number]))))),
      el("p", {}, el("code", {}, `git diff ${from} ${to}`), " · ", el("code", {}, `git log ${from}..${to}`)),
      ...difference(site, state.place, ofPlace(base, state.place), ofPlace(head, state.place), all.firstChild.checked));
  }

  defaults();
  choices();
  place.append(form, note, all, body);
  await update();
}

async function showCommit(place, site) {
  const wanted = query().get("commit");
  const number = find(site, wanted);
  if (number < 0) {
    place.append(el("h1", {}, "Commit"), el("p", { class: "card" },
      wanted ? `The published branch has no commit ${wanted} since the first that was measured.` : "No commit is chosen.",
      " ", el("a", { href: "compare.html" }, "Choose two")));
    return;
  }
  const [hash, subject, author, ms, tags] = site.commits[number];
  const near = site.places.map((_, at) => around(site, at, number));
  const nearest = { before: Math.max(...near.map((each) => each.before ?? -1)), after: Math.min(...near.map((each) => each.after ?? Infinity)) };
  const neighbour = (to, shown) => (site.commits[to]
    ? el("a", { href: `commit.html?commit=${short(site.commits[to][0])}` }, `${shown} ${short(site.commits[to][0])}`) : "");
  document.title = `${short(hash)} ${subject} · ${site.project}`;
  place.append(el("h1", {}, subject),
    el("p", {}, el("code", {}, hash), " ", ...tags.map((tag) => el("span", { class: "tag" }, tag)), el("span", { class: "soft" }, ` ${[writer(site, author), date(ms)].filter(Boolean).join(", ")}`)),
    el("p", {}, neighbour(nearest.before, "← measured before:"), " ", neighbour(nearest.after, "→ measured after:")));
  place.append(...await filedRuns(hash));
  const measured = site.places.map((each, at) => [at, each]).filter(([, each]) => each.commits.includes(number));
  if (!measured.length) {
    const { before, after } = nearest;
    place.append(el("p", { class: "card" }, "It was not measured. ", el("code", {}, `asv run ${short(hash)}^!`), " measures it.",
      ...(site.commits[before] && site.commits[after] ? [" What changed around it: ", el("a", { href: `compare.html?${new URLSearchParams({
        base: short(site.commits[before][0]), head: short(site.commits[after][0]) })}` }, `${short(site.commits[before][0])} → ${short(site.commits[after][0])}`)] : [])));
    return;
  }
  const file = await commitFile(site, number);
  place.append(el("p", {}, el("code", {}, `git show ${short(hash)}`), " ", el("a", { href: `data/commits/${hash}.json` }, "data")), steps(site, file));
  const state = { place: measured.some(([at]) => at === site.default_place) ? site.default_place : measured[0][0] };
  const body = el("div", {});
  const all = allSwitch(() => update());
  const update = async () => {
    const entry = ofPlace(file, state.place);
    if (entry.previous === null) {
      body.replaceChildren(el("p", { class: "card" }, "It is the first that was measured here."),
        ...difference(site, state.place, null, entry, true));
      return;
    }
    const before = await commitFile(site, entry.previous);
    const between = number - entry.previous;
    body.replaceChildren(
      el("p", { class: "soft" }, `Measured ${entry.measured}. One point against one, with ${nameOf(site.commits[entry.previous])}`,
        between > 1 ? `: ${between - 1} commits between them were not measured here.` : ", its parent."),
      ...difference(site, state.place, ofPlace(before, state.place), entry, all.firstChild.checked));
  };
  place.append(el("h2", {}, "Against the commit measured before"),
    measured.length > 1 ? el("form", { class: "choices" }, select("machine", measured.map(([at, each]) => [at, each.label]), state.place, (value) => {
      state.place = Number(value);
      update();
    })) : "", all, body);
  await update();
}

/** Readiness, load and chaos runs that were made with this commit. */
async function filedRuns(hash) {
  const listed = (await Promise.all([data("runs.json"), data("load.json")])).flat();
  const own = listed.filter((run) => run.commit === hash && run.page);
  return own.length ? [el("h2", {}, "Runs"), el("ul", {}, ...own.map((run) =>
    el("li", {}, el("a", { href: run.page }, `${run.scenario ?? "readiness"}, ${run.began.slice(0, 16).replace("T", " ")}`), " ",
      el("span", { class: run.state }, run.said ?? run.verdict), " ", el("span", { class: "soft" }, run.machine))))] : [];
}

/** What the whole history says began with this commit, by suite. */
function steps(site, file) {
  if (!file.changes.length) return el("p", { class: "card" }, "No step of any history begins with it.");
  const known = new Map(site.benchmarks.map((each) => [each.name, each]));
  const suites = grouped(file.changes, (each) => known.get(each.benchmark).suite);
  const worse = file.changes.filter((each) => each.new > each.old).length;
  return el("section", {}, el("h2", {}, "What changed here"),
    el("p", {}, el("span", { class: worse ? "worse" : "soft" }, `${worse} worse`), ", ",
      el("span", { class: worse < file.changes.length ? "better" : "soft" }, `${file.changes.length - worse} better`)),
    ...[...suites].flatMap(([suite, changes]) => [el("h3", {}, suite),
      el("ul", { class: "changes", role: "list" }, ...changes.map((each) => step(site, known.get(each.benchmark), each)))]));
}

function step(site, benchmark, each) {
  const verdict = each.new > each.old ? "worse" : "better";
  return el("li", {}, el("span", { class: verdict }, `${change(benchmark.reads, each.ratio)} ${verdict}`), " ",
    el("a", { href: benchmarkLink(benchmark, each.case, each.place) }, titleOf(benchmark, each.case)),
    ` ${text(benchmark.reads, each.old)} → ${text(benchmark.reads, each.new)} `,
    el("span", { class: "soft" }, each.certainty, inOneOf(site, each, ", "),
      site.places.length > 1 ? `; ${site.places[each.place].label}` : ""), explanation(each));
}

page(async (place) => {
  const site = await data("site.json");
  await (location.pathname.endsWith("commit.html") ? showCommit : showCompare)(place, site);
});
