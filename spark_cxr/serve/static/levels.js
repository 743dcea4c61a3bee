// Window and level: two sliders, what is drawn with the pointer, and presets that say what they are.

import { element } from "./answer.js";
import { brightness } from "./film.js";

const BY_HAND = "by hand";
const at = (id) => document.getElementById(id);

export class Levels {
  // `changed(levels)` is told what the films are to be shown with.
  constructor(film, changed) {
    Object.assign(this, { film, changed, presets: [], words: "" });
    for (const id of ["level", "window"]) at(id).addEventListener("input", () => this.set(BY_HAND));
    at("invert").addEventListener("input", () => this.set(at("preset").value));
    at("preset").addEventListener("change", () => this.choose(at("preset").value));
    at("reset").addEventListener("click", () => this.reset());
  }

  // The film is another one, or has more bits: the same grey levels, by other presets.
  offer(words) {
    this.words = words;
    const { scale, grey } = this.film;
    const wasFirst = at("preset").selectedIndex <= 0;
    this.presets = presetsOf(this.film);
    const ends = [0, scale.top].map((value) => brightness(scale, value));
    const [low, high] = [Math.min(0, ...ends), Math.max(255, ...ends)];
    // The step comes first: values move to the nearest that fits what was set so far.
    for (const id of ["level", "window"]) at(id).step = grey ? "any" : 1;
    Object.assign(at("level"), { min: Math.floor(low), max: Math.ceil(high) });
    const least = grey ? Math.min(2, 1 + 255 / Math.max(1, Math.abs(scale.white - scale.black))) : 2;
    Object.assign(at("window"), { min: least, max: Math.max(512, Math.ceil(high - low) + 1) });
    const names = [...this.presets.map(([name]) => name), BY_HAND];
    const chosen = !wasFirst && names.includes(at("preset").value) ? at("preset").value : names[0];
    at("preset").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    at("preset").value = chosen;
    if (wasFirst || chosen === BY_HAND) this.note();
    else this.choose(chosen);
  }

  choose(name) {
    const preset = this.presets.find(([known]) => known === name);
    if (!preset) return;
    const [, from, to] = preset;
    const [low, high] = [from, to].map((value) => brightness(this.film.scale, value));
    at("level").value = String((low + high) / 2 + 0.5);
    at("window").value = String(high - low + 1);
    this.set(name);
  }

  next() {
    const place = this.presets.findIndex(([name]) => name === at("preset").value);
    this.choose(this.presets[(place + 1) % this.presets.length][0]);
  }

  // Drawn across, the window widens; drawn down, the film darkens.
  draw(across, down) {
    const width = Math.max(16, Number(at("window").value));
    const moved = (share) => (width < 128 ? width * share : Math.round(width * share));
    at("window").value = String(Number(at("window").value) + moved(across));
    at("level").value = String(Number(at("level").value) + moved(down));
    this.set(BY_HAND);
  }

  set(name) {
    at("preset").value = name;
    this.changed({ level: Number(at("level").value), window: Number(at("window").value), invert: at("invert").checked });
    this.note();
  }

  reset() {
    at("invert").checked = false;
    if (this.presets.length) this.choose(this.presets[0][0]);
  }

  // Which of the file's values are shown, in its own numbers.
  note(words = this.words) {
    this.words = words;
    const { scale } = this.film;
    const [level, width] = [Number(at("level").value) - 0.5, Number(at("window").value) - 1];
    const value = (grey) => scale.first + scale.step * (scale.black + grey * (scale.white - scale.black) / 255);
    const whole = [scale.first, scale.first + scale.step * scale.top];
    const told = [value(level - width / 2), value(level + width / 2)].map((each) => each.toFixed(Math.abs(scale.step) < 1 ? 2 : 0));
    const curve = scale.is_curved ? " behind its own curve" : "";
    at("levels-note").textContent = `Black is ${told[0]}, white ${told[1]}; the file's values${curve} go from ${whole.join(" to ")}. ${words}`;
  }
}

// Names, and from which value to which they go.
function presetsOf(film) {
  const { top, black, white } = film.scale;
  const [least, dark, middle, bright, most] = film.percentiles([0, 0.01, 0.5, 0.995, 1]);
  const isNarrow = black !== 0 || white !== top;
  return [
    [isNarrow ? "as the file says" : "whole range", black, white],
    ...(isNarrow ? [["whole range", 0, top]] : []),
    ["all values of this film", least, most],
    ["its darker half: air, lungs", dark, middle],
    ["its brighter half: heart, bone", middle, bright],
  ].filter(([, from, to]) => to > from || from === black);
}
