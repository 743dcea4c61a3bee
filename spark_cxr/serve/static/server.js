// What is asked of the server, and what becomes of questions that it does not answer.

const POLL_MS = 2000;
const TRIES = 20;

export class Offline extends Error {}

export class Server {
  // `refused(isWrong)` is told that a token is wanted, `gone(isGone)` that the server went or came back.
  constructor({ refused, gone }) {
    Object.assign(this, { refused, gone, token: "", back: null });
  }

  async ask(path, options = {}) {
    const headers = { ...options.headers };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const answer = await arrived(fetch(path, { ...options, headers, cache: "no-store" }));
    if (answer.status === 401) this.refused(Boolean(this.token));
    return answer;
  }

  // Send a film; where the server is busy, come again.
  async send(path, blob, signal = null) {
    const options = { method: "POST", body: blob, signal, headers: { "Content-Type": "application/octet-stream" } };
    let answer = await this.ask(path, options);
    for (let tries = 0; answer.status === 503 && tries < TRIES; tries += 1) {
      await pause(1000 * Number(answer.headers.get("Retry-After") || 1));
      answer = await this.ask(path, options);
    }
    return answer;
  }

  async predict(blob, query) {
    const answer = await this.send(`/predict?${query}`, blob);
    const body = await arrived(answer.json());
    return answer.ok ? body : { failed: body, status: answer.status };
  }

  // A film in the bits of its file: a line of JSON, then 16 bits a value.
  async greyValues(blob, longest, signal) {
    const answer = await this.send(`/grey-values?longest=${longest}`, blob, signal);
    if (!answer.ok) throw new Error((await arrived(answer.json())).detail);
    const buffer = await arrived(answer.arrayBuffer());
    const end = new Uint8Array(buffer).indexOf(10);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 0, end)));
    return { ...header, values: new Uint16Array(buffer.slice(end + 1)) };
  }

  // Wait until the server answers again, however many wait.
  untilBack() {
    this.back ??= this.waited().finally(() => { this.back = null; });
    return this.back;
  }

  async waited() {
    this.gone(true);
    for (;;) {
      await pause(POLL_MS);
      const answer = await fetch("/health", { cache: "no-store" }).catch(() => null);
      if (answer?.ok) break;
    }
    this.gone(false);
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Browsers say TypeError when nothing comes from the other side.
async function arrived(coming) {
  try {
    return await coming;
  } catch (error) {
    throw error instanceof TypeError ? new Offline("the server does not answer") : error;
  }
}
