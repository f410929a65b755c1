// The newest picture of each camera with its faces, a few times per second, while the card is visible.
import { at } from "./base.js";
import { edit, outline } from "./region.js";

const PERIOD_MS = 220;
const RETRY_MS = 2000;
const SVG = "http://www.w3.org/2000/svg";
const words = JSON.parse(document.getElementById("words").textContent);

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function element(parent, name, attributes = {}, text = "") {
  const made = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function title(face) {
  return face.name || face.unknown || words.labels[face.label];
}

function reason(face) {
  return face.reason ? words.reasons[face.reason] || face.reason : "";
}

// What stands at the frame: why a face that has no name yet is not judged comes before all else.
function caption(face) {
  if (face.label === "match") return title(face) + (face.score === null ? "" : ` ${face.score.toFixed(2)}`);
  if (face.label === "new" && reason(face)) return reason(face);
  return title(face) + (reason(face) ? `: ${reason(face)}` : "");
}

function draw(overlay, seen) {
  const [width, height] = seen.frame_size;
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const group = document.createElementNS(SVG, "g");
  outline(group, seen);
  const size = (13 * width) / Math.max(1, overlay.clientWidth);
  for (const face of seen.faces) {
    const [left, top, right, bottom] = face.box;
    const one = element(group, "g", { class: face.label });
    element(one, "rect", { class: "box", x: left, y: top, width: right - left, height: bottom - top, rx: size / 4 });
    const above = top > size * 1.7 ? top - size * 1.55 : bottom + size * 0.2;
    const tag = element(one, "g", { class: "tag" });
    const back = element(tag, "rect", { x: left, y: above, height: size * 1.35, rx: size / 4 });
    const label = element(tag, "text", { x: left + size * 0.35, y: above + size, "font-size": size }, caption(face));
    overlay.replaceChildren(group);
    const wide = label.getComputedTextLength() + size * 0.7;
    const shift = Math.min(0, width - left - wide);
    back.setAttribute("width", wide);
    tag.setAttribute("transform", `translate(${Math.max(shift, -left)} 0)`);
  }
  overlay.replaceChildren(group);
}

// Screen readers read the list aloud, so it changes only when a person arrives or leaves.
function listFaces(list, seen) {
  const lines = seen.faces.map((face) => {
    const score = face.label === "match" && face.score !== null;
    const why = reason(face) ? `, ${words.not_judged.replace("{reason}", reason(face))}` : "";
    const more = (score ? `, ${words.score.replace("{score}", face.score.toFixed(2))}` : "") + why;
    const key = `${face.track}/${face.label}/${title(face)}/${face.event}`;
    return { key, text: title(face), more, label: face.label, event: words.correct && face.event, named: face.person };
  });
  const key = lines.map((line) => line.key).join("|");
  if (list.dataset.key !== key) {
    list.dataset.key = key;
    list.replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.className = `badge ${{ match: "ok", unknown: "bad", spoof: "bad", uncertain: "warn" }[line.label] || ""}`;
      const more = document.createElement("span");
      more.className = "more";
      more.setAttribute("aria-hidden", "true");
      const text = item.appendChild(document.createElement("span"));
      text.append(line.text, more);
      if (line.event) {
        const link = item.appendChild(document.createElement("a"));
        link.href = at(`/events/${encodeURIComponent(line.event)}/correct`);
        link.textContent = line.named ? words.correct.not.replace("{name}", line.text) : words.correct.is;
      }
      return item;
    }));
    if (!lines.length) {
      const empty = list.appendChild(document.createElement("li"));
      empty.className = "muted small";
      empty.textContent = list.dataset.emptyText;
    }
  }
  lines.forEach((line, n) => { list.children[n].querySelector(".more").textContent = line.more; });
}

// Large enough to be read at the door. A turn comes before everything else; with several faces, only a turn is for one.
function prompt(line, seen) {
  const prompts = seen.faces.map((face) => face.prompt).filter((one) => one);
  const turn = prompts.find((one) => one in words.arrows);
  const one = turn || (seen.faces.length === 1 ? prompts[0] : undefined);
  const text = one ? `${one in words.arrows ? `${words.arrows[one]} ` : ""}${words.prompts[one]}` : "";
  // A screen reader speaks it when it changes.
  if (line.textContent !== text) line.textContent = text;
  line.hidden = !text;
}

function loaded(image, source) {
  return new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(new Error("no picture"));
    image.src = source;
  });
}

// Why there is no picture: what the camera itself reports, and what to do about it.
async function report(card, lost) {
  const wait = card.querySelector(".stage > .wait");
  const now = { text: lost };
  try {
    const answer = await fetch(at(`/live/${encodeURIComponent(card.dataset.camera)}`));
    if (answer.ok) Object.assign(now, await answer.json());
  } catch {
    // The device itself does not answer, and the text says so.
  }
  for (const [name, text] of Object.entries({ text: now.text || lost, problem: now.problem, advice: now.advice })) {
    const line = wait.querySelector(`[data-${name}]`);
    if (line.textContent !== (text || "")) line.textContent = text || "";
    line.hidden = !text;
  }
  const badge = card.querySelector("[data-badge]");
  badge.className = `badge ${now.tone || ""}`;
  badge.textContent = now.word || "";
  badge.hidden = !now.word;
}

async function show(card, state) {
  const path = at(`/api/v1/cameras/${encodeURIComponent(card.dataset.camera)}`);
  const image = card.querySelector(".stage > img");
  const wait = card.querySelector(".stage > .wait");
  const width = Math.round(image.parentElement.clientWidth * Math.min(2, window.devicePixelRatio));
  const answer = await fetch(`${path}/faces`, { headers: { accept: "application/json" } });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || wait.dataset.lost);
  const seen = await answer.json();
  if (seen.seq !== state.seq) {
    await loaded(image, `${path}/picture?seq=${seen.seq}&width=${Math.max(16, width)}`);
    const [wide, high] = seen.frame_size;
    image.parentElement.style.aspectRatio = `${wide} / ${high}`;
    state.seq = seen.seq;
  }
  if (!card.dataset.editing) draw(card.querySelector(".stage > svg"), seen);
  listFaces(card.querySelector(".seen"), seen);
  prompt(card.querySelector(".prompt"), seen);
  card.seen = seen;
  image.hidden = false;
  wait.hidden = true;
  if (state.lost) await report(card, "");
  state.lost = false;
}

async function watch(card) {
  const state = { seq: -1, inView: false, lost: false };
  new IntersectionObserver((entries) => { state.inView = entries.at(-1).isIntersecting; }).observe(card);
  const wait = card.querySelector(".stage > .wait");
  for (;;) {
    let pause = PERIOD_MS;
    if (state.inView && document.visibilityState === "visible") {
      try {
        await show(card, state);
      } catch (error) {
        pause = RETRY_MS;
        state.lost = true;
        await report(card, error instanceof TypeError ? wait.dataset.lost : error.message);
        wait.hidden = false;
        card.querySelector(".stage > img").hidden = true;
        card.querySelector(".stage > svg").replaceChildren();
        listFaces(card.querySelector(".seen"), { faces: [] });
        prompt(card.querySelector(".prompt"), { faces: [] });
      }
    }
    await sleep(pause);
  }
}

for (const card of document.querySelectorAll("section[data-camera]")) {
  watch(card);
  const region = card.querySelector(".region");
  if (region) edit(card, region);
}
