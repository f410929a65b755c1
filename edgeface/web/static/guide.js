// Updates the instructions for the person at the camera.
const box = document.querySelector("[data-guide='running']");
const PERIOD_MS = 400;

async function update() {
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
    // The device may be offline for a moment: try again.
  }
  setTimeout(update, PERIOD_MS);
}

if (box) update();
