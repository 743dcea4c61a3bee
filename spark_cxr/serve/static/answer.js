// An answer of the server, as elements: text goes in as text, never as markup.

export function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// A share, never rounded to all or none of what is not.
export function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1\u202f%";
  if (share >= 0.9995 && share < 1) return ">99.9\u202f%";
  return `${(100 * share).toFixed(1)}\u202f%`;
}

export function hasFlag(answer, name) {
  return answer.flags.some((flag) => flag.name === name);
}

// Flags that put an answer in doubt, the gravest first, in the words of its headline.
const DOUBTS = {
  looks_inverted: "Looks inverted",
  not_like_training: "Unlike the training",
  damaged: "Damaged file",
  lungs_not_found: "Lungs not found",
};
const FLAGS = { ...DOUBTS, not_an_xray: "Not a frontal chest film", refused_as_unlike: "Refused as unlike the training" };

// What to do where no class is named.
const WAYS_OUT = {
  not_an_xray: "Show a frontal chest film. If this is one, cut off what is not film: frames, screens, light boxes.",
  refused_as_unlike: "It may be a chest film, but this model was told to answer only films like those of its training.",
};

export function doubtsOf(answer) {
  return Object.keys(DOUBTS).filter((name) => hasFlag(answer, name)).map((name) => DOUBTS[name]);
}

// failed, refused, doubtful, uncertain or plain: what a reader has to know before the score.
export function stateOf(answer) {
  if (answer.error) return "failed";
  if (answer.label === null) return "refused";
  if (doubtsOf(answer).length) return "doubtful";
  return answer.is_uncertain ? "uncertain" : "plain";
}

export function verdictOf(answer) {
  if (answer.error) return `No film: ${answer.error.meaning}`;
  if (hasFlag(answer, "refused_as_unlike")) return "No answer: unlike the films that this model was trained on";
  if (answer.label === null) return FLAGS.not_an_xray;
  const doubts = doubtsOf(answer);
  const words = [doubts.length ? `${doubts.join(", ")}: ` : "", saidOf(answer), answer.is_uncertain ? ", uncertain" : ""];
  return words.join("");
}

// The answer alone.
export function saidOf(answer) {
  if (answer.findings) return answer.findings.join(", ") || "No finding above its operating point";
  return `${answer.label}, ${percent(answer.confidence)}`;
}

export function barsOf(answer, uncertain) {
  if (answer.error) return [element("p", {}, answer.error.detail)];
  if (answer.label === null) {
    const ways = Object.keys(WAYS_OUT).filter((name) => hasFlag(answer, name)).map((name) => WAYS_OUT[name]);
    return [element("p", {}, "No class is named, and no score: it would mean nothing for this picture."),
      ...ways.map((way) => element("p", {}, way))];
  }
  if (answer.findings) return findingBarsOf(answer, uncertain);
  const shares = Object.entries(answer.probabilities).sort((one, other) => other[1] - one[1]);
  const points = answer.points ?? {};
  const rows = shares.map(([label, share]) => element("tr", {},
    element("th", { scope: "row" }, label),
    element("td", {}, track(share, uncertain, points[label])),
    element("td", { class: "number" }, percent(share)),
    ...verdictCell(answer, label)));
  const head = element("tr", {}, ...["Class", "", "Probability", ...verdictHeading(answer)].map((word, n) =>
    word ? element("th", { scope: "col", class: n ? "number" : "" }, word) : element("td")));
  const table = element("table", { class: "bars" },
    element("caption", {}, "What the model makes of this film"),
    element("thead", {}, head), element("tbody", {}, ...rows));
  const range = ` uncertain: between ${percent(1 - uncertain)} and ${percent(uncertain)}`;
  const marked = Object.keys(points);
  const mark = marked.length
    ? [" ", element("i", { class: "mark" }), ` operating point of ${marked.map((name) =>
      `${name} (${percent(points[name])}, ${answer.reached.includes(name) ? "reached" : "not reached"})`).join(", ")}`]
    : [];
  return [table, element("p", { class: "legend" }, element("i"), range, ...mark), ...verdictLegend(answer)];
}

// ---- verdicts: each label is ruled in, ruled out, or neither, at a stated coverage

const VERDICT_WORDS = { "rule in": "ruled in", "rule out": "ruled out", "unsure": "unsure" };

function verdictHeading(answer) {
  return answer.verdicts ? ["Verdict"] : [];
}

function verdictCell(answer, label) {
  if (!answer.verdicts) return [];
  const verdict = answer.verdicts[label];
  return [element("td", { class: `number said ${verdict.replace(" ", "-")}` }, VERDICT_WORDS[verdict] ?? verdict)];
}

function verdictLegend(answer) {
  if (!answer.verdicts) return [];
  const share = percent(answer.coverage);
  return [element("p", { class: "legend" }, `Verdicts at ${share} coverage: of films like those of the training, `
    + `so many keep their label, which is not ruled out for them. Films of another hospital need not be alike.`)];
}

