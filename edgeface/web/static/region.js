// The region and the smallest face: draws them, and changes them by dragging, arrow keys or numbers.
import { at } from "./base.js";

const SVG = "http://www.w3.org/2000/svg";
const EDGES = ["left", "top", "right", "bottom"];
const MIN_PERCENT = 2;

function element(parent, name, attributes) {
  const made = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The part outside the region is darker; `region` is left, top, right, bottom as fractions.
export function outline(group, seen) {
  const [width, height] = seen.frame_size;
  const [left, top, right, bottom] = seen.region;
  if (left > 0 || top > 0 || right < 1 || bottom < 1) {
    const [x, y, wide, high] = [left * width, top * height, (right - left) * width, (bottom - top) * height];
    element(group, "path", {
      class: "outside",
      "fill-rule": "evenodd",
      d: `M0 0H${width}V${height}H0ZM${x} ${y}h${wide}v${high}h${-wide}Z`,
    });
    element(group, "rect", { class: "edge", x, y, width: wide, height: high });
  }
  if (seen.smallest_face) {
    const side = seen.smallest_face;
    element(group, "rect", { class: "smallest-box", x: 8, y: height - side - 8, width: side * 0.75, height: side, rx: 3 });
  }
}

export function edit(card, box) {
  const form = box.querySelector("form");
  const overlay = card.querySelector(".stage > svg");
  const status = form.querySelector("[data-status]");
  const path = at(`/api/v1/cameras/${encodeURIComponent(box.dataset.camera)}/view`);
  let tag = "";
  let before = null;
  box.hidden = false;

  const value = (edge) => Number(form.elements[edge].value);
  const other = { left: "right", right: "left", top: "bottom", bottom: "top" };

  function set(edge, percent) {
    const near = edge === "left" || edge === "top";
    const limit = value(other[edge]) + (near ? -MIN_PERCENT : MIN_PERCENT);
    const bounded = near ? Math.max(0, Math.min(percent, limit)) : Math.min(100, Math.max(percent, limit));
    form.elements[edge].value = bounded.toFixed(1);
    redraw();
  }

  function redraw() {
    if (!card.seen) return;
    const [width, height] = card.seen.frame_size;
    overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const focused = overlay.querySelector(".handle:focus")?.dataset.edge;
    const group = document.createElementNS(SVG, "g");
    const smallest = form.elements.smallest.disabled ? null : Number(form.elements.smallest.value);
    outline(group, { frame_size: [width, height], region: EDGES.map((edge) => value(edge) / 100), smallest_face: smallest });
    const [left, top, right, bottom] = EDGES.map((edge, n) => (value(edge) / 100) * (n % 2 ? height : width));
    const size = Math.max(8, width / 70);
    element(group, "rect", { class: "edge", x: left, y: top, width: right - left, height: bottom - top });
    const middle = { left: [left, (top + bottom) / 2], right: [right, (top + bottom) / 2], top: [(left + right) / 2, top], bottom: [(left + right) / 2, bottom] };
    for (const edge of EDGES) {
      const handle = element(group, "circle", {
        class: "handle",
        cx: Math.max(size, Math.min(width - size, middle[edge][0])),
        cy: Math.max(size, Math.min(height - size, middle[edge][1])),
        r: size,
        tabindex: 0,
        role: "slider",
        "aria-label": form.dataset.handle.replace("{edge}", form.querySelector(`label[for$="-${edge}"]`).textContent),
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": value(edge),
      });
      handle.dataset.edge = edge;
      handle.addEventListener("pointerdown", drag);
      handle.addEventListener("keydown", nudge);
    }
    overlay.removeAttribute("aria-hidden");
    overlay.replaceChildren(group);
    if (focused) overlay.querySelector(`[data-edge="${focused}"]`).focus();
  }

  function nudge(event) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { edge } = event.currentTarget.dataset;
    set(edge, value(edge) + step * (event.shiftKey ? 5 : 1));
  }

  function drag(event) {
    event.preventDefault();
    const { edge } = event.currentTarget.dataset;
    event.currentTarget.focus();
    const follow = (move) => {
      const at = new DOMPoint(move.clientX, move.clientY).matrixTransform(overlay.getScreenCTM().inverse());
      const [width, height] = card.seen.frame_size;
      set(edge, 100 * (edge === "left" || edge === "right" ? at.x / width : at.y / height));
    };
    const end = () => {
      window.removeEventListener("pointermove", follow);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
    };
    window.addEventListener("pointermove", follow);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
  }

  async function load() {
    const answer = await fetch(path);
    if (!answer.ok) return;
    tag = answer.headers.get("etag") || "";
    before = await answer.json();
    EDGES.forEach((edge, n) => { form.elements[edge].value = (before.region[n] * 100).toFixed(1); });
    form.elements.smallest.disabled = before.smallest_face === null;
    form.elements.smallest.value = before.smallest_face ?? "";
    form.querySelector("button").disabled = !before.writable;
    status.textContent = before.problem || "";
    redraw();
  }

  async function put(target, body) {
    const headers = { "content-type": "application/json", "x-csrf-token": form.dataset.csrf, "if-match": tag };
    const answer = await fetch(target, { method: "PUT", headers, body: JSON.stringify(body) });
    const result = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(result.detail || answer.statusText);
    tag = answer.headers.get("etag") || tag;
    return result.effective;
  }

  async function save(event) {
    event.preventDefault();
    const region = EDGES.map((edge) => value(edge) / 100);
    const smallest = Number(form.elements.smallest.value);
    const effects = [];
    try {
      if (region.some((side, n) => Math.abs(side - before.region[n]) > 1e-6)) effects.push(await put(path, { region }));
      if (!form.elements.smallest.disabled && smallest !== before.smallest_face) {
        effects.push(await put(at("/api/v1/detector"), { smallest_face: smallest }));
      }
      before = { ...before, region, smallest_face: form.elements.smallest.disabled ? null : smallest };
      status.textContent = effects.includes("restart") ? form.dataset.restart : form.dataset.saved;
    } catch (error) {
      status.textContent = error.message;
    }
  }

  box.addEventListener("toggle", () => {
    if (box.open) {
      card.dataset.editing = "yes";
      load();
    } else {
      delete card.dataset.editing;
      overlay.setAttribute("aria-hidden", "true");
      status.textContent = "";
    }
  });
  form.addEventListener("input", redraw);
  form.addEventListener("submit", save);
  form.querySelector("[data-whole]").addEventListener("click", () => {
    EDGES.forEach((edge, n) => { form.elements[edge].value = n < 2 ? 0 : 100; });
    redraw();
  });
}
