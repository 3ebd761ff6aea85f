// The list of benchmarks: search, filters, sorting; commits and tags that the search names, too.

import { data, date, el, query, short } from "./common.js";

const COMMITS = 12; // that are named
const LEAST = 3; // letters before commits are looked for
const body = document.querySelector("#benchmarks tbody");
const rows = [...body.rows];
const form = document.getElementById("filters");
const field = (name) => document.getElementById(name);
const NAMES = ["search", "suite", "kind", "state"];
let site = null; // asked for when commits are
let asked = 0;

function matches(row, words) {
  const { text, suite, kind, state, worse, better } = row.dataset;
  const wanted = field("state").value;
  const stated = { "": true, worse: Number(worse) > 0, better: Number(better) > 0 }[wanted] ?? state === wanted;
  return stated && words.every((word) => text.includes(word))
    && ["", suite].includes(field("suite").value) && ["", kind].includes(field("kind").value);
}

function update() {
  const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = rows.filter((row) => (row.hidden = !matches(row, words)) === false);
  field("count").textContent = `${shown.length} of ${rows.length}`;
  const kept = new URLSearchParams(NAMES.map((name) => [name === "search" ? "q" : name, field(name).value]).filter(([, value]) => value));
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
  tell(words);
}

/** Commits whose hash, tag or subject the search names. */
async function tell(words) {
  const mine = ++asked;
  const place = field("commits");
  if (words.join(" ").length < LEAST) {
    place.replaceChildren();
    return;
  }
  site ??= await data("site.json");
  if (mine !== asked) return;
  const found = site.commits.filter(([hash, subject, , , tags]) => words.every((word) =>
    hash.startsWith(word) || tags.some((tag) => tag.toLowerCase().includes(word)) || subject.toLowerCase().includes(word)));
  place.replaceChildren(...(found.length ? [el("details", { open: !rows.some((row) => !row.hidden) }, el("summary", {}, `${found.length} commit${found.length > 1 ? "s" : ""}`),
    el("ul", {}, ...found.reverse().slice(0, COMMITS).map(([hash, subject, , ms, tags]) =>
      el("li", {}, el("a", { href: `commit.html?commit=${short(hash)}` }, el("code", {}, short(hash))), " ",
        ...tags.map((tag) => el("span", { class: "tag" }, tag)), ` ${subject} `, el("span", { class: "soft" }, date(ms))))))] : []));
}

function sortBy(head, name) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const each of document.querySelectorAll("#benchmarks thead th")) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const numbers = ["stored", "ratio", "worst", "at"].includes(name);
  const value = (row) => (numbers ? (row.dataset[name] === "" ? null : Number(row.dataset[name])) : row.dataset[name]);
  const order = (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : (a < b ? -1 : 1) * (up ? 1 : -1));
  body.append(...rows.sort((a, b) => order(value(a), value(b))));
}

for (const head of document.querySelectorAll("#benchmarks thead th")) {
  const words = head.textContent;
  head.replaceChildren(el("button", { type: "button", class: "sort", click: () => sortBy(head, head.dataset.by) }, words));
}
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", update);
for (const link of document.querySelectorAll("[data-suite] a[data-suite], a[data-suite]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    field("suite").value = link.dataset.suite;
    update();
    form.scrollIntoView();
  });
}
for (const name of NAMES) field(name).value = query().get(name === "search" ? "q" : name) ?? "";
update();