function track(share, uncertain, point) {
  const zone = element("div", { class: "zone" });
  zone.style.left = `${100 * Math.min(uncertain, 1 - uncertain)}%`;
  zone.style.width = `${100 * Math.abs(2 * uncertain - 1)}%`;
  const fill = element("div", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  const made = element("div", { class: "track", "aria-hidden": "true" }, zone, fill);
  if (point !== undefined) {
    const tick = element("div", { class: "tick" });
    tick.style.left = `${100 * point}%`;
    made.append(tick);
  }
  return made;
}

// ---- several findings: each has a bar of its own, which begins at its operating point

const LEAST = 1e-12;
const EDGE = 20;

function logOdds(share) {
  const bounded = Math.min(Math.max(share, LEAST), 1 - LEAST);
  return Math.log(bounded / (1 - bounded));
}

// How far each finding lies above its operating point, in log odds: rare and frequent ones alike.
function distancesOf({ probabilities, thresholds }) {
  return Object.entries(probabilities)
    .map(([name, share]) => [name, logOdds(share) - logOdds(thresholds[name])])
    .sort((one, other) => other[1] - one[1]);
}

// The finding whose heat is shown first, as the server chooses it for ?explain=1.
export function leadingOf(answer) {
  if (!answer.findings) return answer.label;
  if (answer.findings.length) return distancesOf(answer).find(([name]) => answer.findings.includes(name))[0];
  const shares = Object.entries(answer.probabilities);
  return shares.reduce((most, each) => (each[1] > most[1] ? each : most))[0];
}

function spanned(made, from, to) {
  const at = (odds) => 50 + 50 * Math.min(Math.max(odds / Math.log(EDGE), -1), 1);
  made.style.left = `${at(from)}%`;
  made.style.width = `${at(to) - at(from)}%`;
  return made;
}

function findingTrack(distance, uncertain) {
  const away = logOdds(Math.max(uncertain, 0.5));
  return element("div", { class: "track", "aria-hidden": "true" },
    spanned(element("div", { class: "zone" }), -away, away),
    spanned(element("div", { class: "fill" }), Math.min(distance, 0), Math.max(distance, 0)),
    element("div", { class: "tick" }));
}

// A long name may be broken behind its underscores.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, n) => (n ? [element("wbr"), part] : [part]));
}

function findingBarsOf(answer, uncertain) {
  const rows = distancesOf(answer).map(([name, distance]) =>
    element("tr", { class: answer.findings.includes(name) ? "has" : "" },
      element("th", { scope: "row" }, ...breakable(name)),
      element("td", {}, findingTrack(distance, uncertain)),
      element("td", { class: "number" }, percent(answer.probabilities[name])),
      element("td", { class: "number point" }, percent(answer.thresholds[name])),
      ...verdictCell(answer, name)));
  const words = ["Finding", "", "Probability", "Operating point", ...verdictHeading(answer)];
  const head = element("tr", {}, ...words.map((word, n) =>
    word ? element("th", { scope: "col", class: n ? "number" : "" }, word) : element("td")));
  const table = element("table", { class: "bars findings" },
    element("caption", {}, "What the model makes of this film, finding by finding"),
    element("thead", {}, head), element("tbody", {}, ...rows));
  return [table, element("p", { class: "legend" }, element("i", { class: "mark" }),
    " operating point: right of it the film is said to have the finding. ", element("i"),
    ` uncertain. The edges are ${EDGE} times the odds of the operating point, and a ${EDGE}th of them. `
    + "Each finding is judged by itself: the probabilities do not add up to 100\u202f%."), ...verdictLegend(answer)];
}

export function flagsOf(answer) {
  if (!answer.flags.length) return [];
  const lines = answer.flags.map((flag) =>
    element("li", {}, element("b", {}, FLAGS[flag.name] ?? flag.name.replaceAll("_", " ")), `: ${flag.meaning}`));
  const again = hasFlag(answer, "looks_inverted") && answer.film_png
    ? [element("button", { type: "button", id: "again" }, "Invert and ask again")] : [];
  return [element("div", { class: "caveats" }, element("h3", {}, "Before you read the answer"), element("ul", {}, ...lines), ...again)];
}

// What is known of an example, and whether the answer agrees; of other films nothing is known here.
export function knownOf({ known, kind }, answer) {
  if (!known || answer.error) return [];
  const has = Object.keys(known).filter((name) => known[name]).join(", ") || "no finding";
  const said = answer.findings ?? [answer.label];
  const agrees = Object.keys(known).every((name) => known[name] === said.includes(name));
  const words = answer.label === null ? "There is no answer" : agrees ? "The answer agrees" : "The answer differs";
  return [element("p", { class: "known" }, `Known of this ${kind}: ${has}. `, element("b", { class: agrees ? "" : "differs" }, `${words}.`))];
}

