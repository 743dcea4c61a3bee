// What happens on the page. Films and answers live in memory and nowhere else.

import { Desk, csvOf, jsonOf } from "./desk.js";
import { Film, blobOf } from "./film.js";
import { Viewer } from "./viewer.js";
import { barsOf, cardOf, distanceOf, element, factsOf, flagsOf, hasFlag, knownOf, leadingOf, similarOf, stateOf, verdictOf } from "./answer.js";
import { filesOf, isZip } from "./zip.js";

const AT_ONCE = 3;
const SIMILAR = 8;
const PICTURES = 24;
const THUMBNAIL = 72;
const GROUPS = { "test film": "Films of its own test, chosen by lot:", "drawn test film": "Phantoms of its own test, chosen by lot:" };
const at = (id) => document.getElementById(id);
const film = new Film(at("film"), at("heat"));
const viewer = new Viewer(at("stage"), at("plane"), drawLevels);
const desk = new Desk(at("table"), at("totals"), select);
const state = { films: [], current: null, waiting: [], running: 0, uncertain: 0.7, similar: 0, token: "", card: null };

// ---- the server

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.status === 401) askForToken(Boolean(state.token));
  return answer;
}

function askForToken(isWrong) {
  at("token-form").hidden = false;
  at("token-label").textContent = isWrong ? "That token is not the server's. Its token" : "This server asks for a token";
  at("token").setAttribute("aria-invalid", String(isWrong));
  at("token").focus();
}

async function predict(blob, query) {
  const options = { method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" } };
  let answer = await ask(`/predict?${query}`, options);
  for (let tries = 0; answer.status === 503 && tries < 20; tries += 1) {
    await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get("Retry-After") || 1)));
    answer = await ask(`/predict?${query}`, options);
  }
  const body = await answer.json();
  return answer.ok ? body : { failed: body, status: answer.status };
}

// ---- films come in

// `about` has what is known of an example.
async function add(files, about = {}) {
  const come = [];
  for (const file of Array.from(files)) {
    if (!isZip(file)) come.push(entryOf(file.webkitRelativePath || file.name, () => file));
    else come.push(...await unpacked(file));
  }
  if (!come.length) return;
  for (const entry of come) Object.assign(entry, about);
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
  return { name, blob, answer: null, facts: {}, heats: new Map(), png: null, thumbnail: "" };
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
    drawLists();
    if (entry === state.current) await show(entry);
  }
  state.running -= 1;
}

