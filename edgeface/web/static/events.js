// Puts new rows of the journal at the top of the table or list as they are written.
import { at } from "./base.js";

const body = document.querySelector("[data-after]");
const note = document.querySelector("[data-live]");
const KINDS = JSON.parse(body.dataset.kinds);
const maxRows = Number(body.dataset.most || 200);
const FRESH_MS = 4000;
// A row is written to the journal a moment after its event.
const PAUSES_MS = [150, 700, 2000];
let after = Number(body.dataset.after);
let timers = [];
let busy = Promise.resolve();

async function fetchRows() {
  const answer = await fetch(at(`/events/rows?after=${after}${body.dataset.query ? `&${body.dataset.query}` : ""}`));
  if (!answer.ok) return;
  const piece = document.createElement("template");
  piece.innerHTML = await answer.text();
  const rows = [...piece.content.querySelectorAll("[data-seq]")].filter((row) => Number(row.dataset.seq) > after);
  if (!rows.length) return;
  after = Math.max(...rows.map((row) => Number(row.dataset.seq)));
  for (const row of rows) {
    row.classList.add("fresh");
    setTimeout(() => row.classList.remove("fresh"), FRESH_MS);
  }
  body.prepend(...rows);
  while (body.children.length > maxRows) body.lastElementChild.remove();
  document.querySelector("[data-empty]")?.remove();
}

function update() {
  for (const timer of timers) clearTimeout(timer);
  timers = PAUSES_MS.map((pause) => setTimeout(() => { busy = busy.then(fetchRows, fetchRows); }, pause));
}

const source = new EventSource(at("/api/v1/events/stream"));
for (const kind of KINDS) source.addEventListener(kind, update);
source.onopen = () => { if (note) note.textContent = note.dataset.on; update(); };
source.onerror = () => { if (note) note.textContent = note.dataset.off; };
