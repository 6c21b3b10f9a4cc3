// Predicted against observed lift on one plot, with both intervals; on the dashed line both agree. Needs Chart.js of the admin's theme.

const canvas = document.querySelector("[data-lifts]");
const points = JSON.parse(document.getElementById("lift-points").textContent);

function colour(name) {
  return getComputedStyle(document.querySelector(".board")).getPropertyValue(name).trim();
}

function short(value) {
  return value === null ? "–" : String(Number(value.toPrecision(3)));
}

/** Both intervals of each point as a cross, drawn under the points. */
const intervals = {
  id: "intervals",
  beforeDatasetsDraw({ ctx, scales: { x, y } }) {
    ctx.save();
    ctx.strokeStyle = colour("--quiet");
    for (const { predicted, observed } of points) {
      ctx.beginPath();
      if (predicted[0] !== null) { ctx.moveTo(x.getPixelForValue(predicted[0]), y.getPixelForValue(observed[1])); ctx.lineTo(x.getPixelForValue(predicted[2]), y.getPixelForValue(observed[1])); }
      if (observed[0] !== null) { ctx.moveTo(x.getPixelForValue(predicted[1]), y.getPixelForValue(observed[0])); ctx.lineTo(x.getPixelForValue(predicted[1]), y.getPixelForValue(observed[2])); }
      ctx.stroke();
    }
    ctx.restore();
  },
};

function axis(title, low, high) {
  return { type: "linear", min: low, max: high, title: { display: true, text: title, color: colour("--quiet") }, ticks: { color: colour("--quiet"), maxTicksLimit: 6 }, grid: { color: colour("--line"), drawTicks: false }, border: { display: false } };
}

function draw() {
  const all = points.flatMap(({ predicted, observed }) => [...predicted, ...observed]).filter((value) => value !== null).concat(0);
  const margin = 0.08 * (Math.max(...all) - Math.min(...all)) || 0.1;
  const [low, high] = [Math.min(...all) - margin, Math.max(...all) + margin];
  const shown = (wanted) => points.filter(({ is_canary }) => is_canary === wanted).map((one) => ({ x: one.predicted[1], y: one.observed[1], one }));
  return new Chart(canvas, {
    plugins: [intervals],
    data: {
      datasets: [
        { type: "scatter", label: "during a canary", data: shown(true), backgroundColor: colour("--curve-1"), pointRadius: 5 },
        { type: "scatter", label: "before and after", data: shown(false), backgroundColor: colour("--curve-2"), pointRadius: 5, pointStyle: "rectRot" },
        { type: "line", label: "both agree", data: [{ x: low, y: low }, { x: high, y: high }], borderColor: colour("--quiet"), borderDash: [4, 4], borderWidth: 1, pointRadius: 0 },
      ],
    },
    options: {
      animation: false, maintainAspectRatio: false,
      scales: { x: axis("predicted", low, high), y: axis("observed", low, high) },
      plugins: {
        legend: { labels: { color: colour("--text"), usePointStyle: true } },
        tooltip: { filter: (item) => item.datasetIndex < 2, callbacks: { label: ({ raw: { one } }) => `${one.label}: predicted ${short(one.predicted[1])}, observed ${short(one.observed[1])}` } },
      },
    },
  });
}

if (points.length) {
  let chart = draw();
  new MutationObserver(() => { chart.destroy(); chart = draw(); }).observe(document.documentElement, { attributeFilter: ["class"] });
} else {
  canvas.parentElement.hidden = true;
}
