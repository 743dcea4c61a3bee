// Scale bar and lengths, from the spacing of pixels that a file states.

const BARS_MM = [1, 2, 5, 10, 20, 50, 100, 200];
const WIDEST = 0.3;
export const PLANES = {
  detector: "at the detector; what lies nearer to the tube is smaller than it looks",
  calibrated: "as the file has corrected it for the body",
  sheet: "on the sheet that was scanned",
};
const at = (id) => document.getElementById(id);

export class Ruler {
  // `say(text)` speaks to those who do not see the film.
  constructor(canvas, viewer, say) {
    Object.assign(this, { canvas, viewer, say, file: null, points: [], cross: null, isOn: false });
    viewer.picks = (event) => this.isOn && this.picked(event);
    at("measure").addEventListener("click", () => this.toggle());
    at("stage").addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.place()).observe(at("stage"));
  }

  // Another film: the facts of its file, and none of the lengths of the one before.
  show(file) {
    this.file = file;
    this.toggle(false);
    this.points = [];
    at("measure").disabled = !file?.spacing;
    at("length").textContent = !file || file.spacing ? "" : `No scale: ${file.format === "dicom" ? "this file" : "a picture"} states no pixel spacing.`;
    this.draw();
    this.place();
  }

  // Millimetres of a pixel of the canvas, across and down.
  get pitch() {
    const { spacing, width, height } = this.file;
    return [spacing.across * width / this.canvas.width, spacing.down * height / this.canvas.height];
  }

  // Where the canvas shows its film, and how large one of its pixels is on the screen.
  get shown() {
    const box = this.canvas.getBoundingClientRect();
    const size = Math.min(box.width / this.canvas.width, box.height / this.canvas.height);
    return { size, left: box.left + (box.width - size * this.canvas.width) / 2, top: box.top + (box.height - size * this.canvas.height) / 2 };
  }

  place() {
    const bar = at("scale-bar");
    bar.hidden = !this.file?.spacing;
    if (bar.hidden) return;
    const pixels = this.shown.size / this.pitch[0];
    const most = WIDEST * at("stage").clientWidth;
    const long = BARS_MM.filter((mm) => mm * pixels <= most).pop() ?? BARS_MM[0];
    const words = long < 10 ? `${long} mm` : `${long / 10} cm`;
    bar.firstElementChild.style.width = `${long * pixels}px`;
    bar.lastElementChild.textContent = words;
    bar.setAttribute("aria-label", `Scale bar: ${words} ${PLANES[this.file.spacing.plane]}`);
    bar.title = PLANES[this.file.spacing.plane];
  }

  toggle(isOn = !this.isOn) {
    if (isOn && at("measure").disabled) { this.say(at("length").textContent); return; }
    this.isOn = isOn;
    at("measure").setAttribute("aria-pressed", String(isOn));
    at("stage").classList.toggle("measuring", isOn);
    this.cross = isOn ? [this.canvas.width / 2, this.canvas.height / 2] : null;
    if (isOn) {
      this.points = [];
      at("length").textContent = "Click two points, or set them with arrows and Enter.";
      at("stage").focus({ preventScroll: true });
    }
    this.draw();
  }

  picked(event) {
    const { size, left, top } = this.shown;
    this.set([(event.clientX - left) / size, (event.clientY - top) / size]);
    return true;
  }

  pressed(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!this.isOn || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(this.canvas.width / 100));
    if (moves[event.key]) this.cross = moves[event.key].map((by, n) => within(this.cross[n] + by * step, n ? this.canvas.height : this.canvas.width));
    else if (event.key === "Enter" || event.key === " ") this.set([...this.cross]);
    else if (event.key === "Escape") this.toggle(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.draw();
  }

  set(point) {
    if (this.points.length === 2) this.points = [];
    this.points.push([within(point[0], this.canvas.width), within(point[1], this.canvas.height)]);
    at("length").textContent = this.points.length === 2 ? this.length() : "First point set.";
    this.draw();
  }

  length() {
    const [[fromX, fromY], [toX, toY]] = this.points;
    const [across, down] = this.pitch;
    const mm = Math.hypot((toX - fromX) * across, (toY - fromY) * down);
    return `${mm.toFixed(1)} mm ${PLANES[this.file.spacing.plane]}.`;
  }

  draw() {
    const drawing = at("ruler");
    const { width, height } = this.canvas;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const shapes = this.points.map((point) => crossOf(point, width / 60));
    if (this.points.length === 2) shapes.push(`M${this.points[0]}L${this.points[1]}`);
    if (this.cross) shapes.push(crossOf(this.cross, width / 30));
    drawing.firstElementChild.setAttribute("d", shapes.join(""));
  }

  // The canvas has another size: what was set stays where it was on the film.
  resized(share) {
    const moved = (point) => point.map((each) => each * share);
    this.points = this.points.map(moved);
    this.cross = this.cross && moved(this.cross);
    this.draw();
    this.place();
  }
}

const within = (place, most) => Math.min(Math.max(place, 0), most);
const crossOf = ([x, y], arm) => `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`;
