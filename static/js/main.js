// Joins the modules to the page: what happens at the first load happens again after each navigation.

import { showOpinions } from "./feedback.js";
import { follow } from "./follow.js";
import "./keyboard.js";
import { sendAbandonedPlays } from "./listening.js";
import { flush, isWaiting } from "./outbox.js";
import { showPlaying } from "./player_bar.js";
import { restoreQueue } from "./queue_memory.js";
import { prepareCompose } from "./compose.js";
import { preparePair } from "./pairs.js";
import "./share.js";
import { showTheme } from "./theme.js";
import { toast } from "./toast.js";

const LONGEST_WAIT_MS = 1500;

function prepare(root) {
  showOpinions(document);
  showPlaying();
  follow(root);
  prepareCompose(root);
  preparePair(root);
  showTheme(root);
  showPlace();
  const zone = root.querySelector("[data-time-zone]");
  if (zone && !zone.value) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function showPlace() {
  for (const link of document.querySelectorAll("[data-nav]")) {
    const { nav } = link.dataset;
    if (nav === "/" ? location.pathname === "/" : location.pathname.startsWith(nav)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// htmx tells of the first load too.
document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
document.addEventListener("htmx:pushedIntoHistory", showPlace);
document.addEventListener("htmx:historyRestore", () => prepare(document));

// A page asked for after a dislike must not show the track again: feedback goes first.
document.addEventListener("htmx:confirm", (event) => {
  if (!isWaiting()) return;
  event.preventDefault();
  const goOn = () => event.detail.issueRequest(true);
  Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT_MS))]).then(goOn, goOn);
});

document.addEventListener("htmx:beforeRequest", (event) => document.body.classList.toggle("is-loading", Boolean(event.detail.boosted)));
document.addEventListener("htmx:afterRequest", () => document.body.classList.remove("is-loading"));
document.addEventListener("htmx:sendError", () => toast("Encore can't be reached. Your feedback is kept and sent later."));
// A small part that fails keeps what it shows; a whole page that fails says so.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.isError && !event.detail.boosted) event.detail.shouldSwap = false;
});
// After a navigation screen readers and the keyboard begin at the page.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.boosted && event.detail.target.id === "main") document.getElementById("main")?.focus({ preventScroll: true });
});

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-submit-on-change]");
  if (form) form.requestSubmit();
});

restoreQueue();
sendAbandonedPlays();
flush();
