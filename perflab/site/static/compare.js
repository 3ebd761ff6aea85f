// Two commits beside each other, by suite; and one commit beside the one measured before it.

import { benchmarkLink, change, data, date, el, page, query, select, short, table, text, titleOf } from "./common.js";

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

/** Everything about two files of one place, as elements. */
function difference(site, place, base, head, showAll) {
  const rows = rowsOf(site, place, base, head);
  const counted = rows.filter((row) => row.counts);
  const worse = counted.filter((row) => row.worse).length;
  const failed = rows.filter((row) => row.failed).length;
  const suites = Map.groupBy
    ? Map.groupBy(rows, (row) => row.benchmark.suite)
    : rows.reduce((found, row) => found.set(row.benchmark.suite, [...(found.get(row.benchmark.suite) ?? []), row]), new Map());
  const made = [el("p", { id: "verdict" },
    el("span", { class: worse ? "worse" : "soft" }, `${worse} worse`), ", ",
    el("span", { class: counted.length > worse ? "better" : "soft" }, `${counted.length - worse} better`), ", ",
    failed ? el("span", { class: "worse" }, `${failed} failed, `) : "",
    `of ${rows.length} figures.`)];
  for (const [suite, all] of suites) {
    const shown = all.filter((row) => showAll || row.counts || row.failed);
    made.push(el("section", {}, el("h2", {}, suite, " ", el("span", { class: "soft" }, `${all.length - shown.length ? `${all.length - shown.length} without a change` : ""}`)),
      shown.length
        ? table(suite, [["Benchmark", ""], ["Before", "n"], ["After", "n"], ["Change", "n"], ["", ""]], shown.map((row) => cells(row, place)), "stack")
        : ""));
  }
  return made;
}

const commitFile = (site, number) => data(`commits/${site.commits[number][0]}.json`);
const ofPlace = (file, place) => file?.places.find((each) => each.place === place);
const nameOf = ([hash, subject, , ms, tags]) => `${short(hash)} ${date(ms)} ${tags.join(" ")} ${subject}`.slice(0, 90);

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
    place.append(el("p", { class: "card" }, "No commit was measured yet: make bench measures the newest."));
    return;
  }
  const asked = Number(wanted.get("place") ?? site.default_place);
  const state = { place: usable.some(([number]) => number === asked) ? asked : site.default_place };
  const body = el("div", {});
  const form = el("form", { class: "choices", "aria-label": "What to compare" });
  const all = allSwitch(() => update());
  place.append(form, all, body);

  function defaults() {
    const measured = site.places[state.place].commits;
    const head = find(site, wanted.get("head"));
    const base = find(site, wanted.get("base"));
    state.head = measured.includes(head) ? head : measured.at(-1);
    state.base = measured.includes(base) ? base : measured.at(-2) ?? measured[0];
  }

  function choices() {
    const pairs = [...site.places[state.place].commits].reverse().map((number) => [number, nameOf(site.commits[number])]);
    form.replaceChildren(
      usable.length > 1 ? select("machine", usable.map(([number, each]) => [number, each.label]), state.place, (value) => {
        state.place = Number(value);
        defaults();
        choices();
        update();
      }) : "",
      select("before", pairs, state.base, (value) => {
        state.base = Number(value);
        update();
      }),
      select("after", pairs, state.head, (value) => {
        state.head = Number(value);
        update();
      }));
  }

  async function update() {
    const [base, head] = await Promise.all([state.base, state.head].map((number) => commitFile(site, number)));
    const [from, to] = [state.base, state.head].map((number) => short(site.commits[number][0]));
    history.replaceState(null, "", `?${new URLSearchParams({ base: from, head: to, place: state.place })}`);
    body.replaceChildren(
      el("p", {}, el("code", {}, `git diff ${from} ${to}`), " · ", el("code", {}, `git log ${from}..${to}`)),
      ...difference(site, state.place, ofPlace(base, state.place), ofPlace(head, state.place), all.firstChild.checked));
  }

  defaults();
  choices();
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
  const neighbour = (to, shown) => (site.commits[to]
    ? el("a", { href: `commit.html?commit=${short(site.commits[to][0])}` }, `${shown} ${short(site.commits[to][0])}`) : "");
  document.title = `${short(hash)} ${subject} · ${site.project}`;
  place.append(el("h1", {}, subject),
    el("p", {}, el("code", {}, hash), " ", ...tags.map((tag) => el("span", { class: "tag" }, tag)), el("span", { class: "soft" }, ` ${author}, ${date(ms)}`)),
    el("p", {}, neighbour(number - 1, "← before:"), " ", neighbour(number + 1, "→ after:")));
  place.append(...await filedRuns(hash));
  const measured = site.places.map((each, at) => [at, each]).filter(([, each]) => each.commits.includes(number));
  if (!measured.length) {
    place.append(el("p", { class: "card" }, "It was not measured. ", el("code", {}, `asv run ${short(hash)}^!`), " measures it."));
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

/** What the whole history says began with this commit. */
function steps(site, file) {
  if (!file.changes.length) return el("p", { class: "card" }, "No step of any history begins with it.");
  return el("section", {}, el("h2", {}, "What changed here"), el("ul", { class: "changes", role: "list" }, ...file.changes.map((each) => {
    const benchmark = site.benchmarks.find((one) => one.name === each.benchmark);
    const verdict = each.new > each.old ? "worse" : "better";
    return el("li", {}, el("span", { class: verdict }, `${change(benchmark.reads, each.ratio)} ${verdict}`), " ",
      el("a", { href: benchmarkLink(benchmark, each.case, each.place) }, titleOf(benchmark, each.case)),
      ` ${text(benchmark.reads, each.old)} → ${text(benchmark.reads, each.new)} `,
      el("span", { class: "soft" }, each.certainty, each.at - each.before > 1 ? `, in one of ${each.at - each.before} commits` : "",
        site.places.length > 1 ? `; ${site.places[each.place].label}` : ""));
  })));
}

page(async (place) => {
  const site = await data("site.json");
  await (location.pathname.endsWith("commit.html") ? showCommit : showCompare)(place, site);
});
