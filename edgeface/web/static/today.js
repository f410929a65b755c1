// Brings the cards and the first steps up to date, while someone looks; what is being used stays as it is.
import { at } from "./base.js";

const box = document.getElementById("visits");
const note = document.querySelector("[data-live]");
const steps = document.getElementById("steps");
const STEPS_MS = 5000;
const FRESH_MS = 4000;
// A row is written to the journal a moment after its event.
const PAUSES_MS = [150, 700, 2000];
const known = new Map();
let timers = [];
let waiting = false;
let busy = Promise.resolve();

async function refresh() {
  if (document.visibilityState !== "visible" || box.contains(document.activeElement)) {
    waiting = true;
    return;
  }
  const answer = await fetch(at(`/today/visits?${box.dataset.query}`));
  if (!answer.ok || answer.redirected) return;
  const piece = document.createElement("template");
  piece.innerHTML = await answer.text();
  const first = known.size === 0;
  for (const card of piece.content.querySelectorAll("[data-card]")) {
    const html = card.outerHTML;
    const old = document.getElementById(card.id);
    const same = known.get(card.id) === html || old?.querySelector("details[open]");
    known.set(card.id, html);
    if (old && same) {
      card.replaceWith(old);
    } else if (!first || !old) {
      card.classList.add("fresh");
      setTimeout(() => card.classList.remove("fresh"), FRESH_MS);
    }
  }
  box.replaceChildren(...piece.content.children);
}

async function refreshSteps() {
  if (!steps?.isConnected || document.visibilityState !== "visible" || steps.contains(document.activeElement)) return;
  const answer = await fetch(at("/today/steps"));
  if (!answer.ok || answer.redirected) return;
  const piece = document.createElement("template");
  piece.innerHTML = await answer.text();
  const list = piece.content.querySelector("[data-steps]");
  // What a screen reader announces stays in the page: only its text changes.
  const status = steps.querySelector("[data-count]");
  const text = list ? piece.content.querySelector("[data-count]").textContent : steps.dataset.finished;
  if (status.textContent !== text) status.textContent = text;
  if (!list) {
    steps.replaceWith(status);
    status.className = "note ok";
    return;
  }
  const old = steps.querySelector("[data-steps]");
  if (old.outerHTML !== list.outerHTML) old.replaceWith(list);
}

function update() {
  for (const timer of timers) clearTimeout(timer);
  timers = PAUSES_MS.map((pause) => setTimeout(() => {
    busy = busy.then(refresh, refresh).then(refreshSteps, refreshSteps);
  }, pause));
}

function resume() {
  if (waiting) {
    waiting = false;
    update();
  }
}

box.addEventListener("focusout", resume);
document.addEventListener("visibilitychange", resume);
// Cameras and the broker send no events.
if (steps) setInterval(() => { busy = busy.then(refreshSteps, refreshSteps); }, STEPS_MS);
const source = new EventSource(at("/api/v1/events/stream"));
for (const kind of JSON.parse(box.dataset.kinds)) source.addEventListener(kind, update);
source.onopen = () => { note.textContent = note.dataset.on; update(); };
source.onerror = () => { note.textContent = note.dataset.off; };
