// A link printed by the device has a one-time code after the #, the part of an address that browsers never send.
const code = decodeURIComponent(location.hash.slice(1));
if (code) {
  history.replaceState(null, "", location.pathname + location.search);
  const secret = document.getElementById("secret");
  secret.value = code;
  secret.form.requestSubmit();
}
