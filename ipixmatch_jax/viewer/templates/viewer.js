"use strict";
// Sends an image to the server of this page, and shows what it answers.
(() => {
  const file = document.getElementById("file");
  const drop = document.getElementById("drop");
  const status = document.getElementById("status");
  const result = document.getElementById("result");
  const form = document.getElementById("layers");
  const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
  let urls = [];
  let next = []; // What was dropped last while an image is predicted.

  function say(words, bad = false) {
    status.textContent = words;
    status.classList.toggle("bad", bad);
  }

  function busy(on) {
    document.body.setAttribute("aria-busy", String(on));
    file.disabled = on;
  }

  function png(base64) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    urls.push(url);
    return url;
  }

  function row(one) {
    const line = document.createElement("tr");
    const swatch = document.createElement("i");
    swatch.className = "swatch";
    swatch.style.background = `rgb(${one.colour.join()})`;
    const name = document.createElement("th");
    name.append(swatch, one.name);
    const share = document.createElement("td");
    share.textContent = percent(one.share);
    const sure = document.createElement("td");
    sure.textContent = percent(one.confidence);
    line.append(name, share, sure);
    return line;
  }

  function percent(share) {
    // The smallest part of an image is not none of it.
    if (share > 0 && share < 0.0005) return "< 0.1 %";
    return `${(100 * share).toFixed(1)} %`;
  }

  function show(answer) {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
    const places = {
      image: png(answer.image),
      mask: png(answer.mask),
      overlay: png(answer.overlay),
      confidence: png(answer.confidence),
    };
    const frame = result.querySelector(".frame");
    frame.style.aspectRatio = `${answer.width}/${answer.height}`;
    result.style.setProperty("--shape", answer.width / answer.height);
    frame.querySelector(".photo").src = places.image;
    for (const layer of frame.querySelectorAll(".layer")) {
      // The colours of an overlay have the strength that the form says.
      const name = layer.dataset.layer;
      layer.src = places[name === "overlay" ? "mask" : name];
    }
    for (const link of result.querySelectorAll("[data-save]")) {
      link.href = places[link.dataset.save];
      link.download = `${answer.name}_${link.dataset.save}.png`;
    }
    const size = `${answer.width} × ${answer.height} pixels`;
    result.querySelector(".name").textContent = `${answer.name}, ${size}`;
    const body = result.querySelector("#classes tbody");
    body.replaceChildren(...answer.classes.map(row));
    result.hidden = false;
  }

  async function ask(image) {
    const where = `predict?name=${encodeURIComponent(image.name)}`;
    const answer = await fetch(where, { method: "POST", body: image });
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    return answer.json();
  }

  async function predict(images) {
    if (!images.length) return;
    const [image] = images;
    if (file.disabled) {
      next = images;
      say(`${image.name} is predicted next.`);
      return;
    }
    const most = Number(file.dataset.most);
    if (image.size > most) {
      const sizes = `${megabytes(image.size)}; the limit is ${megabytes(most)}`;
      say(`${image.name} has ${sizes}.`, true);
      return;
    }
    busy(true);
    say(`Predicting ${image.name}; the first image of a size takes longest.`);
    try {
      const answer = await ask(image);
      if (answer.error) {
        result.hidden = true; // It is of the image before.
        say(answer.error, true);
      } else {
        show(answer);
        say(images.length > 1 ? `Only ${image.name} is shown.` : "");
      }
    } catch (error) {
      const terminal = "the terminal of `ipixmatch try` says why";
      say(`${image.name} got no answer (${error.message}): ${terminal}.`, true);
    } finally {
      busy(false);
      file.value = "";
    }
    const waiting = next;
    next = [];
    await predict(waiting);
  }

  function watchDropping() {
    const over = (event) => {
      event.preventDefault();
      drop.classList.toggle("over", event.type === "dragover");
    };
    for (const kind of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(kind, over);
    }
    document.addEventListener("drop", (event) => {
      predict([...event.dataTransfer.files]);
    });
    file.addEventListener("change", () => predict([...file.files]));
  }

  form.addEventListener("input", () => showLayers(form));
  form.addEventListener("submit", (event) => event.preventDefault());
  showLayers(form);
  watchPicture(result.querySelector(".picture"));
  watchDropping();
})();
