// What pages need beyond links and forms: live parts, dialogs, selection, keys, copying, and times in the viewer's zone.
import { listen } from "./live.js";
import { refresh } from "./refresh.js";
import { localTimes } from "./times.js";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---- selection ---------------------------------------------------------------------------------
const chosen = new Set();
let last = null;
const boxes = () => $$('#list input[name="id"]');

function showSelection() {
  const bar = $("#bulk");
  if (!bar) return;
  for (const box of boxes()) {
    box.checked = chosen.has(box.value);
    box.closest("tr").classList.toggle("pf-m-selected", box.checked);
  }
  const here = boxes().filter((box) => box.checked).length;
  bar.hidden = here === 0;
  $("[data-count]", bar).textContent = here;
}

function select(box, range) {
  const all = boxes();
  const from = range && last ? all.findIndex((each) => each.value === last) : -1;
  const to = all.indexOf(box);
  const touched = from < 0 ? [box] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
  for (const each of touched) box.checked ? chosen.add(each.value) : chosen.delete(each.value);
  last = box.value;
  showSelection();
}

function selectAll(checked) {
  for (const box of boxes()) checked ? chosen.add(box.value) : chosen.delete(box.value);
  showSelection();
}

// ---- small deeds of buttons ----------------------------------------------------------------------
const deeds = {
  nav(button) {
    const open = $("#nav").classList.toggle("pf-m-expanded");
    button.setAttribute("aria-expanded", open);
  },
  dismiss: (button) => button.closest(".pf-v6-c-alert").remove(),
  close: (button) => button.closest("dialog").close(),
  keys: () => keys["?"](),
  ask: (button) => document.getElementById(button.dataset.dialog).showModal(),
  "select-all": (box) => selectAll(box.checked),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-copy], input[name=id]");
  if (!button) return;
  if (button.name === "id") select(button, event.shiftKey);
  else if (button.dataset.copy) copy(button);
  else deeds[button.dataset.do]?.(button);
});

async function copy(button) {
  await navigator.clipboard?.writeText(button.dataset.copy);
  button.classList.add("zc-copied");
  setTimeout(() => button.classList.remove("zc-copied"), 1200);
}

// ---- dialogs and messages --------------------------------------------------------------------------
document.addEventListener("htmx:load", (event) => localTimes(event.detail.elt)); // a swap's target is what was there before
document.addEventListener("htmx:afterSwap", (event) => {
  const dialog = $("#dialog");
  if (event.detail.target === dialog && !dialog.open) dialog.showModal();
  if (event.detail.target.id === "toasts") fade($("#toasts").firstElementChild);
  showSelection();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.target.id === "toasts") $$("[data-live]").forEach(refresh); // no event tells that something was asked
  if (!event.detail.elt.matches("[data-closes]")) return;
  $("#dialog").close();
  selectAll(false);
});

function fade(message) {
  if (!message || "stays" in message.dataset) return;
  let timer = setTimeout(() => message.remove(), 8000);
  message.addEventListener("pointerenter", () => clearTimeout(timer));
  message.addEventListener("pointerleave", () => {
    timer = setTimeout(() => message.remove(), 4000);
  });
}

// ---- keys ------------------------------------------------------------------------------------------
const rows = () => $$("#list tbody tr");
let row = -1;

function move(by) {
  const all = rows();
  if (!all.length) return;
  row = Math.max(0, Math.min(all.length - 1, row + by));
  $("a", all[row])?.focus();
}

const keys = {
  "/": () => ($("[data-filter]") ?? $("#search"))?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => rows()[row] && $("input[name=id]", rows()[row])?.click(),
  "?": () => {
    const told = $("#shortcuts");
    if (!told) return $("#keyhelp")?.showModal();
    $("#dialog").replaceChildren(told.content.cloneNode(true));
    $("#dialog").showModal();
  },
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    $("#nav")?.classList.remove("pf-m-expanded");
    $("#found")?.replaceChildren();
  }
  if (event.key === "k" && (event.ctrlKey || event.metaKey) && $("#search")?.checkVisibility()) {
    event.preventDefault();
    $("#search").select();
  }
  const typing = event.target.closest("input, textarea, select, [data-screen], dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

// ---- search and notices ------------------------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const finder = step && event.target.closest(".zc-finder");
  if (!finder) return;
  const stops = [$("#search"), ...$$("#found a")];
  const next = stops[stops.indexOf(document.activeElement) + step];
  event.preventDefault();
  next?.focus();
});
document.addEventListener("focusin", (event) => {
  if (!event.target.closest(".zc-finder")) $("#found")?.replaceChildren();
});

function countNew() {
  const list = $("#noticelist[data-new]");
  if (!list) return;
  const count = Number(list.dataset.new);
  $("#new").hidden = count === 0;
  $("#new").textContent = count;
}
document.addEventListener("htmx:afterSettle", countNew);
$("#notices")?.addEventListener("toggle", (event) => {
  if (event.newState === "open") $("#new").hidden = true;
  else refresh($("#noticelist"));
});

// ---- live parts ---------------------------------------------------------------------------------------
function concerns(part, change) {
  const wanted = part.dataset.live;
  if (!change || wanted === "*" || wanted === "operation") return true;
  return change.kinds.includes(wanted) || !change.ids || change.ids.includes(wanted);
}

if ($("#live")) {
  listen(
    (change) =>
      $$("[data-live]")
        .filter((part) => concerns(part, change))
        .forEach(refresh),
    (live) => {
      const told = $("#live");
      told.textContent = live ? told.dataset.liveText : told.dataset.staleText;
      told.classList.toggle("zc-warn", !live);
    },
  );
}

localTimes(document);
showSelection();
