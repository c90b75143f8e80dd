// Sends a file to an image that waits for it, in pieces: a pause, a reload or a lost connection costs one piece at most.
const TAIL = 1 << 20; // so many of the last bytes tell whether it is the file that was begun with
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];
const OURS = { "HX-Request": "true" }; // errors come as a part of a page

const frame = document.querySelector("[data-upload]");
const part = (name) => frame.querySelector(`[data-${name}]`);
const button = (name) => frame.querySelector(`[data-do="${name}"]`);
const form = frame.closest("form");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
let file = null;
let id = frame.dataset.id;
let stop = null; // ends the piece that is on its way
let began = null; // where and when this page began to send

class Refused extends Error {}

function say(name) {
  part("status").textContent = frame.dataset[`say${name}`];
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...OURS, ...options.headers } });
  if (answer.status === 401) throw new Refused(frame.dataset.saySignedOut);
  if (answer.ok) return answer.json();
  const told = new DOMParser().parseFromString(await answer.text(), "text/html");
  const text = told.body.textContent.replace(/\s+/g, " ").trim();
  // What passes by itself is tried again: another piece still comes (409), too many at once (429), a server that restarts.
  throw [409, 429].includes(answer.status) || answer.status >= 500 ? new Error(text) : new Refused(text);
}

function size(bytes) {
  const unit = bytes < 1 << 30 ? ["MiB", 1 << 20] : ["GiB", 1 << 30];
  return `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`;
}

function show(offset) {
  const seconds = (performance.now() - began.at) / 1000;
  const speed = seconds > 1 ? (offset - began.offset) / seconds : 0;
  part("bar").value = file.size ? offset / file.size : 0;
  const told = speed > 0 ? ` · ${size(speed)}/s` : "";
  part("figures").textContent = `${size(offset)} / ${size(file.size)}${told}`;
}

function sending(yes) {
  button("hold").hidden = !yes;
  part("held").hidden = yes;
}

async function digest(blob) {
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...sum].map((each) => each.toString(16).padStart(2, "0")).join("");
}

// Gives where to go on, after a look whether it is the same file.
async function offset(signal) {
  const there = await ask(`/images/${id}/upload`, { signal });
  const tail = file.slice(Math.max(0, there.offset - TAIL), there.offset);
  const other =
    (there.size && there.size !== file.size) || (there.tail_sha256 && (await digest(tail)) !== there.tail_sha256);
  if (other) throw new Refused(frame.dataset.sayOther);
  return there.offset;
}

async function send(signal) {
  let at = await offset(signal);
  began ??= { at: performance.now(), offset: at };
  while (at < file.size) {
    say("Sending");
    show(at);
    const body = file.slice(at, at + Number(frame.dataset.piece));
    at = (await ask(`/images/${id}/upload?offset=${at}`, { method: "PUT", body, signal })).offset;
  }
  show(at);
  return ask(`/images/${id}/upload/finish`, { method: "POST", signal });
}

async function run() {
  stop = new AbortController();
  sending(true);
  part("sent").hidden = false;
  for (let tries = 0; ; tries = Math.min(tries + 1, AGAIN_MS.length - 1)) {
    try {
      const { url } = await send(stop.signal);
      say("Done");
      stop = null;
      location.assign(url);
      return;
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof Refused) return refused(error);
      say("Waiting");
      await wait(AGAIN_MS[tries]);
      if (stop.signal.aborted) return;
    }
  }
}

function refused(error) {
  stop = null;
  part("status").textContent = error.message;
  sending(false);
}

// A name that an image can have, of a file's.
const named = (text) =>
  text
    .toLowerCase()
    .replace(/\.(qcow2|raw|img|iso)$/, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63);

async function create() {
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("file");
  fields.set("size", file.size);
  if (!fields.get("name")) fields.set("name", named(file.name));
  const made = await ask(form.action, { method: "POST", body: fields });
  id = made.id;
  history.replaceState(null, "", `/images/${id}`); // a reload shows the image, where it can go on
  for (const each of form.querySelectorAll("input, select, [type=submit]")) each.disabled = true;
}

form?.addEventListener("submit", async (event) => {
  if (form.elements.kind?.value !== "upload") return;
  event.preventDefault();
  file = part("file").files[0] ?? null;
  if (!file) return part("file").click();
  try {
    if (!id) await create();
    await run();
  } catch (error) {
    part("sent").hidden = false;
    refused(error);
  }
});

if (!form)
  part("file").addEventListener("change", () => {
    stop?.abort();
    file = part("file").files[0] ?? null;
    if (file) run();
  });

button("hold").addEventListener("click", () => {
  stop?.abort();
  stop = null;
  began = null;
  sending(false);
  say("Paused");
});
button("on").addEventListener("click", () => (id ? run() : form.requestSubmit()));
addEventListener("beforeunload", (event) => stop && event.preventDefault());
