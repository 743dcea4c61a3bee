// What happens on the page. Films and answers live in memory and nowhere else.

import { Beside } from "./beside.js";
import { Desk, csvOf, jsonOf } from "./desk.js";
import { Film, blobOf } from "./film.js";
import { Heats } from "./heat.js";
import { remember } from "./kept.js";
import { Levels } from "./levels.js";
import { PLANES, Ruler } from "./ruler.js";
import { Offline, Server } from "./server.js";
import { Viewer } from "./viewer.js";
import { barsOf, cardOf, distanceOf, element, factsOf, flagsOf, hasFlag, leadingOf, programsOf, similarOf, stateOf, verdictOf } from "./answer.js";
import { droppedFiles } from "./drop.js";
import { filesOf, isZip } from "./zip.js";

const AT_ONCE = 3;
const TRIES = 3;
const SIMILAR = 8;
const PICTURES = 24;
const VALUES = 4;
const LONGEST = 2048;
const THUMBNAIL = 72;
const MANY = 50;
const at = (id) => document.getElementById(id);
const server = new Server({ refused: askForToken, gone: showGone });
const film = new Film(at("film"), [at("heat"), at("lungs")]);
const viewer = new Viewer(at("stage"), at("plane"), (across, down) => levels.draw(across, down));
const levels = new Levels(film, (shown) => { film.set(shown); beside.film.set(shown); });
const heats = new Heats(server, film, (entry) => entry === state.current);
const ruler = new Ruler(at("film"), viewer, say);
const beside = new Beside(viewer, levels, fetched);
const desk = new Desk(at("table"), at("totals"), selectAndSee);
const state = { films: [], current: null, waiting: [], running: 0, uncertain: 0.7, similar: 0, card: null, made: 0 };
const values = new Map();
viewer.placed = () => ruler.place();

// ---- the server

function askForToken(isWrong) {
  at("token-form").hidden = false;
  at("token-label").textContent = isWrong ? "That token is not the server's. Its token" : "This server asks for a token";
  at("token").setAttribute("aria-invalid", String(isWrong));
  at("token").focus();
}

function showGone(isGone) {
  at("offline").hidden = !isGone;
  if (isGone) return;
  say("The server answers again.");
  if (!state.card) readCard();
}

// ---- films come in

async function add(files) {
  const come = [];
  for (const file of Array.from(files)) {
    if (!isZip(file)) come.push(entryOf(file.webkitRelativePath || file.name, () => file));
    else come.push(...await unpacked(file));
  }
  if (!come.length) return;
  state.films.push(...come);
  state.waiting.push(...come);
  document.body.classList.add("used");
  select(come[0]);
  while (state.running < AT_ONCE && state.waiting.length) work();
}

async function unpacked(zip) {
  try {
    return (await filesOf(zip)).map(({ name, blob }) => entryOf(`${zip.name}: ${name}`, blob));
  } catch (error) {
    const entry = entryOf(zip.name, () => zip);
    entry.answer = failed({ reason: "corrupt", detail: error.message });
    return [entry];
  }
}

function entryOf(name, blob) {
  return { id: state.made += 1, name, blob, answer: null, facts: {}, png: null, thumbnail: "", chip: null };
}

function failed({ reason, detail }) {
  return { error: { reason, meaning: reason.replaceAll("_", " "), detail }, flags: [], label: null };
}

async function work() {
  state.running += 1;
  while (state.waiting.length) {
    const entry = state.waiting.shift();
    if (entry.answer || !state.films.includes(entry)) continue;
    await read(entry);
    drawSoon();
    if (entry === beside.entry) beside.show(entry);
    if (entry === state.current) await show(entry);
  }
  state.running -= 1;
}

// Ask for a film: its answer, its picture, and what a table wants to know.
async function read(entry, tries = TRIES) {
  try {
    const blob = await entry.blob();
    const body = await server.predict(blob, `film=1&errors=inline&similar=${state.similar}`);
    entry.answer = body.failed ? failed(body.failed) : body.predictions[0];
    entry.facts = body.failed ? { request_id: body.failed.request_id } : { ...body, predictions: null };
    entry.model = body.model;
    entry.digest = await digestOf(blob);
  } catch (error) {
    if (error instanceof Offline && tries > 0) {
      await server.untilBack();
      if (state.films.includes(entry)) await read(entry, tries - 1);
      return;
    }
    entry.answer = failed({ reason: "no_answer", detail: error.message });
  }
  entry.at = new Date().toISOString();
  await keepPicture(entry);
}

