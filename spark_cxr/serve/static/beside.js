// A second film beside the first: an earlier one of the same patient, or any other of the list.

import { barsOf, element, flagsOf, stateOf, verdictOf } from "./answer.js";
import { Film } from "./film.js";
import { Viewer } from "./viewer.js";

const at = (id) => document.getElementById(id);

export class Beside {
  // `fetched(entry, film)` brings a film onto its canvas.
  constructor(viewer, levels, fetched) {
    Object.assign(this, { fetched, entry: null, film: new Film(at("beside-film")) });
    this.viewer = new Viewer(at("beside-stage"), at("beside-plane"), (across, down) => levels.draw(across, down));
    viewer.twin = this.viewer;
    this.viewer.twin = viewer;
    at("beside-choice").addEventListener("change", () => this.choose(Number(at("beside-choice").value)));
  }

  // The films that can be chosen: all but the one that is looked at.
  offer(entries, current) {
    Object.assign(this, { entries, current });
    const others = entries.filter((entry) => entry !== current);
    at("beside-tool").hidden = !others.length;
    if (!others.includes(this.entry)) this.show(null);
    const chosen = this.entry ? String(this.entry.id) : "";
    const options = [["", "no other film"], ...others.map(({ id, name }) => [String(id), name])];
    if (options.map(String).join() !== this.offered) {
      at("beside-choice").replaceChildren(...options.map(([value, name]) => element("option", { value }, name)));
      this.offered = options.map(String).join();
    }
    at("beside-choice").value = chosen;
  }

  choose(id) {
    this.show(this.entries.find((entry) => entry.id === id) ?? null);
  }

  // None, then the next of the list, and so on.
  next() {
    const options = [...at("beside-choice").options];
    if (options.length < 2) return;
    const place = (at("beside-choice").selectedIndex + 1) % options.length;
    at("beside-choice").selectedIndex = place;
    this.choose(Number(options[place].value));
  }

  async show(entry) {
    this.entry = entry;
    for (const id of ["beside", "under", "beside-answer"]) at(id).hidden = !entry;
    at("result").classList.toggle("two", Boolean(entry));
    this.film.clear();
    if (!entry) return;
    this.tell();
    if (entry.answer) await this.fetched(entry, this.film);
  }

  // Say what the model makes of it, as soon as that is known.
  tell() {
    const { name, answer } = this.entry;
    at("beside-name").textContent = at("beside-title").textContent = name;
    at("beside-verdict").textContent = answer ? verdictOf(answer) : "is being looked at …";
    at("beside").dataset.state = answer ? stateOf(answer) : "";
    at("beside-film").setAttribute("aria-label", `The film ${name}`);
    at("beside-stage").hidden = !answer?.film_png;
    // The button that inverts is that of the first film.
    at("beside-flags").replaceChildren(...(answer ? flagsOf({ ...answer, film_png: null }) : []));
    at("beside-bars").replaceChildren(...(answer ? barsOf(answer, this.uncertain) : []));
  }
}
