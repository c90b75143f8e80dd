// Live parts: a message only says that something changed; the part that it concerns asks for the truth again.
const PAUSE_MS = 500; // between two questions of a part, at least
const SHARE = 3; // where answers take long, a part rests so many times as long
const AGAIN_MS = 5000; // after a question without an answer, or while somebody types in the part
const LOST_MS = 60_000; // a question that is this old will not be answered
const states = new Map();
const unseen = new Set(); // asked for anew when the page is looked at again

const now = () => performance.now();
const isLive = (detail) => detail.requestConfig?.triggeringEvent?.type === "live";

function stateOf(id) {
  if (!states.has(id)) states.set(id, { began: 0, next: 0, timer: null, asking: false, again: false });
  return states.get(id);
}

export function refresh(part) {
  const state = stateOf(part.id);
  if (document.hidden) unseen.add(part.id);
  else if (state.asking && now() - state.began < LOST_MS) state.again = true;
  else state.timer ??= setTimeout(ask, Math.max(100, state.next - now()), part.id, state);
}

function ask(id, state) {
  const part = document.getElementById(id);
  Object.assign(state, { timer: null, asking: Boolean(part), again: false, began: now() });
  if (part) htmx.trigger(part, "live");
}

function rest(id, ms) {
  const state = stateOf(id);
  const part = document.getElementById(id);
  Object.assign(state, { asking: false, next: now() + ms });
  if (part && state.again) refresh(part);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  const parts = [...unseen].map((id) => document.getElementById(id)).filter(Boolean);
  unseen.clear();
  parts.forEach(refresh);
});

// What a person has open or under the keys stays so when the part comes anew.
let held = null;

const like = (one) => (other) =>
  ["href", "name", "value", "aria-label"].every((name) => one.getAttribute(name) === other.getAttribute(name)) &&
  one.textContent === other.textContent;

function hold(part) {
  const at = part.contains(document.activeElement) ? document.activeElement : null;
  const open = [...part.querySelectorAll("details[open] > summary")].map((each) => each.textContent);
  const place = at ? [...part.querySelectorAll(at.tagName)].filter(like(at)).indexOf(at) : -1;
  held = { id: part.id, at, place, open };
}

function giveBack() {
  const part = held && document.getElementById(held.id);
  if (!part) return;
  for (const each of part.querySelectorAll("details > summary")) {
    if (held.open.includes(each.textContent)) each.parentElement.open = true;
  }
  if (held.at && !held.at.isConnected) {
    [...part.querySelectorAll(held.at.tagName)].filter(like(held.at))[held.place]?.focus({ preventScroll: true });
  }
}

const isTyping = (part) =>
  part.contains(document.activeElement) &&
  document.activeElement.matches("input:not([type=checkbox]), textarea, select");

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  held = null;
  if (!isLive(detail)) return;
  const part = detail.requestConfig.elt;
  const { status } = detail.xhr;
  if (status === 401 || status === 404) location.reload(); // signed out, or it is gone: the page says so
  if (status >= 400 || isTyping(part)) {
    detail.shouldSwap = false; // what was there stays
    stateOf(part.id).again = true;
  } else hold(part);
});
document.addEventListener("htmx:afterSwap", giveBack);
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!isLive(detail)) return;
  const { id } = detail.requestConfig.elt;
  const state = stateOf(id);
  const part = document.getElementById(id);
  if (detail.failed || !detail.xhr.status) state.again = true;
  const calm = detail.successful && !(part && isTyping(part));
  rest(id, calm ? Math.max(PAUSE_MS, SHARE * (now() - state.began)) : AGAIN_MS);
});
