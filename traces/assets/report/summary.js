// What was run and how it went: the figures people ask for first, and why it took as long as it did.

function showSummary() {
  const { summary, explanation } = report;
  const body = bodyOf("summary");
  body.append(element("div", { class: "cards" }, summaryCards(summary).map(([label, figure, ...below]) =>
    element("div", { class: "card" }, element("div", { class: "label" }, label), element("div", { class: "figure" }, figure),
      below.filter(Boolean).map((parts) => element("div", { class: "below" }, parts))))));
  if (summary.networks) body.append(networksCard(summary.networks));
  if (summary.load) body.append(loadCard());
  if (explanation.bottlenecks.length) body.append(bottlenecksCard(explanation.bottlenecks));
  const notes = [...(summary.notes ?? []), ...(explanation.notes ?? [])];
  if (notes.length) body.append(element("div", { class: "card" }, element("h3", {}, "Notes"), notes.map((note) => element("p", { class: "note" }, note))));
}

function summaryCards(summary) {
  const at = (key, format) => shown(`/summary/${key}`, format);
  const has = (key) => lookup(`/summary/${key}`) !== null;
  return [
    ["makespan", [at("cycles", cyclesText), " cycles"], [at("time_s", seconds), " at ", at("clock_hz", (hz) => quantity(hz, "Hz"))],
      [at("images", grouped), summary.images === 1 ? " image" : " images"]],
    ["throughput", [at("throughput_per_s", (value) => quantity(value, "/s"))],
      has("initiation_interval_cycles") && ["an image every ", at("initiation_interval_cycles", cyclesText), " cycles"]],
    has("latency_s/mean") && ["latency of an image", [at("latency_s/mean", seconds)],
      ["first ", at("latency_s/first", seconds)], ["p99 ", at("latency_s/p99", seconds), ", most ", at("latency_s/max", seconds)]],
    has("energy_j/total") && ["energy", [at("energy_j/total", joules)], has("power_w/mean") && [at("power_w/mean", (watt) => quantity(watt, "W")), " on average"]],
    ["computed", [at("tops", (tops) => quantity(tops * 1e12, "OP/s"))],
      has("peak_tops") && ["of at most ", at("peak_tops", (tops) => quantity(tops * 1e12, "OP/s"))],
      has("tops_per_w") && [at("tops_per_w", significant), " TOPS/W"]],
    ["values", valuesFigure(summary), has("accuracy") && ["accuracy of ", at("images", grouped), " images"], summary.values !== "off" && [goldenText(summary)]],
    ["machine", [at("units", grouped), " units"], has("area_mm2/total") && [at("area_mm2/total", significant), " mm\u00b2"],
      has("chips") && [at("chips", grouped), summary.chips === 1 ? " chip" : " chips"]],
    roofCard(),
  ].filter(Boolean);
}

function valuesFigure(summary) {
  if (summary.accuracy !== null) return [shown("/summary/accuracy", percent)];
  return [summary.values];
}

function goldenText({ outputs_match_golden: match }) {
  if (match === null) return "not compared with the golden reference";
  return match ? "\u2713 equal to the golden reference" : "\u2717 differs from the golden reference";
}

function roofCard() {
  const roof = report.explanation.roofline;
  if (!roof || roof.bound === null || roof.bound === undefined) return null;
  const under = { arrays: "of what the arrays can do", input: "of what its input allows" }[roof.bound] ?? roof.bound;
  return ["roofline", [shown("/explanation/roofline/roof_share", percent)], [under],
    [shown("/explanation/roofline/operations_per_byte", significant), " operations a byte of input"]];
}

function bottlenecksCard(bottlenecks) {
  return element("div", { class: "card" }, element("h3", {}, "Why it took this long"),
    element("ol", { class: "reasons" }, bottlenecks.map((found, n) => element("li", {},
      element("span", { class: "rank" }, String(found.rank)), element("span", {}, found.sentence), shareBar(`/explanation/bottlenecks/${n}/share`),
      found.advice || found.parameter
        ? element("span", { class: "advice" }, found.advice ?? "", found.parameter ? [" ", element("code", {}, found.parameter)] : null) : null))));
}

function networksCard(networks) {
  const at = (n, key, format) => shown(`/summary/networks/${n}/${key}`, format);
  return element("div", { class: "card" }, element("h3", {}, "Networks that share the machine"), sortableTable([
    { title: "network", cell: ({ net }) => net.workload, value: ({ net }) => net.workload },
    { title: "images", number: true, cell: ({ n }) => at(n, "images", grouped), value: ({ net }) => net.images },
    { title: "cycles", number: true, cell: ({ n }) => at(n, "cycles", cyclesText), value: ({ net }) => net.cycles },
    { title: "interval [cycles]", number: true, cell: ({ n }) => at(n, "initiation_interval_cycles", cyclesText), value: ({ net }) => net.initiation_interval_cycles },
    { title: "mean latency", number: true, cell: ({ n }) => at(n, "latency_s/mean", seconds), value: ({ net }) => net.latency_s.mean },
    { title: "slower than alone", number: true, cell: ({ n }) => at(n, "slowdown/latency", (x) => `${significant(x)} \u00d7`), value: ({ net }) => net.slowdown?.latency ?? null },
    { title: "energy", number: true, cell: ({ n }) => at(n, "energy_j", joules), value: ({ net }) => net.energy_j },
  ], networks.map((net, n) => ({ net, n }))));
}

function loadCard() {
  const at = (key, format) => shown(`/summary/load/${key}`, format);
  return element("div", { class: "card" }, element("h3", {}, "Requests over time"), pairs([
    ["arrivals", String(report.summary.load.arrivals)],
    ["offered, completed", element("span", {}, at("offered_per_s", (x) => quantity(x, "/s")), ", ", at("completed_per_s", (x) => quantity(x, "/s")))],
    ["latency: mean, p50, p99", element("span", {}, at("latency_s/mean", seconds), ", ", at("latency_s/p50", seconds), ", ", at("latency_s/p99", seconds))],
    ["of it in the queue: mean, p99", element("span", {}, at("queueing_s/mean", seconds), ", ", at("queueing_s/p99", seconds))],
    ["requests there on average", at("in_system_mean", significant)],
  ]));
}