// Ask for a film: its answer, its picture, and what a table wants to know.
async function read(entry) {
  try {
    const blob = await entry.blob();
    const body = await predict(blob, `film=1&errors=inline&similar=${state.similar}`);
    entry.answer = body.failed ? failed(body.failed) : body.predictions[0];
    entry.facts = body.failed ? { request_id: body.failed.request_id } : { ...body, predictions: null };
    entry.model = body.model;
    entry.digest = await digestOf(blob);
  } catch (error) {
    const detail = error instanceof TypeError ? "the server did not answer" : error.message;
    entry.answer = failed({ reason: "no_answer", detail });
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
  const held = state.films.filter((each) => each.png && each !== entry && each !== state.current);
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
  film.clear();
  drawLists();
}

// ---- the lists and the answer

function drawLists() {
  drawShelf();
  at("desk").hidden = state.films.length < 2;
  if (!at("desk").hidden) desk.draw(state.films, state.current);
}

function drawShelf() {
  const buttons = state.films.map((entry) => {
    const said = entry.answer ? verdictOf(entry.answer) : "waiting …";
    const image = entry.thumbnail ? [element("img", { src: entry.thumbnail, alt: "" })] : [];
    const words = element("span", {}, element("small", {}, said), element("span", { class: "named" }, entry.name));
    const button = element("button", { type: "button", class: entry.answer ? stateOf(entry.answer) : "" }, ...image, words);
    if (entry === state.current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => select(entry));
    return element("li", {}, button);
  });
  const held = document.activeElement?.closest?.("#films li");
  const place = held ? [...at("films").children].indexOf(held) : -1;
  at("films").replaceChildren(...buttons);
  if (place >= 0) buttons[place]?.firstChild.focus();
  at("shelf").hidden = state.films.length < 2;
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
  at("known").replaceChildren(...knownOf(entry, answer));
  at("flags").replaceChildren(...flagsOf(answer));
  document.getElementById("again")?.addEventListener("click", () => askInverted(entry));
  at("similar").replaceChildren(...similarOf(answer));
  showPrograms(entry);
  at("facts").replaceChildren(...factsOf(factsFrom(entry, answer)), ...distanceOf(answer));
  for (const id of ["grey-controls", "save-png"]) at(id).hidden = !answer.film_png;
  document.querySelector(".viewer").hidden = !answer.film_png;
  at("heat").hidden = true;
  at("heat").removeAttribute("src");
  say(`${entry.name}: ${verdictOf(answer)}. Research use only, not for diagnosis.`);
  const names = answer.label !== null && !hasFlag(answer, "not_an_xray");
  at("heat-controls").hidden = !names;
  if (!answer.film_png) { film.clear(); return; }
  at("film").setAttribute("aria-label", `The film ${entry.name}`);
  viewer.fit();
  resetLevels();
  if (!entry.png) await read(entry);
  if (entry !== state.current || !entry.png) return;
  await film.show(entry.png);
  if (names) offerHeat(entry, answer);
}

// What asks for the same film without this page.
function showPrograms({ name }) {
  const file = name.split(/[/:]\s?/).pop();
  const token = state.token ? ["-H 'Authorization: Bearer TOKEN' ", ', "Authorization": "Bearer TOKEN"'] : ["", ""];
  at("in-curl").textContent = `curl -s ${token[0]}--data-binary @'${file}' ${location.origin}/predict`;
  at("in-python").textContent = `import json
from pathlib import Path
from urllib.request import Request, urlopen

film = Path(${JSON.stringify(file)}).read_bytes()
headers = {"Content-Type": "application/octet-stream"${token[1]}}
with urlopen(Request("${location.origin}/predict", film, headers)) as answer:
    (film,) = json.load(answer)["predictions"]
print(film["label"], film["confidence"], [flag["name"] for flag in film["flags"]])`;
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
    ["Answered in", entry.facts.milliseconds && `${entry.facts.milliseconds.toFixed(0)} ms`],
    ["Model", entry.model && `${entry.model.name}, ${entry.model.version}`],
    ["Request", entry.facts.request_id],
  ];
}

function say(text) {
  at("status").textContent = text;
}

// ---- heat

function offerHeat(entry, answer) {
  const labels = Object.keys(answer.probabilities);
  at("heat-class").replaceChildren(...labels.map((label) => element("option", { value: label }, label)));
  const first = leadingOf(answer);
  at("heat-class").value = first;
  showHeat(entry, first);
}

async function showHeat(entry, label) {
  const stillWanted = () => entry === state.current && at("heat-class").value === label;
  at("heat").hidden = true;
  at("heat-note").textContent = "The heat is being made …";
  if (!entry.heats.has(label)) entry.heats.set(label, heatOf(entry, label));
  const heat = await entry.heats.get(label);
  if (!stillWanted()) return;
  if (!heat) {
    entry.heats.delete(label);
    at("heat-note").textContent = "No heat could be made for this film.";
    return;
  }
  at("heat").src = URL.createObjectURL(await blobOf(heat.png));
  await at("heat").decode().catch(() => {});
  URL.revokeObjectURL(at("heat").src);
  if (!stillWanted()) return;
  setOpacity();
  at("heat").hidden = !at("heat-on").checked;
  at("heat-note").textContent = `Warm: for ${heat.label}; cold: against it. Method: ${heat.method}. ${lungsNote(heat)}`;
}

function lungsNote(heat) {
  if (heat.on_lungs === null) return "The lungs were not found on this film.";
  const [share, area] = [heat.on_lungs, heat.lungs_area].map((part) => `${Math.round(100 * part)} %`);
  return `${share} of the heat lies on the lungs (outlined), which are ${area} of the film.`;
}

async function heatOf(entry, label) {
  try {
    const body = await predict(await entry.blob(), `explain=${encodeURIComponent(label)}`);
    return body.predictions?.[0].heat ?? null;
  } catch {
    return null;
  }
}

function setOpacity() {
  const share = Number(at("opacity").value) / 100;
  at("heat").style.opacity = String(share);
  at("opacity").setAttribute("aria-valuetext", `${at("opacity").value} percent`);
}

