// Shows a message that the device has sent; runs in the browser's background, and stores nothing.
const at = (path) => new URL(path, self.registration.scope).href;

self.addEventListener("push", (event) => {
  const message = event.data.json();
  // The same tag: another attempt of the same message replaces the one that is shown.
  const options = { body: message.body, tag: message.id, data: { link: message.link }, icon: at("static/icon.svg") };
  event.waitUntil(self.registration.showNotification(message.title, options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.link || at("")));
});
