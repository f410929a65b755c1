// Asks the browser for a push subscription, and sends it with the form.
import { at } from "./base.js";

const form = document.getElementById("push");
const status = form?.querySelector("[data-status]");

function bytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const plain = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function subscription() {
  const worker = await navigator.serviceWorker.register(at("/service-worker.js"));
  await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true, applicationServerKey: bytes(form.dataset.key) };
  return worker.pushManager.subscribe(options);
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!window.isSecureContext || !navigator.serviceWorker || !window.PushManager) {
    status.textContent = form.dataset.insecure;
    return;
  }
  try {
    const made = await subscription();
    form.elements.endpoint.value = made.endpoint;
    form.elements.p256dh.value = text(made.getKey("p256dh"));
    form.elements.auth.value = text(made.getKey("auth"));
  } catch (error) {
    status.textContent = form.dataset.denied.replace("{reason}", error.message);
    return;
  }
  form.submit();
});
