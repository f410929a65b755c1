// A link that the device has printed carries a code for one sign-in behind the #, which is never sent as an address.
const code = decodeURIComponent(location.hash.slice(1));
if (code) {
  history.replaceState(null, "", location.pathname + location.search);
  const secret = document.getElementById("secret");
  secret.value = code;
  secret.form.requestSubmit();
}
