"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const single = page.runs.length === 1;

// Samples: one slider over all steps that any run has a grid of; each run shows its last one up to there.
const steps = [...new Set(page.runs.flatMap((run) => run.grids.map((grid) => grid.step)))].sort((a, b) => a - b);
const slider = document.getElementById("time");
function show() {
  const step = steps[slider.value];
  document.getElementById("step").textContent = step.toLocaleString("en");
  for (const image of document.querySelectorAll("img[data-run]")) {
    const grids = page.runs[image.dataset.run].grids;
    const grid = grids.filter((each) => each.step <= step).at(-1) ?? grids[0];
    if (!grid) continue;
    image.src = grid.src;
    document.querySelector(`.shown[data-run="${image.dataset.run}"]`).textContent =
      `after ${grid.step.toLocaleString("en")} updates`;
  }
}
if (slider && steps.length) {
  slider.max = steps.length - 1;
  slider.value = steps.length - 1;
  slider.addEventListener("input", show);
  show();
}

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function specification(panel) {
  const values = page.runs.flatMap((run) => panel.keys.flatMap((key) =>
    (run.curves[key] ?? []).filter(([, value]) => value === null || !panel.log || value > 0)
      .map(([step, value]) => ({ step, value, curve: key, run: run.name }))));
  const axis = { labelColor: colour("--quiet"), titleColor: colour("--quiet"), gridColor: colour("--line"),
    domainColor: colour("--line"), tickColor: colour("--line") };
  const legend = { orient: "top", title: null, labelColor: colour("--text"), labelLimit: 400, columns: 2 };
  const lone = single && panel.keys.length === 1;
  const scale = panel.log ? { type: "log" } : { zero: false };
  const encoding = {
    x: { field: "step", type: "quantitative", title: null, axis: { tickCount: 5, format: "~s" } },
    y: { field: "value", type: "quantitative", title: null, scale, axis: { tickCount: 5, format: ".4~g" } },
    color: { field: single ? "curve" : "run", type: "nominal", legend: lone ? null : legend },
    tooltip: [{ field: "step", format: "," }, { field: "curve" }, { field: "run" }, { field: "value", format: ".4g" }],
  };
  if (!single && panel.keys.length > 1) encoding.strokeDash = { field: "curve", type: "nominal", legend };
  const line = { mark: { type: "line", strokeWidth: 1.6, point: values.length < 60 }, data: { values }, encoding };
  const found = (single ? page.runs[0].findings : []).map(([step, name]) => ({ step, name }));
  const rules = { mark: { type: "rule", color: colour("--bad"), opacity: 0.6 }, data: { values: found }, encoding: {
    x: { field: "step", type: "quantitative" }, tooltip: [{ field: "name" }, { field: "step", format: "," }] } };
  return { width: "container", height: 200, background: null, layer: found.length ? [line, rules] : [line],
    config: { view: { stroke: null }, axis, range: { category: { scheme: dark.matches ? "set2" : "dark2" } } } };
}

function draw() {
  const charts = document.getElementById("charts");
  charts.replaceChildren();
  for (const panel of page.panels) {
    const box = charts.appendChild(document.createElement("div"));
    box.className = "chart";
    box.appendChild(document.createElement("h3")).textContent = panel.title;
    const plot = box.appendChild(document.createElement("div"));
    plot.className = "plot";
    vegaEmbed(plot, specification(panel), { actions: false, renderer: "svg" }).catch((error) => console.error(error));
  }
}
draw();
dark.addEventListener("change", draw);

if (document.body.dataset.training === "yes") {
  setInterval(() => { if (!slider || slider.value === slider.max) location.reload(); }, 30000);
}
