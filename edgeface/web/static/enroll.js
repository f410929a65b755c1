// Adds pictures from the browser's camera to the form's files; nothing is sent before the form is submitted.
const box = document.querySelector(".browser-camera");
const input = document.getElementById("photos");
const video = box.querySelector("video");
const previews = box.querySelector(".previews");
const status = box.querySelector("[data-status]");
const [start, shoot, stop] = ["start", "shoot", "stop"].map((name) => box.querySelector(`[data-${name}]`));
const MAX_SIDE = 1600;
const taken = new DataTransfer();

async function open() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    status.textContent = box.dataset.insecure;
    return;
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
    await video.play();
  } catch (error) {
    status.textContent = box.dataset.denied.replace("{reason}", error.message);
    return;
  }
  status.textContent = "";
  show(true);
  shoot.focus();
}

function show(running) {
  video.hidden = shoot.hidden = stop.hidden = !running;
  start.hidden = running;
}

function close() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  show(false);
  start.focus();
}

function drawn(source, width, height) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

async function take() {
  if (input.files.length >= Number(box.dataset.most)) return;
  const canvas = drawn(video, video.videoWidth, video.videoHeight);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.92); });
  // Files that were selected by hand stay.
  const files = new DataTransfer();
  for (const file of input.files) files.items.add(file);
  taken.items.add(new File([blob], `camera-${taken.items.length + 1}.jpg`, { type: "image/jpeg" }));
  files.items.add(taken.files[taken.files.length - 1]);
  input.files = files.files;
  previews.append(canvas);
  status.textContent = box.dataset.taken.replace("{count}", taken.files.length);
}

box.hidden = false;
start.addEventListener("click", open);
shoot.addEventListener("click", take);
stop.addEventListener("click", close);
