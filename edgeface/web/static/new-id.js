// Fills in the id of a new person while the name is typed; the device makes it, as for every other way to enroll.
import { at } from "./base.js";

const name = document.querySelector('input[name="name"]');
const id = document.querySelector('input[name="id"]');
const PAUSE = 250;
// What this script has put there; anything else was typed.
let filled = "";
let waiting = 0;

async function fill(typed) {
  const answer = await fetch(at(`/enroll/id?${new URLSearchParams({ name: typed })}`)).catch(() => null);
  // Meanwhile the name may have changed, or the id may have been typed.
  if (!answer?.ok || name.value !== typed || id.value !== filled) return;
  const made = (await answer.json()).id;
  if (name.value !== typed || id.value !== filled) return;
  id.value = filled = made;
}

name.addEventListener("input", () => {
  clearTimeout(waiting);
  // An id that was typed stays; an empty one is filled again.
  if (id.value === "") filled = "";
  if (id.value === filled) waiting = setTimeout(fill, PAUSE, name.value);
});
