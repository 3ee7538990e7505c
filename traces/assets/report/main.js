// Opens the page: what people look at first comes first, the rest when the browser has time.

async function openReport() {
  report.summary = JSON.parse(document.getElementById("summary-json").textContent);
  const [explanation, style] = await Promise.all([readJson("explanation"), readJson("style")]);
  Object.assign(report, { explanation, colours: style.colours });
  document.getElementById("contents").append(...[...document.querySelectorAll("section")].map((section) =>
    element("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)));
  showSummary();
  const timeline = await openTimeline();
  await rest();
  const channels = await readJson("channels", []);
  for (const show of [
    showStacks, () => showMachine(channels), showLinks, () => showBuffers(timeline), showEnergy, () => showPath(timeline),
    () => showChannels(channels), showConfiguration,
  ]) {
    await show();
    await rest();
  }
  return { ...report, timeline };
}

/** Let the browser draw and listen. */
const rest = () => new Promise((resume) => setTimeout(resume));

async function openTimeline() {
  const [about, groupBins, path, images] = await Promise.all(
    [readJson("timeline"), readColumns("group-bins"), readColumns("path"), readJson("images")]);
  if (about === null) {
    bodyOf("timeline").append(element("div", { class: "card" }, element("p", { class: "missing" },
      `Nothing was recorded, so that there is no timeline; ${toRecord()}.`)));
    return null;
  }
  const data = new TimelineData(about, groupBins, () => timeline.draw());
  const timeline = new Timeline(data, path === null ? null : unpackedPath(path, data), images);
  return timeline;
}

/** Steps of the critical path: lane, kind (-1 of what is no unit's state, as a transfer), state, start and duration. */
function unpackedPath({ lane, state, duration }, data) {
  const kindOf = new Map(data.states.map((name, index) => [name, data.kind_of_state[index]]));
  const kinds = data.path_states.map((name) => kindOf.get(name) ?? -1);
  const start = new Float64Array(duration.length);
  for (let n = 1; n < start.length; n++) start[n] = start[n - 1] + duration[n - 1];
  return { lane, state, kind: Int8Array.from(state, (index) => kinds[index]), start, duration };
}

async function showConfiguration() {
  const config = await readJson("configuration", "");
  const figures = JSON.stringify(report.summary, null, 2);
  bodyOf("configuration").append(
    element("div", { class: "card" }, element("details", {}, element("summary", {}, "config.yaml: repeats this run"), element("pre", {}, config))),
    element("div", { class: "card" }, element("details", {}, element("summary", {}, "summary.json: every figure of the run"), element("pre", {}, figures))));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
}

/** For whoever drives this page from outside: fulfilled when all is shown. */
window.imcsimReport = openReport();
