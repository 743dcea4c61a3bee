// All films of a sitting as a table that sorts and filters, and as files.

import { doubtsOf, element, percent, stateOf, verdictOf } from "./answer.js";

const COLUMNS = [
  ["File", ({ name }) => name],
  ["Answer", ({ answer }) => (answer ? shortOf(answer) : "waiting …")],
  ["Confidence", ({ answer }) => answer?.confidence ?? -1],
  ["Flags", ({ answer }) => (answer?.flags ?? []).map((flag) => flag.name.replaceAll("_", " ")).join(", ")],
];

// An answer without its percentage, which has a column of its own.
function shortOf(answer) {
  if (answer.label === null || answer.findings) return verdictOf(answer);
  return [...doubtsOf(answer), answer.label].join(": ");
}

export class Desk {
  constructor(table, totals, chosen) {
    this.table = table;
    this.totals = totals;
    this.chosen = chosen;
    this.sorted = { by: null, down: false };
    this.words = "";
  }

  filter(words) {
    this.words = words.trim().toLowerCase();
  }

  draw(entries, current) {
    this.totals.textContent = totalsOf(entries);
    const matches = entries.filter((entry) => !this.words
      || COLUMNS.some(([, value]) => String(value(entry)).toLowerCase().includes(this.words)));
    if (this.sorted.by !== null) {
      const value = COLUMNS[this.sorted.by][1];
      const order = (one, other) => (value(one) > value(other)) - (value(one) < value(other));
      matches.sort((one, other) => (this.sorted.down ? order(other, one) : order(one, other)));
    }
    const head = COLUMNS.map(([name], n) => {
      const button = element("button", { type: "button", "data-key": `column ${n}` }, name);
      button.addEventListener("click", () => {
        this.sorted = { by: n, down: this.sorted.by === n && !this.sorted.down };
        this.draw(entries, current);
      });
      const direction = this.sorted.down ? "descending" : "ascending";
      return element("th", { scope: "col", class: n === 2 ? "number" : "", "aria-sort": this.sorted.by === n ? direction : "none" }, button);
    });
    const focused = this.table.contains(document.activeElement) ? document.activeElement.dataset.key : "";
    this.table.replaceChildren(
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...matches.map((entry) => this.row(entry, current))),
    );
    if (focused) this.table.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  row(entry, current) {
    const name = element("button", { type: "button", class: "link", "data-key": `film ${entry.id}` }, entry.name);
    name.addEventListener("click", () => this.chosen(entry));
    const share = entry.answer?.confidence;
    return element("tr", { class: entry === current ? "current" : "" },
      element("th", { scope: "row" }, name),
      element("td", { class: entry.answer ? stateOf(entry.answer) : "" }, COLUMNS[1][1](entry)),
      element("td", { class: "number" }, typeof share === "number" ? percent(share) : ""),
      element("td", {}, COLUMNS[3][1](entry)));
  }
}

function totalsOf(entries) {
  const answers = entries.map((entry) => entry.answer).filter(Boolean);
  const counts = new Map();
  for (const answer of answers) {
    const names = answer.findings?.length ? answer.findings : [wordFor(answer)];
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const parts = [...counts].sort((one, other) => other[1] - one[1]).map(([name, n]) => `${name} ${n}`);
  const doubtful = answers.filter((answer) => stateOf(answer) === "doubtful").length;
  if (doubtful) parts.push(`in doubt ${doubtful}`);
  const waiting = entries.length - answers.length;
  if (waiting) parts.push(`waiting ${waiting}`);
  return `${entries.length} films: ${parts.join(", ")}.`;
}

function wordFor(answer) {
  const state = stateOf(answer);
  if (state === "failed") return "no film";
  if (state === "refused") return "refused";
  return answer.findings ? "no finding" : answer.label;
}

const cell = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  // A spreadsheet takes what begins so for a formula.
  const safe = /^[=+\-@\t\r]/.test(text) && typeof value !== "number" ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

// One row a film: what one needs to find the film and the model again.
export function csvOf(entries, card) {
  const labels = card?.labels ?? [];
  const head = ["name", "sha256", "answered_at", "state", "label", "confidence", "flags", ...labels.map((name) => `p_${name}`), "model", "version"];
  const rows = entries.filter((entry) => entry.answer).map(({ name, digest, at, answer, model }) => [
    name, digest, at, stateOf(answer), answer.label, answer.confidence,
    answer.flags.map((flag) => flag.name).join("|"), ...labels.map((label) => answer.probabilities?.[label]),
    model?.name, model?.version]);
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function jsonOf(entries, notice) {
  const films = entries.filter((entry) => entry.answer).map(({ name, digest, at, answer, model }) => {
    const { film_png: _, heat: __, ...said } = answer;
    return { name, sha256: digest, answered_at: at, model, state: stateOf(answer), ...said };
  });
  return JSON.stringify({ notice, films }, null, 2);
}

