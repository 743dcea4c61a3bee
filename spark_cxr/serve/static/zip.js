// Films out of a zip, in the browser: only what is taken out is held in memory.

const DIRECTORY = 0x06054b50;
const ENTRY = 0x02014b50;
const MOST_BYTES = 256 * 2 ** 20;
const MOST_FILES = 2000;

export function isZip(file) {
  return /\.zip$/i.test(file.name);
}

// Give the files of a zip; hidden ones, folders, and what is encrypted or too large are left out.
export async function filesOf(zip) {
  const end = await endOf(zip);
  if (!end) throw new Error("no zip, or its end is missing");
  const index = new DataView(await zip.slice(end.start, end.start + end.size).arrayBuffer());
  const found = [];
  for (let at = 0, n = 0; n < Math.min(end.files, MOST_FILES) && at + 46 <= index.byteLength; n += 1) {
    if (index.getUint32(at, true) !== ENTRY) break;
    const [name, extra, comment] = [28, 30, 32].map((place) => index.getUint16(at + place, true));
    const text = new TextDecoder().decode(new Uint8Array(index.buffer, at + 46, name));
    const entry = {
      name: text,
      isLocked: index.getUint16(at + 8, true) & 1,
      method: index.getUint16(at + 10, true),
      packed: index.getUint32(at + 20, true),
      size: index.getUint32(at + 24, true),
      start: index.getUint32(at + 42, true),
    };
    const base = text.split("/").pop();
    const isFilm = base && !/^[._]/.test(base) && !text.startsWith("__MACOSX/");
    if (isFilm && !entry.isLocked && entry.size <= MOST_BYTES) found.push(entry);
    at += 46 + name + extra + comment;
  }
  return found.map((entry) => ({ name: entry.name, blob: () => contentOf(zip, entry) }));
}

async function endOf(zip) {
  const from = Math.max(0, zip.size - 65557);
  const tail = new DataView(await zip.slice(from).arrayBuffer());
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) === DIRECTORY) {
      return { files: tail.getUint16(at + 10, true), size: tail.getUint32(at + 12, true), start: tail.getUint32(at + 16, true) };
    }
  }
  return null;
}

async function contentOf(zip, { start, packed, method, size }) {
  const head = new DataView(await zip.slice(start, start + 30).arrayBuffer());
  const from = start + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const data = zip.slice(from, from + packed);
  if (method === 0) return data;
  if (method !== 8) throw new Error("packed in a way that browsers do not know");
  const reader = data.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let held = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    held += value.length;
    if (held > size) throw new Error("more bytes than its index says");
    parts.push(value);
  }
  return new Blob(parts);
}