// Browsers make digests only of pages that came safely: from this machine, or by TLS.
async function digestOf(blob) {
  if (!crypto.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Of hundreds of films only the last few keep their picture: it comes again with another look.
async function keepPicture(entry) {
  if (!entry.answer.film_png) return;
  entry.png = await blobOf(entry.answer.film_png);
  entry.answer.film_png = true;
  if (!entry.thumbnail) entry.thumbnail = await thumbnailOf(entry.png);
  const inUse = [entry, state.current, beside.entry];
  const held = state.films.filter((each) => each.png && !inUse.includes(each));
  if (held.length >= PICTURES) held[0].png = null;
}

async function thumbnailOf(png) {
  const picture = await createImageBitmap(png);
  const share = THUMBNAIL / Math.max(picture.width, picture.height);
  const canvas = element("canvas", { width: Math.round(picture.width * share) || 1, height: Math.round(picture.height * share) || 1 });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((done) => canvas.toBlob((blob) => done(URL.createObjectURL(blob)), "image/jpeg", 0.8));
}

function remove(entry) {
  const place = state.films.indexOf(entry);
  state.films.splice(place, 1);
  if (entry.thumbnail) URL.revokeObjectURL(entry.thumbnail);
  const next = state.films[Math.min(place, state.films.length - 1)];
  if (next) select(next);
  else clear();
}

function clear() {
  for (const { thumbnail } of state.films) if (thumbnail) URL.revokeObjectURL(thumbnail);
  Object.assign(state, { films: [], waiting: [], current: null });
  for (const id of ["result", "progress"]) at(id).hidden = true;
  for (const each of [values, heats.kept]) each.clear();
  film.clear();
  drawLists();
}

// ---- the lists and the answer

let drawing = 0;

// Hundreds of answers a minute are no hundreds of tables.
function drawSoon() {
  drawing ||= setTimeout(drawLists, state.films.length > MANY ? 250 : 0);
}

function drawLists() {
  clearTimeout(drawing);
  drawing = 0;
  drawShelf();
  beside.offer(state.films, state.current);
  at("desk").hidden = state.films.length < 2;
  if (!at("desk").hidden) desk.draw(state.films, state.current);
}

// Each film keeps its place on the shelf, and is drawn anew where something has changed.
function drawShelf() {
  const chips = state.films.map((entry) => drawnChip(entry));
  const shown = at("films").children;
  if (chips.length !== shown.length || chips.some((chip, n) => chip !== shown[n])) at("films").replaceChildren(...chips);
  at("shelf").hidden = state.films.length < 2;
  seeRoom();
}

function drawnChip(entry) {
  const said = entry.answer ? verdictOf(entry.answer) : "waiting …";
  const looks = `${said}|${entry.thumbnail}|${entry === state.current}`;
  if (!entry.chip) {
    entry.chip = element("li", {}, element("button", { type: "button" }));
    entry.chip.firstChild.addEventListener("click", () => select(entry));
  }
  if (entry.chip.dataset.looks === looks) return entry.chip;
  const button = entry.chip.firstChild;
  const image = entry.thumbnail ? [element("img", { src: entry.thumbnail, alt: "" })] : [];
  entry.chip.dataset.looks = looks;
  button.className = entry.answer ? stateOf(entry.answer) : "";
  button.toggleAttribute("aria-current", entry === state.current);
  if (entry === state.current) button.setAttribute("aria-current", "true");
  button.replaceChildren(...image,
    element("span", {}, element("small", {}, said), element("span", { class: "named" }, entry.name)));
  return entry.chip;
}

// The film is as high as the window leaves it, whatever stands above it.
function seeRoom() {
  const top = document.querySelector(".viewer").getBoundingClientRect().top + scrollY;
  if (top > 0 && !at("result").hidden) document.body.style.setProperty("--above", `${Math.round(top)}px`);
}

// From the table, which may lie below the window, to the answer.
function selectAndSee(entry) {
  select(entry);
  at("result").scrollIntoView({ block: "nearest" });
  if (at("result").getBoundingClientRect().top < 0) at("result").scrollIntoView({ block: "start" });
}

function select(entry) {
  state.current = entry;
  drawLists();
  at("films").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (entry.answer) {
    show(entry);
    return;
  }
  // The answer to the film before says nothing of this one.
  film.clear();
  at("result").hidden = true;
  at("progress").hidden = false;
  at("progress").textContent = `${entry.name} is being looked at …`;
  say(at("progress").textContent);
}

async function show(entry) {
  const { answer } = entry;
  at("progress").hidden = true;
  at("result").hidden = false;
  at("result").dataset.state = stateOf(answer);
  at("name").textContent = entry.name;
  at("verdict").textContent = verdictOf(answer);
  at("bars").replaceChildren(...barsOf(answer, state.uncertain));
  at("flags").replaceChildren(...flagsOf(answer));
  document.getElementById("again")?.addEventListener("click", () => askInverted(entry));
  at("similar").replaceChildren(...similarOf(answer));
  [at("in-curl").textContent, at("in-python").textContent] = programsOf(entry.name, Boolean(server.token));
  at("facts").replaceChildren(...factsOf(factsFrom(entry, answer)), ...distanceOf(answer));
  for (const id of ["grey-controls", "save-png"]) at(id).hidden = !answer.film_png;
  document.querySelector(".viewer").hidden = !answer.film_png;
  heats.clear();
  at("under").textContent = `${entry.name}: ${verdictOf(answer)}`;
  ruler.show(null);
  say(`${entry.name}: ${verdictOf(answer)}. Research use only, not for diagnosis.`);
  const names = answer.label !== null && !hasFlag(answer, "not_an_xray");
  at("heat-controls").hidden = !names;
  if (!answer.film_png) { film.clear(); return; }
  at("film").setAttribute("aria-label", `The film ${entry.name}`);
  viewer.fit();
  seeRoom();
  film.clear();
  await fetched(entry, film, () => (names ? heats.offer(entry) : null));
}

// Bring a film onto a canvas: as a picture at once, and then in the bits of its file.
async function fetched(entry, onto, meanwhile = () => {}) {
  const isWanted = () => entry === (onto === film ? state.current : beside.entry);
  if (!entry.png) await read(entry);
  if (!isWanted() || !entry.png) return;
  await onto.show(entry.png);
  if (!isWanted()) return;
  const { bits } = entry.answer.file;
  if (onto === film) {
    levels.offer(bits > 8 ? `8 of the file's ${bits} bits are shown; the others are on their way …` : "");
    levels.reset();
    ruler.show(entry.answer.file);
  }
  await meanwhile();
  if (bits > 8 && isWanted()) await deepen(entry, onto, isWanted);
}

async function deepen(entry, onto, isWanted) {
  const { bits } = entry.answer.file;
  try {
    onto.coming = new AbortController();
    const { signal } = onto.coming;
    const grey = await remember(values, VALUES, entry, async () => server.greyValues(await entry.blob(), LONGEST, signal));
    if (!isWanted()) return;
    const before = onto.canvas.width;
    onto.deepen(grey);
    if (onto !== film) return;
    levels.offer(`All ${bits} bits of the file are shown.`);
    ruler.resized(grey.width / before);
  } catch (error) {
    values.delete(entry);
    // It was the other of two films that no longer wanted it.
    if (isWanted() && error.name === "AbortError") await deepen(entry, onto, isWanted);
    else if (isWanted() && onto === film) levels.note(`Only 8 of the file's ${bits} bits could be had: ${error.message}.`);
  }
}

// A film that looks like a negative is asked about once more as the positive.
async function askInverted(entry) {
  const stem = entry.name.replace(/\.[A-Za-z0-9]+$/, "");
  await add([new File([await film.inverted()], `${stem} (inverted).png`)]);
}

function factsFrom(entry, answer) {
  const { file } = answer;
  return [
    ["File", file && `${file.format}, ${file.width} × ${file.height}, ${file.bits} bits`],
    ["View", file?.view],
    ["Pixels", file?.spacing && `${file.spacing.down} × ${file.spacing.across} mm ${PLANES[file.spacing.plane]}`],
    ["Answered in", entry.facts.milliseconds && `${entry.facts.milliseconds.toFixed(0)} ms`],
    ["Model", entry.model && `${entry.model.name}, ${entry.model.version}`],
    ["Request", entry.facts.request_id],
  ];
}

function say(text) {
  at("status").textContent = text;
}

// ---- downloads

function save(blob, name) {
  const link = element("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function stem(entry) {
  return entry.name.replace(/\.[A-Za-z0-9]+$/, "") || "film";
}

function saveJson() {
  const text = jsonOf([state.current], at("notice").textContent);
  save(new Blob([text], { type: "application/json" }), `${stem(state.current)}.json`);
}

async function savePng() {
  const lines = [verdictOf(state.current.answer), "Research use only. Not for diagnosis."];
  if (!at("heat").hidden) lines.splice(1, 0, at("heat-note").textContent);
  if (ruler.points.length === 2) lines.splice(1, 0, at("length").textContent);
  save(await film.picture(lines), `${stem(state.current)}-answer.png`);
}

// ---- the start

async function readCard() {
  const answer = await server.ask("/model").catch(() => null);
  if (!answer?.ok) return;
  const card = await answer.json();
  state.card = card;
  state.uncertain = beside.uncertain = card.uncertain;
  state.similar = card.similar ? SIMILAR : 0;
  at("notice").textContent = card.notice;
  at("model").textContent = `${card.model.name}, version ${card.model.version}: ${card.labels.join(", ")}`;
  at("caveat").textContent = card.caveat;
  at("caveat").hidden = !card.caveat;
  at("card").replaceChildren(cardOf(card));
}

async function readExamples() {
  const answer = await server.ask("/examples").catch(() => null);
  if (!answer?.ok) return;
  for (const { name, title } of await answer.json()) {
    const button = element("button", { type: "button" }, title);
    button.addEventListener("click", async () => {
      const given = await server.ask(`/examples/${encodeURIComponent(name)}`).catch(() => server.untilBack());
      if (given?.ok) add([new File([await given.blob()], name)]);
    });
    at("examples").append(button);
  }
  at("examples").hidden = false;
}

// ---- keys

const KEYS = [
  ["h", "Heat on or off", () => toggle("heat-on")],
  ["l", "Outline of the lungs on or off", () => toggle("lungs-on")],
  ["w", "The next preset of window and level", () => levels.next()],
  ["m", "Measure a length: arrows move the cross (Shift: finely), Enter sets a point, Escape ends", () => ruler.toggle()],
  ["b", "The next film of the list beside this one", () => beside.next()],
  ["i", "Invert the film", () => toggle("invert")],
  ["ArrowLeft", "The film before", () => step(-1)],
  ["ArrowRight", "The next film", () => step(1)],
  ["+", "Zoom in", () => viewer.larger()],
  ["-", "Zoom out", () => viewer.smaller()],
  ["0", "The whole film", () => viewer.fit()],
  ["f", "Full screen", fullScreen],
  ["?", "These keys", () => at("help").showModal()],
];
const KEY_NAMES = { ArrowLeft: "←", ArrowRight: "→" };

function toggle(id) {
  at(id).click();
}

function step(by) {
  const next = state.films[state.films.indexOf(state.current) + by];
  if (next) select(next);
}

// The nth class, as the list of heat has them.
function heatOfPlace(place) {
  const option = at("heat-class").options[place];
  if (!option || at("heat-controls").hidden) return;
  at("heat-class").value = option.value;
  heats.show(state.current, option.value);
}

function pressed(event) {
  const isTaken = event.ctrlKey || event.metaKey || event.altKey || at("help").open
    || event.target.closest("input, select, textarea, .wide");
  if (isTaken || !state.current) return;
  const key = KEYS.find(([name]) => name === event.key || name === event.key.toLowerCase());
  if (key) key[2]();
  else if (/^[1-9]$/.test(event.key)) heatOfPlace(Number(event.key) - 1);
  else return;
  event.preventDefault();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else at("stages").requestFullscreen?.();
}

// ---- the start of it all

function listen() {
  at("files").addEventListener("change", async () => { await add(at("files").files); at("files").value = ""; });
  at("heat-class").addEventListener("change", () => heats.show(state.current, at("heat-class").value));
  const clicks = {
    "save-json": saveJson, "save-png": savePng, larger: () => viewer.larger(), smaller: () => viewer.smaller(),
    fit: () => viewer.fit(), "one-to-one": () => viewer.oneToOne(at("film").width), full: fullScreen, keys: () => at("help").showModal(),
    remove: () => remove(state.current), clear,
    "save-csv": () => save(new Blob([csvOf(state.films, state.card)], { type: "text/csv" }), "answers.csv"),
    "save-all": () => save(new Blob([jsonOf(state.films, at("notice").textContent)], { type: "application/json" }), "answers.json"),
  };
  for (const [id, done] of Object.entries(clicks)) at(id).addEventListener("click", done);
  at("filter").addEventListener("input", () => { desk.filter(at("filter").value); drawLists(); });
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    server.token = at("token").value.trim();
    at("token-form").hidden = true;
    readCard();
  });
  const isDragged = (yes) => document.body.classList.toggle("dragging", yes);
  document.addEventListener("dragover", (event) => { event.preventDefault(); isDragged(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) isDragged(false); });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    isDragged(false);
    add(await droppedFiles(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => add(event.clipboardData.files));
  document.addEventListener("keydown", pressed);
  addEventListener("resize", seeRoom);
  at("help-keys").replaceChildren(...factsOf([
    ...KEYS.map(([key, words]) => [KEY_NAMES[key] ?? key.toUpperCase(), words]), ["1 to 9", "Heat of that class"],
    ["Wheel, double click", "Zoom"], ["Draw", "Window and level; a film that is zoomed moves (Shift: window and level)"]]));
}

listen();
readCard();
readExamples();
