// The film on its canvas: grey levels, inversion, and the picture that can be saved.

export class Film {
  constructor(canvas, heat) {
    this.canvas = canvas;
    this.heat = heat;
    this.source = null;
    this.levels = { level: 128, window: 256, invert: false };
    this.waits = false;
  }

  async show(png) {
    const picture = await createImageBitmap(png);
    this.canvas.width = picture.width;
    this.canvas.height = picture.height;
    const pen = this.canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(picture, 0, 0);
    picture.close();
    this.source = pen.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.draw();
  }

  clear() {
    this.source = null;
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
    const table = greyTable(this.levels);
    const from = this.source.data;
    const shown = new ImageData(this.source.width, this.source.height);
    for (let at = 0; at < from.length; at += 4) {
      shown.data[at] = table[from[at]];
      shown.data[at + 1] = table[from[at + 1]];
      shown.data[at + 2] = table[from[at + 2]];
      shown.data[at + 3] = 255;
    }
    this.canvas.getContext("2d").putImageData(shown, 0, 0);
  }

  // The film as its own negative, whatever is shown.
  async inverted() {
    const { width, height } = this.canvas;
    const whole = Object.assign(document.createElement("canvas"), { width, height });
    const turned = new ImageData(width, height);
    turned.data.set(this.source.data.map((grey, n) => (n % 4 === 3 ? 255 : 255 - grey)));
    whole.getContext("2d").putImageData(turned, 0, 0);
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }

  // The film as it is seen now, its heat over it, and below it what must not be left out.
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
    if (!this.heat.hidden) {
      pen.globalAlpha = Number(this.heat.style.opacity || 1);
      pen.drawImage(this.heat, 0, 0, width, height);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = "#ebebeb";
    pen.font = `${size}px sans-serif`;
    lines.forEach((line, n) => pen.fillText(line, size / 2, height + size * 1.5 * (n + 0.85), width - size));
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }
}

// From each grey level to the one that is shown, as DICOM has it (PS3.3 C.11.2.1.2): a level of 128
// and a window of 256 leave the film as it is.
export function greyTable({ level, window, invert }) {
  return Uint8ClampedArray.from({ length: 256 }, (_, grey) => {
    const share = (grey - (level - 0.5)) / (window - 1) + 0.5;
    const shown = 255 * Math.min(1, Math.max(0, share));
    return invert ? 255 - shown : shown;
  });
}

export async function blobOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return new Blob([bytes], { type: "image/png" });
}