// ---- grey levels

// Drawn across, the window widens; drawn down, the film darkens.
function drawLevels(across, down) {
  at("window").value = String(Number(at("window").value) + Math.round(256 * across));
  at("level").value = String(Number(at("level").value) + Math.round(256 * down));
  readLevels();
}

function readLevels() {
  const invert = at("invert").checked;
  film.set({ level: Number(at("level").value), window: Number(at("window").value), invert });
}

function resetLevels() {
  at("level").value = "128";
  at("window").value = "256";
  at("invert").checked = false;
  readLevels();
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
  save(await film.picture(lines), `${stem(state.current)}-answer.png`);
}

// ---- the start

async function readCard() {
  const answer = await ask("/model");
  if (!answer.ok) return;
  const card = await answer.json();
  state.card = card;
  state.uncertain = card.uncertain;
  state.similar = card.similar ? SIMILAR : 0;
  at("notice").textContent = card.notice;
  at("model").textContent = `${card.model.name}, version ${card.model.version}: ${card.labels.join(", ")}`;
  at("caveat").textContent = card.caveat;
  at("caveat").hidden = !card.caveat;
  at("card").replaceChildren(cardOf(card));
}

async function readExamples() {
  const answer = await ask("/examples");
  if (!answer.ok) return;
  const films = await answer.json();
  at("examples").replaceChildren(...films.flatMap((film, n) => [
    ...(film.kind === films[n - 1]?.kind ? [] : [element("span", {}, GROUPS[film.kind] ?? (n ? "Others:" : "Drawn examples:"))]), exampleButton(film)]));
  at("examples").hidden = false;
}

function exampleButton({ name, title, kind, known }) {
  const button = element("button", { type: "button" }, title);
  button.addEventListener("click", async () => {
    const given = await ask(`/examples/${encodeURIComponent(name)}`);
    if (given.ok) add([new File([await given.blob()], name)], { kind, known });
  });
  return button;
}

// ---- keys

const KEYS = [
  ["h", "Heat on or off", () => toggle("heat-on")],
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
  showHeat(state.current, option.value);
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
  else at("stage").requestFullscreen?.();
}

// ---- what is dropped

// Folders are walked through; their files go by their names in them.
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      found.push(await new Promise((done, refused) => entry.file(done, refused)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, refused) => reader.readEntries(done, refused));
      if (!some.length) return;
      for (const each of some) await walk(each);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

function listen() {
  at("files").addEventListener("change", async () => { await add(at("files").files); at("files").value = ""; });
  at("opacity").addEventListener("input", setOpacity);
  at("heat-on").addEventListener("change", () => { at("heat").hidden = !at("heat-on").checked || !at("heat").src; });
  at("heat-class").addEventListener("change", () => showHeat(state.current, at("heat-class").value));
  for (const id of ["level", "window", "invert"]) at(id).addEventListener("input", readLevels);
  const clicks = {
    reset: resetLevels, "save-json": saveJson, "save-png": savePng, larger: () => viewer.larger(), smaller: () => viewer.smaller(),
    fit: () => viewer.fit(), "one-to-one": () => viewer.oneToOne(at("film").width), full: fullScreen, keys: () => at("help").showModal(),
    remove: () => remove(state.current), clear,
    "save-csv": () => save(new Blob([csvOf(state.films, state.card)], { type: "text/csv" }), "answers.csv"),
    "save-all": () => save(new Blob([jsonOf(state.films, at("notice").textContent)], { type: "application/json" }), "answers.json"),
  };
  for (const [id, done] of Object.entries(clicks)) at(id).addEventListener("click", done);
  at("filter").addEventListener("input", () => { desk.filter(at("filter").value); drawLists(); });
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = at("token").value.trim();
    at("token-form").hidden = true;
    readCard();
    readExamples();
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
  at("help-keys").replaceChildren(...factsOf([
    ...KEYS.map(([key, words]) => [KEY_NAMES[key] ?? key.toUpperCase(), words]), ["1 to 9", "Heat of that class"],
    ["Wheel, double click", "Zoom"], ["Draw", "Window and level; a film that is zoomed moves (Shift: window and level)"]]));
}

listen();
readCard();
readExamples();
