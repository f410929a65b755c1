// Shrinks photos to what enrollment needs before they are sent: photos of a phone have 3 to 12 MB each.
const QUALITY = 0.9;
// A smaller file is sent as it is if its sides are small, too.
const SMALL = 600_000;

async function shrunk(file, side) {
  // Upright by the photo's EXIF; the copy has no metadata, and so no place where it was taken.
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, side / Math.max(image.width, image.height));
  if (scale === 1 && file.size <= SMALL) return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
  if (blob === null) throw new Error("no memory for the photo");
  return new File([blob], file.name.replace(/\.[^.]*$/, "") + ".jpg", { type: "image/jpeg" });
}

function filled(text, name, size = 0) {
  return text.replace("{name}", () => name).replace("{size}", () => String(Math.ceil(size / 1000)));
}

function watch(input) {
  const { side, most, bytes, busy, ready, unreadable, many, large } = input.dataset;
  const list = document.querySelector(`[data-photos="${input.id}"]`);
  let round = 0;

  function say(text) {
    const line = document.createElement("li");
    line.textContent = text;
    list.append(line);
    list.hidden = false;
    return line;
  }

  async function shrink() {
    const own = ++round;
    const chosen = [...input.files];
    const buttons = [...input.form.querySelectorAll("button:not([type=button])")];
    list.replaceChildren();
    buttons.forEach((one) => { one.disabled = true; });
    const small = new DataTransfer();
    let total = 0;
    for (const file of chosen.slice(0, Number(most))) {
      const line = say(filled(busy, file.name));
      try {
        // One at a time: a photo of 48 million pixels takes 200 MB while it is read.
        const made = await shrunk(file, Number(side));
        if (own !== round) return;
        small.items.add(made);
        total += made.size;
        line.textContent = filled(ready, file.name, made.size);
      } catch {
        if (own !== round) return;
        line.textContent = filled(unreadable, file.name);
      }
    }
    if (chosen.length > Number(most)) say(many);
    if (total > Number(bytes)) say(large);
    input.files = small.files;
    buttons.forEach((one) => { one.disabled = false; });
    input.dataset.done = String(own);
  }

  input.addEventListener("change", shrink);
}

document.querySelectorAll("input[data-side]").forEach(watch);
