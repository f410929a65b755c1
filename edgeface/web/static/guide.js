// What the person at the camera is told, as it changes.
const box = document.querySelector("[data-guide='running']");
const PERIOD = 400;

async function look() {
  try {
    const answer = await fetch("/enroll/camera/progress");
    const now = await answer.json();
    if (now.state !== "running") {
      location.reload();
      return;
    }
    const advice = box.querySelector("[data-advice]");
    if (advice.textContent !== now.lines.at(-1)) advice.textContent = now.lines.at(-1);
    box.querySelector("[data-count]").textContent = now.count;
    box.querySelector("progress").value = now.taken;
  } catch {
    // The device may be away for a moment: the next look tells.
  }
  setTimeout(look, PERIOD);
}

if (box) look();
