// The film on its canvas: its grey levels, in the bits of its file where these are there, and the
// picture that can be saved.

const EIGHT_BITS = { top: 255, black: 0, white: 255, first: 0, step: 1 };

export class Film {
  // `layers` lie over the canvas; `coming` ends what is on its way to it.
  constructor(canvas, layers = []) {
    Object.assign(this, { canvas, layers, waits: false });
    this.levels = { level: 128, window: 256, invert: false };
    this.clear();
  }

  async show(png) {
    const picture = await createImageBitmap(png);
    this.sized(picture.width, picture.height);
    const pen = this.canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(picture, 0, 0);
    picture.close();
    this.source = pen.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.draw();
  }

  // Take the film in the bits of its file, in the place of the 8 that a picture has.
  deepen(grey) {
    this.grey = grey;
    this.scale = grey.scale;
    if (this.canvas.width !== grey.width || this.canvas.height !== grey.height) this.sized(grey.width, grey.height, grey);
    this.draw();
  }

  sized(width, height, grey = null) {
    Object.assign(this.canvas, { width, height });
    this.drawn = new ImageData(width, height);
    this.grey = grey;
    this.scale = grey ? grey.scale : EIGHT_BITS;
  }

  clear() {
    this.coming?.abort();
    Object.assign(this, { source: null, grey: null, drawn: null, scale: EIGHT_BITS, coming: null });
    this.canvas.width = this.canvas.height = 1;
  }

  set(levels) {
    Object.assign(this.levels, levels);
    if (!this.source || this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => { this.waits = false; this.draw(); });
  }

  draw() {
    if (!this.source) return;
    const table = greyTable(this.scale, this.levels);
    if (this.grey) this.drawValues(table);
    else this.drawPicture(table);
    this.canvas.getContext("2d").putImageData(this.drawn, 0, 0);
  }

  drawValues(table) {
    const { values } = this.grey;
    const pixels = new Uint32Array(this.drawn.data.buffer);
    const packed = Uint32Array.from(table, (grey) => 0xff000000 | grey * 0x010101);
    for (let at = 0; at < values.length; at += 1) pixels[at] = packed[values[at]];
  }

  drawPicture(table) {
    const [from, to] = [this.source.data, this.drawn.data];
    for (let at = 0; at < from.length; at += 4) {
      to[at] = table[from[at]];
      to[at + 1] = table[from[at + 1]];
      to[at + 2] = table[from[at + 2]];
      to[at + 3] = 255;
    }
  }

  // Below which value so many shares of the film's pixels lie.
  percentiles(shares) {
    const counts = new Uint32Array(this.scale.top + 1);
    if (this.grey) for (const value of this.grey.values) counts[value] += 1;
    else for (let at = 0; at < this.source.data.length; at += 4) counts[this.source.data[at]] += 1;
    const all = this.canvas.width * this.canvas.height;
    return shares.map((share) => {
      let [value, below] = [0, counts[0]];
      while (below < share * all || below === 0) below += counts[value += 1];
      return value;
    });
  }

  // The film as its own negative, whatever is shown.
  async inverted() {
    const { width, height } = this.source;
    const whole = Object.assign(document.createElement("canvas"), { width, height });
    const turned = new ImageData(width, height);
    turned.data.set(this.source.data.map((grey, n) => (n % 4 === 3 ? 255 : 255 - grey)));
    whole.getContext("2d").putImageData(turned, 0, 0);
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }

  // The film as it is seen now, what lies over it, and below it what must not be left out.
  async picture(lines) {
    const { width, height } = this.canvas;
    const size = Math.max(12, Math.round(width / 40));
    const whole = document.createElement("canvas");
    whole.width = width;
    whole.height = height + Math.round(size * 1.5 * (lines.length + 0.5));
    const pen = whole.getContext("2d");
    pen.fillStyle = "#101010";
    pen.fillRect(0, 0, width, whole.height);
    pen.drawImage(this.canvas, 0, 0);
    for (const layer of this.layers.filter((each) => !each.hidden)) {
      pen.globalAlpha = Number(layer.style.opacity || 1);
      pen.drawImage(layer, 0, 0, width, height);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = "#ebebeb";
    pen.font = `${size}px sans-serif`;
    lines.forEach((line, n) => pen.fillText(line, size / 2, height + size * 1.5 * (n + 0.85), width - size));
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }
}

// How bright a value is where the film is shown as its file says: 0 is black and 255 white.
export function brightness({ black, white }, value) {
  if (white === black) return value > black ? 255 : 0;
  return 255 * (value - black) / (white - black);
}

// From each value to the grey that is shown, as DICOM has it (PS3.3 C.11.2.1.2): a level of 128 and
// a window of 256 leave the film as its file wants it.
function greyTable(scale, { level, window, invert }) {
  return Uint8Array.from({ length: scale.top + 1 }, (_, value) => {
    const share = (brightness(scale, value) - (level - 0.5)) / Math.max(window - 1, 1e-6) + 0.5;
    const shown = Math.floor(255 * Math.min(1, Math.max(0, share)) + 0.5);
    return invert ? 255 - shown : shown;
  });
}

export async function blobOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return new Blob([bytes], { type: "image/png" });
}
