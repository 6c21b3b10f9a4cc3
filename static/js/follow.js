// Score and piano roll follow one clock: the player's position. Before: player.js. After: what the track page shows.

import { trackOf } from "./feedback.js";
import { PianoRoll } from "./piano_roll.js";
import { player } from "./player.js";

let page = null; // what the track page that is shown follows with
let frame = 0;

/** Gets ready the score and the piano roll of a track page. */
export function follow(root) {
  const article = root.matches?.("[data-track-page]") ? root : root.querySelector("[data-track-page]");
  if (!article) {
    if (!document.querySelector("[data-track-page]")) page = null;
    return;
  }
  page = { id: article.dataset.track, track: trackOf(article), roll: null, times: [], score: null, lit: [], at: -1 };
  loadRoll(article.querySelector("[data-roll]"), page);
  loadScore(article.querySelector("[data-score]"), page);
  tick();
}

async function loadRoll(canvas, mine) {
  try {
    mine.roll = new PianoRoll(canvas, await json(canvas.dataset.roll));
    canvas.addEventListener("click", (event) => seekTo(mine, mine.roll.secondsAt(event.clientX)));
    draw(mine);
  } catch {
    canvas.hidden = true;
  }
}

async function loadScore(place, mine) {
  try {
    const [text, times] = await Promise.all([get(place.dataset.score).then((response) => response.text()), json(place.dataset.scoreTimes)]);
    const picture = clean(new DOMParser().parseFromString(text, "image/svg+xml").documentElement);
    place.replaceChildren(document.importNode(picture, true));
    mine.score = place;
    mine.times = times;
    place.addEventListener("click", (event) => {
      const ids = new Set();
      for (let element = event.target; element && element !== place; element = element.parentNode) ids.add(element.dataset.id);
      const moment = mine.times.find((entry) => entry.ids.some((id) => ids.has(id)));
      if (moment) seekTo(mine, moment.seconds);
    });
  } catch {
    place.textContent = "The score can't be shown right now.";
  }
}

async function get(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return response;
}

const json = (address) => get(address).then((response) => response.json());

/** Only shapes and words: the page's own style sheet gives them their colours. */
function clean(svg) {
  for (const element of svg.querySelectorAll("style, script, foreignObject")) element.remove();
  return svg;
}

function seekTo(mine, seconds) {
  if (player.track?.id !== mine.id) player.start([mine.track]);
  player.seek(seconds);
  draw(mine);
}

function draw(mine) {
  const isCurrent = player.track?.id === mine.id;
  const seconds = isCurrent ? player.seconds : 0;
  mine.roll?.draw(seconds, isCurrent);
  if (mine.score) light(mine, isCurrent ? placeAt(mine.times, seconds) : -1);
}

/** The last entry that has begun, by bisection. */
function placeAt(times, seconds) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle].seconds <= seconds + 0.02) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function light(mine, place) {
  if (place === mine.at) return;
  mine.at = place;
  for (const element of mine.lit) element.classList.remove("sounding");
  mine.lit = (mine.times[place]?.ids ?? []).map((id) => mine.score.querySelector(`[data-id="${id}"]`)).filter(Boolean);
  for (const element of mine.lit) element.classList.add("sounding");
}

function tick() {
  cancelAnimationFrame(frame);
  if (!page) return;
  draw(page);
  if (player.isPlaying && player.track?.id === page.id) frame = requestAnimationFrame(tick);
}

for (const name of ["state", "track", "time"]) player.addEventListener(name, tick);
document.addEventListener("encore:theme", tick);
addEventListener("resize", tick);
