// One small chart per profile: the version's pieces beside people's tunes. Needs Chart.js of the admin's theme.

const profiles = JSON.parse(document.getElementById("measure-profiles").textContent);
const canvases = document.querySelectorAll("[data-profiles] canvas");

function colour(name) {
  return getComputedStyle(document.querySelector(".board")).getPropertyValue(name).trim();
}

function draw(canvas, { labels, pieces, people }) {
  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
  const axis = { ticks: { color: colour("--quiet") }, grid: { color: colour("--line"), drawTicks: false }, border: { display: false } };
  return new Chart(canvas, {
    type: "bar",
    data: {
      labels,
      datasets: [
        { label: "this version", data: pieces, backgroundColor: colour("--curve-1") },
        { label: "people", data: people, backgroundColor: colour("--curve-2") },
      ],
    },
    options: {
      animation: false, maintainAspectRatio: false, barPercentage: 1, categoryPercentage: 0.8,
      scales: { x: { ...axis, grid: { display: false }, ticks: { ...axis.ticks, maxRotation: 0, autoSkipPadding: 6 } }, y: { ...axis, ticks: { ...axis.ticks, maxTicksLimit: 4, callback: percent } } },
      plugins: { legend: { labels: { color: colour("--text"), boxWidth: 12 } }, tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${percent(item.parsed.y)}` } } },
    },
  });
}

let charts = profiles.map((profile, number) => draw(canvases[number], profile));
new MutationObserver(() => {
  charts.forEach((chart) => chart.destroy());
  charts = profiles.map((profile, number) => draw(canvases[number], profile));
}).observe(document.documentElement, { attributeFilter: ["class"] });
