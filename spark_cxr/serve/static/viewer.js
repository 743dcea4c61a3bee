// The film under glass: zoomed, moved, and its grey levels drawn with the pointer.

const MOST = 16;
const STEP = 1.25;

export class Viewer {
  // `levelled(across, down)` is told how far the pointer was drawn, in shares of the stage.
  constructor(stage, plane, levelled) {
    Object.assign(this, { stage, plane, levelled });
    // Another viewer that goes along, who else is told, and who may want a click for itself.
    Object.assign(this, { twin: null, placed: () => {}, picks: () => false });
    this.fit();
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.hold(event));
    stage.addEventListener("dblclick", () => (this.scale > 1 ? this.fit() : this.zoom(2)));
  }

  fit() {
    [this.scale, this.x, this.y] = [1, 0, 0];
    this.place();
  }

  // One pixel of the film on one of the screen.
  oneToOne(pixels) {
    const shown = this.plane.getBoundingClientRect().width / this.scale;
    this.zoom(pixels / (shown * devicePixelRatio * this.scale));
  }

  larger() { this.zoom(STEP); }

  smaller() { this.zoom(1 / STEP); }

  // Zoom around a place of the stage, by default its middle, in shares from there.
  zoom(factor, across = 0, down = 0) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const by = scale / this.scale;
    this.x = across - (across - this.x) * by;
    this.y = down - (down - this.y) * by;
    this.scale = scale;
    this.place();
  }

  move(across, down) {
    this.x += across;
    this.y += down;
    this.place();
  }

  place() {
    const room = (this.scale - 1) / 2;
    this.x = Math.min(room, Math.max(-room, this.x));
    this.y = Math.min(room, Math.max(-room, this.y));
    this.plane.style.transform = `translate(${100 * this.x}%, ${100 * this.y}%) scale(${this.scale})`;
    this.plane.style.setProperty("--zoom", this.scale);
    this.stage.classList.toggle("zoomed", this.scale > 1);
    this.placed();
    const { twin, scale, x, y } = this;
    if (twin && (twin.scale !== scale || twin.x !== x || twin.y !== y)) {
      Object.assign(twin, { scale, x, y });
      twin.place();
    }
  }

  wheel(event) {
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width - 0.5;
    const down = (event.clientY - box.top) / box.height - 0.5;
    this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, across, down);
  }

  // Drawing moves a film that is zoomed; else, and with Shift, it sets window and level.
  hold(event) {
    if (event.button !== 0 || this.picks(event)) return;
    const box = this.stage.getBoundingClientRect();
    const levels = event.shiftKey || this.scale === 1;
    let [x, y] = [event.clientX, event.clientY];
    const drawn = (moved) => {
      const [across, down] = [(moved.clientX - x) / box.width, (moved.clientY - y) / box.height];
      [x, y] = [moved.clientX, moved.clientY];
      if (levels) this.levelled(across, down);
      else this.move(across, down);
    };
    const released = () => {
      this.stage.removeEventListener("pointermove", drawn);
      this.stage.removeEventListener("pointerup", released);
      this.stage.removeEventListener("pointercancel", released);
    };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", drawn);
    this.stage.addEventListener("pointerup", released);
    this.stage.addEventListener("pointercancel", released);
  }
}
