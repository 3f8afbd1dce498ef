"use strict";
// Pictures of which a line shows one layer at the left, one at the right.

function showLayers(form) {
  const chosen = new FormData(form);
  for (const side of ["left", "right"]) {
    const name = chosen.get(side);
    for (const layer of document.querySelectorAll(".layer")) {
      layer.classList.toggle(side, layer.dataset.layer === name);
    }
    for (const tag of document.querySelectorAll(`.tag.${side}`)) {
      tag.textContent = name;
    }
  }
  const strength = form.querySelector("#strength").value / 100;
  document.documentElement.style.setProperty("--strength", strength);
}

function watchPicture(picture) {
  const frame = picture.querySelector(".frame");
  const slider = picture.querySelector(".divide");
  const place = () => frame.style.setProperty("--at", `${slider.value}%`);
  const follow = (event) => {
    const box = frame.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    place();
  };
  slider.addEventListener("input", place);
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
  place();
}
