// CPU and memory lines of the rows that are shown: asked for after the list is there, and at most every half minute.
const KEPT_MS = 30_000;
const SVG = "http://www.w3.org/2000/svg";
const known = new Map();
let asking = false;

const places = () => [...document.querySelectorAll("#list [data-load]")];
const idOf = (place) => place.closest("tr").id.slice(2);

function line(values) {
  const step = 480 / Math.max(values.length - 1, 1);
  const height = (value) => (120 - 1.2 * Math.min(value, 100)).toFixed(0);
  return `M${values.map((value, at) => `${(at * step).toFixed(0)} ${height(value)}`).join("L")}`;
}

function make(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function draw(place, values) {
  const svg = make("svg", {
    class: "zc-spark",
    viewBox: "0 0 480 120",
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const d = line(values);
  svg.append(make("path", { class: "a", d: `${d}L480 120L0 120Z` }), make("path", { class: "l", d }));
  const now = document.createElement("span");
  now.textContent = `${values.at(-1)} %`;
  place.replaceChildren(svg, now);
}

function drawAll() {
  for (const place of places()) {
    const lines = known.get(idOf(place))?.lines;
    if (lines) draw(place, lines[place.dataset.load]);
  }
}

async function ask() {
  const now = performance.now();
  const stale = [...new Set(places().map(idOf))].filter((id) => now - (known.get(id)?.at ?? -KEPT_MS) >= KEPT_MS);
  if (asking || !stale.length || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(`/instances/loads?${new URLSearchParams(stale.map((id) => ["id", id]))}`);
    const told = answer.ok ? await answer.json() : {};
    for (const id of stale) known.set(id, { at: now, lines: told[id] });
    drawAll();
  } finally {
    asking = false;
  }
}

document.addEventListener("htmx:afterSwap", () => {
  drawAll();
  ask();
});
setInterval(ask, 5000);
ask();
