// Stall stacks: for each layer, group and unit where its time went, as bars that are whole and in numbers.

const STACKED = ["busy", "programming", "wait-resource", "blocked-output", "wait-input", "finished"];

function showStacks() {
  const { explanation } = report;
  const place = element("div");
  const choose = tabs(["layers", "groups", "units"], (index) => place.replaceChildren([layerTable, groupTable, unitTable][index]()));
  bodyOf("stacks").append(element("div", { class: "card" },
    element("div", { class: "tools" }, choose.bar, element("span", { class: "gap" }), categoryLegend(explanation)), place));
  choose.select(0);
}

function categoryLegend() {
  return element("span", { class: "legend" }, STACKED.map((category) => element("span", {}, swatchOf(category), CATEGORY_LABELS[category])));
}

function swatchOf(category) {
  const swatch = element("i", { class: "swatch" });
  swatch.style.background = categoryColour(category);
  return swatch;
}

/** A bar of the time of some units by category; it is as long as all of it. */
function stackBar(cycles) {
  const total = sumOf(Object.values(cycles));
  const bar = element("div", { class: "stack", "data-total": total });
  for (const category of STACKED) {
    const part = cycles[category] ?? 0;
    if (!part) continue;
    const piece = element("i", { "data-category": category, "data-share": part / total });
    piece.style.width = `${(100 * part) / total}%`;
    piece.style.background = categoryColour(category);
    bar.append(piece);
  }
  addTooltip(bar, () => element("div", {}, pairs(STACKED.filter((category) => cycles[category]).map((category) =>
    [CATEGORY_LABELS[category], `${percent(cycles[category] / total)}, ${cyclesText(cycles[category])} cycles`]))));
  return bar;
}

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/** Columns that stacks of layers, groups and units have in common. */
function stackColumns(list, cyclesOf) {
  const shareOf = (category) => ({
    title: { "wait-input": "waits for input", "blocked-output": "blocked", "wait-resource": "for a resource" }[category],
    number: true,
    cell: ({ item }) => { const share = part(item, category); return element("span", { class: "number" }, share === null ? "\u2013" : percent(share)); },
    value: ({ item }) => part(item, category),
  });
  function part(item, category) {
    const cycles = cyclesOf(item);
    const total = sumOf(Object.values(cycles));
    return total ? (cycles[category] ?? 0) / total : null;
  }
  return [
    { title: "time", wide: true, cell: ({ item }) => (sumOf(Object.values(cyclesOf(item))) ? stackBar(cyclesOf(item)) : "no units") },
    { title: "busy", number: true, cell: ({ n }) => shown(`/explanation/${list}/${n}/busy_share`, percent), value: ({ item }) => item.busy_share },
    { title: "programming", number: true, cell: ({ n }) => shown(`/explanation/${list}/${n}/programming_share`, percent), value: ({ item }) => item.programming_share },
    shareOf("wait-input"), shareOf("blocked-output"), shareOf("wait-resource"),
  ];
}

function energyColumn(list) {
  return { title: "energy", number: true, cell: ({ n }) => shown(`/explanation/${list}/${n}/energy_j`, joules), value: ({ item }) => item.energy_j };
}

function sharedTable(list, nameKey, title) {
  return sortableTable([
    { title, cell: ({ item }) => pathText(item[nameKey]), value: ({ item }) => item[nameKey] },
    { title: "units", number: true, cell: ({ n }) => shown(`/explanation/${list}/${n}/units`, grouped), value: ({ item }) => item.units },
    ...stackColumns(list, (item) => item.cycles),
    energyColumn(list),
  ], report.explanation[list].map((item, n) => ({ item, n })), { filter: ({ item }) => item[nameKey] });
}

const layerTable = () => sharedTable("layers", "layer", "layer");
const groupTable = () => sharedTable("groups", "group", "group");

function unitTable() {
  return sortableTable([
    { title: "unit", cell: ({ item }) => pathText(item.path), value: ({ item }) => item.path },
    { title: "layer", cell: ({ item }) => item.layer ?? "shared", value: ({ item }) => item.layer ?? "shared" },
    ...stackColumns("units", (item) => byCategory(item.cycles)),
  ], report.explanation.units.map((item, n) => ({ item, n })), { filter: ({ item }) => `${item.path} ${item.layer ?? ""}` });
}

function byCategory(cycles) {
  const sums = {};
  for (const [state, time] of Object.entries(cycles)) {
    const category = state.split(":")[0];
    sums[category] = (sums[category] ?? 0) + time;
  }
  return sums;
}
