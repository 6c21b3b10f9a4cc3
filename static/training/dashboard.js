// The dashboard's moving parts: curves and log of a run, comparison of two, ticked runs. Needs Chart.js, which the admin's theme ships.

const POLL_MILLISECONDS = 2000;

function colour(name) {
  return getComputedStyle(document.querySelector(".board")).getPropertyValue(name).trim();
}

function words(name) {
  return name.replaceAll("_", " ").replaceAll(".", " · ");
}

function short(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** Small charts, one per curve, in the order in which the curves appear. */
class Curves {
  constructor(place) {
    this.place = place;
    this.charts = new Map();
    // A figure told once is no curve: a tile holds it.
    this.tiles = document.createElement("div");
    this.tiles.className = "tiles";
    place.after(this.tiles);
    new MutationObserver(() => this.recolour()).observe(document.documentElement, { attributeFilter: ["class"] });
  }

  /** `series`: list of {label, points: [[step, value], …]}. */
  show(name, series) {
    const known = this.charts.get(name);
    const datasets = series.map((one) => one.points.map(([x, y]) => ({ x, y })));
    if (known) {
      known.data.datasets.forEach((dataset, n) => { dataset.data = datasets[n]; });
      known.update("none");
    } else {
      this.charts.set(name, this.draw(name, series, datasets));
    }
    const home = series.some((one) => one.points.length > 1) ? this.place : this.tiles;
    const { panel } = this.charts.get(name);
    if (panel.parentNode !== home) home.append(panel);
    const last = series[0].points.at(-1);
    this.charts.get(name).valuePlace.textContent = series.length > 1
      ? series.map((one) => short(one.points.at(-1)?.[1])).join(" / ") : short(last?.[1]);
  }

  draw(name, series, datasets) {
    const panel = document.createElement("figure");
    panel.className = "panel curve";
    const head = document.createElement("figcaption");
    head.className = "curve-head";
    const title = document.createElement("span");
    title.textContent = words(name);
    const value = document.createElement("span");
    value.className = "curve-value";
    head.append(title, value);
    const plot = document.createElement("div");
    plot.className = "curve-plot";
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Curve of ${words(name)}`);
    plot.append(canvas);
    panel.append(head, plot);
    this.tiles.append(panel);
    const chart = new Chart(canvas, {
      type: "line",
      data: { datasets: datasets.map((data, n) => ({ label: series[n].label, data, borderWidth: 1.75, pointRadius: data.length > 1 ? 0 : 2.5, pointHitRadius: 8, tension: 0.15 })) },
      options: {
        animation: false, maintainAspectRatio: false, parsing: false, normalized: true, spanGaps: true,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: { display: false }, tooltip: { callbacks: { title: (items) => `step ${items[0].parsed.x}`, label: (item) => `${item.dataset.label}: ${short(item.parsed.y)}` } } },
        scales: { x: { type: "linear", ticks: { maxTicksLimit: 5 }, border: { display: false } }, y: { ticks: { maxTicksLimit: 4, callback: short }, border: { display: false } } },
      },
    });
    chart.valuePlace = value;
    chart.panel = panel;
    this.recolourOne(chart);
    return chart;
  }

  recolour() {
    this.charts.forEach((chart) => this.recolourOne(chart));
  }

  recolourOne(chart) {
    chart.data.datasets.forEach((dataset, n) => {
      dataset.borderColor = dataset.backgroundColor = colour(n ? "--curve-2" : "--curve-1");
      dataset.pointRadius = dataset.data.length > 1 ? 0 : 2.5;
    });
    Object.values(chart.options.scales).forEach((scale) => {
      scale.ticks.color = colour("--quiet");
      scale.grid = { color: colour("--line"), drawTicks: false };
    });
    chart.update("none");
  }
}

function secondsInWords(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function watchRun(head) {
  const curves = new Curves(document.querySelector("[data-curves]"));
  const log = document.querySelector("[data-log]");
  let lastLine = 0;
  let wasOver = true;

  function show(run) {
    const entries = Object.entries(run.curves);
    document.querySelector("[data-no-curves]").hidden = entries.length > 0;
    entries.forEach(([name, points]) => curves.show(name, [{ label: words(name), points }]));
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
    run.lines.forEach((line) => {
      const row = document.createElement("div");
      const time = document.createElement("time");
      time.dateTime = line.at;
      time.textContent = new Date(line.at).toLocaleTimeString([], { hour12: false });
      const text = document.createElement("span");
      text.textContent = line.text;
      row.append(time, text);
      log.append(row);
      lastLine = line.id;
    });
    if (isAtEnd) log.scrollTop = log.scrollHeight;
    const badge = head.querySelector("[data-status]");
    badge.className = `badge badge-${run.status}`;
    badge.textContent = run.status_words;
    const percent = `${Math.round(run.progress * 100)}%`;
    head.querySelector("[data-progress]").style.width = percent;
    head.querySelector("[role=progressbar]").setAttribute("aria-valuenow", percent.slice(0, -1));
    head.querySelector("[data-progress-words]").textContent = percent;
    if (run.seconds) head.querySelector("[data-duration]").textContent = secondsInWords(run.seconds);
    head.querySelector("[data-outcome]").textContent = run.outcome;
  }

  async function poll() {
    try {
      const answer = await fetch(`${head.dataset.run}?after=${lastLine}`, { headers: { Accept: "application/json" } });
      if (answer.ok) {
        const run = await answer.json();
        show(run);
        // The end brings a verdict, figures and other buttons: those the server draws.
        if (run.is_over && !wasOver) { location.reload(); return; }
        wasOver = run.is_over;
      }
    } catch { /* the server is away for a moment: the next poll finds it again */ }
    if (!wasOver) setTimeout(poll, POLL_MILLISECONDS);
  }

  const first = JSON.parse(document.getElementById("live-run").textContent);
  show(first);
  wasOver = first.is_over;
  if (!wasOver) setTimeout(poll, POLL_MILLISECONDS);
}

function compareCurves(place) {
  const { runs, curves } = JSON.parse(document.getElementById("compared-curves").textContent);
  const charts = new Curves(place);
  Object.entries(curves).forEach(([name, byRun]) => {
    charts.show(name, runs.map((run) => ({ label: `run ${run}`, points: byRun[run] ?? [] })));
  });
  const table = document.querySelector("[data-differences]");
  const only = document.querySelector("[data-only-differences]");
  const apply = () => table.classList.toggle("only-differences", only.checked);
  only.addEventListener("change", apply);
  apply();
}

/** Ticks survive the table's renewal every two seconds; the third tick drops the first. */
function chooseTwo() {
  let chosen = [];
  function apply() {
    const form = document.querySelector("[data-compare]");
    if (!form) return;
    document.querySelectorAll("[data-compare-run]").forEach((box) => { box.checked = chosen.includes(box.value); });
    form.querySelector("button").disabled = chosen.length !== 2;
  }
  document.addEventListener("change", (event) => {
    const box = event.target.closest?.("[data-compare-run]");
    if (!box) return;
    chosen = chosen.filter((run) => run !== box.value);
    if (box.checked) chosen = [...chosen, box.value].slice(-2);
    apply();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-compare]")) return;
    event.preventDefault();
    location.href = `${event.target.action}?first=${chosen[0]}&second=${chosen[1]}`;
  });
  document.addEventListener("htmx:afterSwap", apply);
  apply();
}

const head = document.querySelector("[data-run]");
const compared = document.querySelector("[data-compared-curves]");
if (head) watchRun(head);
if (compared) compareCurves(compared);
if (document.querySelector("[data-live]")) chooseTwo();
