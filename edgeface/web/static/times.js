// Shows every time in the browser's zone and language: relative while it is near, and in full as the tooltip.
import { at } from "./base.js";

const LANGUAGE = navigator.language;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const COOKIE = "edgeface_zone";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const YEAR_S = 31_536_000;
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto", style: "short" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium" });
const named = new Intl.DateTimeFormat(LANGUAGE, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const both = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const full = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "full", timeStyle: "long" });

function daysAgo(when, now) {
  const midnight = (one) => new Date(one.getFullYear(), one.getMonth(), one.getDate());
  // Rounded: a day has 23 to 25 hours.
  return Math.round((midnight(now) - midnight(when)) / (24 * HOUR));
}

function near(when, now) {
  const age = now - when;
  if (age >= 0 && age < MINUTE) return relative.format(0, "second");
  if (age >= 0 && age < HOUR) return relative.format(-Math.floor(age / MINUTE), "minute");
  const days = daysAgo(when, now);
  return days === 0 || days === 1 ? `${relative.format(-days, "day")}, ${clock.format(when)}` : both.format(when);
}

function textOf(element, now) {
  const date = /^(\d{4})-(\d{2})-(\d{2})$/.exec(element.dateTime);
  if (date) return named.format(new Date(Number(date[1]), Number(date[2]) - 1, Number(date[3])));
  const when = new Date(element.dateTime);
  if (Number.isNaN(when.getTime())) return element.textContent;
  element.title = full.format(when);
  return { clock: () => clock.format(when), day: () => day.format(when) }[element.dataset.show]?.() ?? near(when, now);
}

function show(root) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const text = textOf(element, now);
    if (element.textContent !== text) element.textContent = text;
    if (LANGUAGE.split("-")[0] !== document.documentElement.lang) element.lang = LANGUAGE;
  }
  for (const note of root.querySelectorAll("[data-utc]")) note.hidden = true;
}

// The server needs the zone to tell which day a visit was on.
function tellZone() {
  const value = `${COOKIE}=${encodeURIComponent(ZONE)}`;
  if (document.cookie.split("; ").includes(value)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${value}; Path=${at("") || "/"}; SameSite=Strict; Max-Age=${YEAR_S}${secure}`;
  const page = document.querySelector("[data-zone]");
  const kept = document.cookie.split("; ").includes(value);
  if (kept && page && page.dataset.zone !== ZONE && page.dataset.path === location.pathname) location.reload();
}

tellZone();
show(document);
new MutationObserver((changes) => {
  if (changes.some((change) => [...change.addedNodes].some((node) => node.nodeType === 1))) show(document);
}).observe(document.querySelector("main"), { childList: true, subtree: true });
setInterval(() => { if (document.visibilityState === "visible") show(document); }, MINUTE);
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") show(document); });