export function similarOf(answer) {
  if (!answer.similar?.length) return [];
  const named = (label) => (answer.findings ? label.replaceAll("|", ", ") : label);
  const rows = answer.similar.map(({ label, cosine }) => element("tr", {},
    element("th", { scope: "row" }, label === null ? "no label" : named(label)),
    element("td", { class: "number" }, cosine.toFixed(4))));
  const head = element("tr", {}, element("th", { scope: "col" }, "Label"),
    element("th", { scope: "col", class: "number" }, "Cosine"));
  return [element("table", { class: "similar" },
    element("caption", {}, "Known films most like this one"),
    element("thead", {}, head), element("tbody", {}, ...rows)),
  element("p", { class: "legend" }, "1 is the same direction. Alike for the network: by hospital and machine as well as by disease.")];
}

export function factsOf(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
}

// How far a film is from the training, on a scale on which that has a meaning.
export function distanceOf(answer) {
  const distance = answer.training_distance;
  if (distance === null || distance === undefined) return [];
  const words = distance > 1 ? "further than almost all of its own films" : "as near as its own films";
  const meter = element("meter", { min: 0, max: 2, high: 1, optimum: 0, value: Math.min(distance, 2), "aria-label": "Distance from the training" });
  return [element("div", {}, element("dt", {}, "Distance from the training"),
    element("dd", {}, `${distance.toFixed(2)}: ${words} (1 is the limit)`, meter))];
}

function withInterval(value, name, measured) {
  const [low, high] = [measured[`${name}_low`], measured[`${name}_high`]];
  const ends = typeof low === "number" ? ` (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)})` : "";
  return value.toFixed(3) + ends;
}

// What of a film the network is shown; the whole film needs no word.
const SEES = {
  lungs: "the box of the lungs; the whole film where they are not found",
  "lungs-only": "the lungs, all else black; the whole film where they are not found",
};

export function cardOf(card) {
  const { n, ...measured } = card.metrics;
  const tested = n ? `on its own test of ${n} films` : "on its own test";
  const measures = Object.entries(measured)
    .filter(([name, value]) => typeof value === "number" && !/_(low|high)$/.test(name));
  const ofFinding = (name) => name.startsWith("auc ") && Object.hasOwn(card.thresholds, name.slice(4));
  const areas = measures.filter(([name]) => ofFinding(name))
    .map(([name, value]) => `${name.slice(4)} ${withInterval(value, name, measured)}`);
  const figures = measures.filter(([name]) => !ofFinding(name))
    .map(([name, value]) => [`${name.replaceAll("_", " ")}, ${tested}`, withInterval(value, name, measured)]);
  const { engine, weights } = card;
  const { how, ...drawn } = card.split;
  const points = Object.keys(card.thresholds).length
    ? ["Findings, and from which probability each is said", card.labels.map((name) => `${name} ${percent(card.thresholds[name])}`).join(", ")]
    : ["Classes", card.labels.join(", ")];
  return element("dl", {}, ...factsOf([
    ["Name", `${card.model.name}, version ${card.model.version}`],
    points,
    ["Network", `${card.backbone}, ${engine.engine} ${engine.precision} on ${engine.device}`],
    ["Network sees", SEES[card.see]],
    ["Weights", [weights.kind, weights.origin, weights.licence].filter(Boolean).join(", ")],
    ["Head", card.head],
    ["Recalibration", card.decision?.recalibration],
    ["Verdicts", card.decision?.coverage ? `at ${percent(card.decision.coverage)} coverage` : null],
    ["Operating points", Object.values(card.decision?.points ?? {})
      .map((each) => `${each.label} from ${percent(each.threshold)} on, for a ${each.target} of ${percent(each.wanted)}`).join(", ")],
    ["Films its network was trained on", card.overlap?.said],
    ["Split", [how, ...Object.entries(drawn).map(([name, value]) => `${name} ${value}`)].filter(Boolean).join(", ")],
    ...figures,
    [`auc of each finding, ${tested}`, areas.join(", ")],
    ["Fingerprint of its films", card.data],
  ]));
}

// What asks for the same film without this page.
export function programsOf(name, hasToken) {
  const file = name.split(/[/:]\s?/).pop();
  const token = hasToken ? ["-H 'Authorization: Bearer TOKEN' ", ', "Authorization": "Bearer TOKEN"'] : ["", ""];
  const curl = `curl -s ${token[0]}--data-binary @'${file}' ${location.origin}/predict`;
  const python = `import json
from pathlib import Path
from urllib.request import Request, urlopen

film = Path(${JSON.stringify(file)}).read_bytes()
headers = {"Content-Type": "application/octet-stream"${token[1]}}
with urlopen(Request("${location.origin}/predict", film, headers)) as answer:
    (film,) = json.load(answer)["predictions"]
print(film["label"], film["confidence"], [flag["name"] for flag in film["flags"]])`;
  return [curl, python];
}
