// Where on the film the answer comes from, and the outline of the lungs, each to be switched by itself.

import { element, leadingOf } from "./answer.js";
import { blobOf } from "./film.js";
import { remember } from "./kept.js";

const MOST = 24;
const at = (id) => document.getElementById(id);

export class Heats {
  // `isCurrent(entry)` says whether that film is still the one that is looked at.
  constructor(server, film, isCurrent) {
    Object.assign(this, { server, film, isCurrent, kept: new Map() });
    at("opacity").addEventListener("input", () => this.setOpacity());
    for (const id of ["heat-on", "lungs-on"]) at(id).addEventListener("change", () => this.place());
  }

  clear() {
    for (const layer of this.film.layers) {
      layer.hidden = true;
      layer.removeAttribute("src");
    }
  }

  offer(entry) {
    const labels = Object.keys(entry.answer.probabilities);
    at("heat-class").replaceChildren(...labels.map((label) => element("option", { value: label }, label)));
    at("heat-class").value = leadingOf(entry.answer);
    return this.show(entry, at("heat-class").value);
  }

  async show(entry, label) {
    const isWanted = () => this.isCurrent(entry) && at("heat-class").value === label;
    const key = `${entry.id} ${label}`;
    at("heat").hidden = true;
    at("heat-note").textContent = "The heat is being made …";
    const heat = await remember(this.kept, MOST, key, () => this.made(entry, label));
    if (!heat) this.kept.delete(key);
    if (!isWanted()) return;
    if (!heat) {
      at("heat-note").textContent = "No heat could be made for this film.";
      return;
    }
    await lay(at("heat"), heat.png);
    if (isWanted() && heat.lungs_png) await lay(at("lungs"), heat.lungs_png);
    if (!isWanted()) return;
    this.setOpacity();
    this.place();
    at("heat-note").textContent = `Warm: for ${heat.label}; cold: against it. Method: ${heat.method}. ${lungsNote(heat)}`;
  }

  async made(entry, label) {
    try {
      const body = await this.server.predict(await entry.blob(), `explain=${encodeURIComponent(label)}`);
      const heat = body.predictions?.[0].heat;
      return heat ? { ...heat, overlay_png: null } : null;
    } catch {
      return null;
    }
  }

  place() {
    for (const id of ["heat", "lungs"]) at(id).hidden = !at(`${id}-on`).checked || !at(id).src;
  }

  setOpacity() {
    at("heat").style.opacity = String(Number(at("opacity").value) / 100);
    at("opacity").setAttribute("aria-valuetext", `${at("opacity").value} percent`);
  }
}

async function lay(layer, base64) {
  layer.src = URL.createObjectURL(await blobOf(base64));
  await layer.decode().catch(() => {});
  URL.revokeObjectURL(layer.src);
}

function lungsNote(heat) {
  if (heat.on_lungs === null) return "The lungs were not found on this film.";
  const [share, area] = [heat.on_lungs, heat.lungs_area].map((part) => `${Math.round(100 * part)} %`);
  return `${share} of the heat lies on the lungs (outlined), which are ${area} of the film.`;
}
