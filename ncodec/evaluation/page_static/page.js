"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const { pictures } = JSON.parse(at("data").textContent);

  // Sounds: one at a time.
  const players = [...document.querySelectorAll("audio")];
  for (const player of players) {
    player.addEventListener("play", () => {
      for (const other of players) if (other !== player) other.pause();
    });
  }

  if (!pictures.length) return;
  const view = at("view"), canvas = at("canvas"), divider = at("divider"), slider = at("slider");
  const sides = ["left", "right"];
  at("compare").hidden = false;

  const picture = () => pictures[at("picture").selectedIndex];
  const version = (side) => picture().versions[at(side).selectedIndex];
  const zoom = () => Number(document.querySelector("input[name=zoom]:checked").value);
  const isDifference = () => at("difference").checked;

  function fill(select, names, index) {
    select.replaceChildren(...names.map((name) => new Option(name)));
    select.selectedIndex = Math.min(Math.max(index, 0), names.length - 1);
  }

  // Another picture may lack a codec: keep the choice by name, not by place.
  function showPicture() {
    const names = picture().versions.map((one) => one.label);
    sides.forEach((side, i) => {
      const kept = names.indexOf(at(side).value);
      fill(at(side), names, kept < 0 ? i : kept);
    });
    layOut();
    showVersions();
  }

  function showVersions() {
    for (const side of sides) {
      const { label, note, source } = version(side);
      const image = at(`${side}-picture`);
      image.src = source;
      image.alt = `${picture().name}, ${label}, ${note}`;
      at(`${side}-badge`).textContent = `${label}: ${note}`;
    }
    const said = sides.map((side) => `${side}: ${version(side).label}, ${version(side).note}`);
    at("sizes").textContent = `${picture().name}. ${said.join("; ")}.`;
  }

  // The canvas fills the width there is, up to the picture's own, times the zoom.
  function layOut() {
    const { width, height } = picture();
    const fit = Math.min(at("compare").clientWidth, width);
    at("compare").style.setProperty("--fit", `${fit}px`);
    view.style.height = `${(fit * height) / width}px`;
    canvas.style.width = `${fit * zoom()}px`;
    canvas.style.height = `${(fit * height * zoom()) / width}px`;
    view.classList.toggle("zoomed", zoom() > 1);
    cut();
  }

  // The divider stands in the part that is seen, wherever a zoomed picture is scrolled to.
  function cut() {
    const x = view.scrollLeft + (slider.value / 100) * view.clientWidth;
    divider.style.left = `${x}px`;
    at("left-picture").style.clipPath = isDifference() ? "none" : `inset(0 calc(100% - ${x}px) 0 0)`;
  }

  function showZoom() {
    const before = canvas.clientWidth;
    const middle = [view.scrollLeft + view.clientWidth / 2, view.scrollTop + view.clientHeight / 2];
    layOut();
    const factor = canvas.clientWidth / before;
    view.scrollLeft = middle[0] * factor - view.clientWidth / 2;
    view.scrollTop = middle[1] * factor - view.clientHeight / 2;
    cut();
  }

  function showDifference() {
    canvas.classList.toggle("difference", isDifference());
    slider.disabled = isDifference();
    cut();
  }

  function drag(event) {
    const box = view.getBoundingClientRect();
    slider.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    cut();
  }

  // A zoomed picture is moved by touch, and divided by the handle.
  function begin(event) {
    const onHandle = divider.contains(event.target);
    if (isDifference() || event.button !== 0) return;
    if (event.pointerType !== "mouse" && zoom() > 1 && !onHandle) return;
    view.setPointerCapture(event.pointerId);
    drag(event);
  }

  view.addEventListener("pointerdown", begin);
  view.addEventListener("pointermove", (event) => {
    if (view.hasPointerCapture(event.pointerId)) drag(event);
  });
  view.addEventListener("scroll", cut);
  slider.addEventListener("input", cut);
  at("picture").addEventListener("change", showPicture);
  for (const side of sides) at(side).addEventListener("change", showVersions);
  at("zoom").addEventListener("change", showZoom);
  at("difference").addEventListener("change", showDifference);
  window.addEventListener("resize", layOut);

  fill(at("picture"), pictures.map((one) => one.name), 0);
  showPicture();
  showDifference();
})();
