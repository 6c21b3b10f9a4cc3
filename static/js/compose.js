// The compose form: figures beside sliders, habits of a style, and the new piece that plays by itself. After: player.js.

import { trackOf } from "./feedback.js";
import { player } from "./player.js";

/** Prepares the forms of a page and plays a piece that has just come about. */
export function prepareCompose(root) {
  for (const slider of root.querySelectorAll('form[data-compose] input[type="range"]')) showFigure(slider);
  const fresh = root.matches?.("[data-autoplay]") ? root : root.querySelector("[data-autoplay]");
  if (!fresh) return;
  fresh.removeAttribute("data-autoplay");
  player.start([...fresh.querySelectorAll("[data-track]")].map(trackOf));
}

function showFigure(slider) {
  const output = slider.form.querySelector(`output[for="${slider.id}"]`);
  const box = slider.form.querySelector(`#use_${slider.id}`);
  if (!output) return;
  const figure = slider.dataset.unit === "%" ? `${Math.round(slider.value * 100)} %` : `${slider.value} ${slider.dataset.unit}`;
  output.textContent = box && !box.checked ? "open" : figure;
}

/** What somebody changed no longer comes from their words. */
function forgetReason(field) {
  field?.closest(".field")?.querySelector(".because")?.remove();
}

document.addEventListener("input", (event) => {
  if (!event.target.closest?.("form[data-compose]")) return;
  forgetReason(event.target);
  if (!event.target.matches('input[type="range"]')) return;
  const box = event.target.form.querySelector(`#use_${event.target.id}`);
  if (box) box.checked = true;
  showFigure(event.target);
});

document.addEventListener("change", (event) => {
  const { target } = event;
  if (!target.closest?.("form[data-compose]")) return;
  if (target.id?.startsWith("use_")) showFigure(target.form.querySelector(`#${target.id.slice(4)}`));
  if (target.id !== "style") return;
  const { metre, tempo } = target.selectedOptions[0].dataset;
  if (metre) {
    target.form.querySelector("#metre").value = metre;
    forgetReason(target.form.querySelector("#metre"));
  }
  if (tempo) {
    const slider = target.form.querySelector("#tempo");
    forgetReason(slider);
    slider.value = tempo;
    showFigure(slider);
  }
});
