// Guides the person at the camera: the picture with an oval for the face, the instructions, and the progress.
import { at } from "./base.js";

const box = document.querySelector("[data-guide='running']");
const PERIOD_MS = 400;
const PICTURE_MS = 220;
const RETRY_MS = 2000;
const SVG = "http://www.w3.org/2000/svg";
// The oval is a head, as a part of the region's height, and this many times as high as wide.
const HEAD = 0.6;
const SHAPE = 1.35;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// A screen reader speaks what changes.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

async function update(words) {
  try {
    const answer = await fetch(at("/enroll/camera/progress"));
    const now = await answer.json();
    if (now.state !== "running") {
      location.reload();
      return;
    }
    put(box.querySelector("[data-advice]"), now.advice);
    put(box.querySelector("[data-count]"), now.count);
    box.querySelector("progress").value = now.taken;
    for (const [pose, state] of Object.entries(now.poses)) {
      const item = box.querySelector(`[data-pose="${pose}"]`);
      item.className = `badge ${{ taken: "ok", next: "warn" }[state] || ""}`;
      put(item.querySelector("[data-state]"), words[state]);
    }
  } catch {
    // The device may be offline for a moment: try again.
  }
  setTimeout(update, PERIOD_MS, words);
}

function oval(seen) {
  const [width, height] = seen.frame_size;
  const [left, top, right, bottom] = seen.region;
  const high = Math.min(HEAD * (bottom - top) * height, SHAPE * (right - left) * width);
  return { cx: ((left + right) * width) / 2, cy: ((top + bottom) * height) / 2, rx: high / SHAPE / 2, ry: high / 2 };
}

// Whether the only face is in the oval, and large enough.
function fits({ cx, cy, rx, ry }, faces) {
  if (faces.length !== 1) return false;
  const [left, top, right, bottom] = faces[0].box;
  const away = Math.hypot(((left + right) / 2 - cx) / rx, ((top + bottom) / 2 - cy) / ry);
  return away < 0.4 && bottom - top > 0.7 * ry && bottom - top < 2 * ry;
}

function draw(overlay, seen) {
  overlay.setAttribute("viewBox", `0 0 ${seen.frame_size.join(" ")}`);
  const place = oval(seen);
  const shape = document.createElementNS(SVG, "ellipse");
  shape.setAttribute("class", fits(place, seen.faces) ? "oval fits" : "oval");
  for (const [key, value] of Object.entries(place)) shape.setAttribute(key, value);
  overlay.replaceChildren(shape);
}

function loaded(image, source) {
  return new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(new Error("no picture"));
    image.src = source;
  });
}

async function show(stage) {
  const path = at(`/api/v1/cameras/${encodeURIComponent(stage.dataset.camera)}`);
  const image = stage.querySelector("img");
  const answer = await fetch(`${path}/faces`);
  if (!answer.ok) throw new Error("no picture");
  const seen = await answer.json();
  const width = Math.round(stage.clientWidth * Math.min(2, window.devicePixelRatio));
  await loaded(image, `${path}/picture?seq=${seen.seq}&width=${Math.max(16, width)}`);
  stage.style.aspectRatio = seen.frame_size.join(" / ");
  draw(stage.querySelector("svg"), seen);
  image.hidden = false;
}

async function watch(stage) {
  for (;;) {
    let pause = PICTURE_MS;
    if (document.visibilityState === "visible") {
      try {
        await show(stage);
      } catch {
        stage.querySelector("img").hidden = true;
        stage.querySelector("svg").replaceChildren();
        pause = RETRY_MS;
      }
      stage.querySelector(".wait").hidden = !stage.querySelector("img").hidden;
    }
    await sleep(pause);
  }
}

if (box) {
  update(JSON.parse(document.getElementById("words").textContent));
  watch(box.querySelector(".stage"));
}
