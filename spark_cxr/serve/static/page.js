// What happens on the page. Films and answers live in memory and nowhere else.

import { Film, blobOf } from "./film.js";
import { barsOf, cardOf, element, factsOf, flagsOf, hasFlag, leadingOf, similarOf, verdictOf } from "./answer.js";

const AT_ONCE = 3;
const SIMILAR = 8;
const at = (id) => document.getElementById(id);
const film = new Film(at("film"), at("heat"));
const state = { films: [], current: null, waiting: [], running: 0, uncertain: 0.7, similar: 0, token: "" };

// ---- the server

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.status === 401) askForToken();
  return answer;
}

function askForToken() {
  at("token-form").hidden = false;
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

function add(files) {
  const come = Array.from(files, (file) => ({ name: file.name, blob: file, body: null, heats: new Map() }));
  if (!come.length) return;
  state.films.push(...come);
  state.waiting.push(...come);
  drawShelf();
  select(come[0]);
  while (state.running < AT_ONCE && state.waiting.length) work();
}

async function work() {
  state.running += 1;
  while (state.waiting.length) {
    const entry = state.waiting.shift();
    try {
      entry.body = await predict(entry.blob, `film=1&errors=inline&similar=${state.similar}`);
    } catch {
      entry.body = { failed: { reason: "no_answer", detail: "the server did not answer" }, status: 0 };
    }
    drawShelf();
    if (entry === state.current) await show(entry);
  }
  state.running -= 1;
}

function answerOf(entry) {
  const { body } = entry;
  if (!body.failed) return body.predictions[0];
  const { reason, detail } = body.failed;
  return { error: { reason, meaning: reason.replaceAll("_", " "), detail }, flags: [], label: null };
}

// ---- the list and the answer

function drawShelf() {
  const buttons = state.films.map((entry) => {
    const said = entry.body ? verdictOf(answerOf(entry)) : "waiting …";
    const button = element("button", { type: "button" }, entry.name, element("small", {}, said));
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
  drawShelf();
  if (entry.body) show(entry);
  else say(`${entry.name} is being looked at.`);
}

async function show(entry) {
  const answer = answerOf(entry);
  at("result").hidden = false;
  at("name").textContent = entry.name;
  at("verdict").textContent = verdictOf(answer);
  at("bars").replaceChildren(...barsOf(answer, state.uncertain));
  at("flags").replaceChildren(...flagsOf(answer));
  at("similar").replaceChildren(...similarOf(answer));
  at("facts").replaceChildren(...factsOf(factsFrom(entry, answer)));
  document.querySelector(".viewer").hidden = !answer.film_png;
  at("save-png").hidden = !answer.film_png;
  at("heat").hidden = true;
  say(`${entry.name}: ${verdictOf(answer)}. Research use only, not for diagnosis.`);
  if (!answer.film_png) { film.clear(); return; }
  at("film").setAttribute("aria-label", `The film ${entry.name}`);
  resetLevels();
  await film.show(answer.film_png);
  const names = answer.label !== null && !hasFlag(answer, "not_an_xray");
  at("heat-controls").hidden = !names;
  if (names) offerHeat(entry, answer);
}

function factsFrom(entry, answer) {
  const { file } = answer;
  return [
    ["File", file && `${file.format}, ${file.width} × ${file.height}, ${file.bits} bits`],
    ["View", file?.view],
    ["Distance from training", answer.training_distance?.toFixed(2)],
    ["Answered in", entry.body.milliseconds && `${entry.body.milliseconds.toFixed(0)} ms`],
    ["Model", entry.body.model && `${entry.body.model.name}, ${entry.body.model.version}`],
    ["Request", entry.body.request_id || entry.body.failed?.request_id],
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
  at("heat").hidden = false;
  at("heat-note").textContent = `Warm: for ${heat.label}; cold: against it. Method: ${heat.method}. ${lungsNote(heat)}`;
}

function lungsNote(heat) {
  if (heat.on_lungs === null) return "The lungs were not found on this film.";
  const [share, area] = [heat.on_lungs, heat.lungs_area].map((part) => `${Math.round(100 * part)} %`);
  return `${share} of the heat lies on the lungs (outlined), which are ${area} of the film.`;
}

async function heatOf(entry, label) {
  try {
    const body = await predict(entry.blob, `explain=${encodeURIComponent(label)}`);
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
  const { body } = state.current;
  const lean = body.predictions ? { ...body, predictions: body.predictions.map(withoutPictures) } : body.failed;
  const text = JSON.stringify(lean, null, 2);
  save(new Blob([text], { type: "application/json" }), `${stem(state.current)}.json`);
}

function withoutPictures({ film_png: _, heat: __, ...rest }) {
  return rest;
}

async function savePng() {
  const answer = answerOf(state.current);
  const lines = [verdictOf(answer), "Research use only. Not for diagnosis."];
  if (!at("heat").hidden) lines.splice(1, 0, at("heat-note").textContent);
  save(await film.picture(lines), `${stem(state.current)}-answer.png`);
}

// ---- the start

async function readCard() {
  const answer = await ask("/model");
  if (!answer.ok) return;
  const card = await answer.json();
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
  for (const { name, title } of await answer.json()) {
    const button = element("button", { type: "button" }, title);
    button.addEventListener("click", async () => {
      const given = await ask(`/examples/${encodeURIComponent(name)}`);
      if (given.ok) add([new File([await given.blob()], name)]);
    });
    at("examples").append(button);
  }
  at("examples").hidden = false;
}

function listen() {
  at("files").addEventListener("change", () => { add(at("files").files); at("files").value = ""; });
  at("opacity").addEventListener("input", setOpacity);
  at("heat-class").addEventListener("change", () => showHeat(state.current, at("heat-class").value));
  for (const id of ["level", "window", "invert"]) at(id).addEventListener("input", readLevels);
  at("reset").addEventListener("click", resetLevels);
  at("save-json").addEventListener("click", saveJson);
  at("save-png").addEventListener("click", savePng);
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = at("token").value.trim();
    at("token-form").hidden = true;
    readCard();
  });
  const isDragged = (yes) => document.body.classList.toggle("dragging", yes);
  document.addEventListener("dragover", (event) => { event.preventDefault(); isDragged(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) isDragged(false); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    isDragged(false);
    add(event.dataTransfer.files);
  });
}

listen();
readCard();
readExamples();
