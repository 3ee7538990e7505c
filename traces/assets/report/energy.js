// Energy: a table of layers and components, coloured by how much each cell holds.

function showEnergy() {
  const body = bodyOf("energy");
  const { energy } = report.explanation;
  if (energy === null) {
    body.append(element("div", { class: "card" }, element("p", { class: "missing" }, "The run does not tell what its parts cost; run it anew with --out DIR.")));
    return;
  }
  const cells = energy.by_layer_and_component.map((item, n) => ({ ...item, pointer: `/explanation/energy/by_layer_and_component/${n}/energy_j` }));
  const sums = (key) => cells.reduce((found, cell) => found.set(cell[key], (found.get(cell[key]) ?? 0) + cell.energy_j), new Map());
  const [layers, components] = [sums("layer"), sums("component")];
  const names = [...components.keys()].sort((a, b) => components.get(b) - components.get(a));
  const most = Math.max(...cells.map((cell) => cell.energy_j), 0);
  const order = new Map(report.explanation.layers.map((layer, n) => [layer.layer, n]));
  const rows = [...layers.keys()].sort((a, b) => (order.get(a) ?? 1e9) - (order.get(b) ?? 1e9)).map((layer) => ({
    layer, total: layers.get(layer), cells: new Map(cells.filter((cell) => cell.layer === layer).map((cell) => [cell.component, cell])),
  }));
  const table = sortableTable([
    { title: "layer", cell: (row) => row.layer, value: (row) => row.layer },
    ...names.map((name) => ({
      title: name, number: true, heat: true, value: (row) => row.cells.get(name)?.energy_j ?? 0,
      cell: (row) => energyCell(row.cells.get(name), most),
    })),
    { title: "all", number: true, cell: (row) => element("span", { class: "number" }, joules(row.total)), value: (row) => row.total },
    { title: "share", number: true, cell: (row) => percent(energy.total ? row.total / energy.total : 0), value: (row) => row.total },
  ], rows, { filter: (row) => row.layer });
  table.querySelector("table").append(element("tfoot", {}, element("tr", {}, element("th", {}, "all layers"),
    names.map((name) => element("th", { class: "number" }, joules(components.get(name)))),
    element("th", { class: "number" }, shown("/explanation/energy/total", joules)), element("th", { class: "number" }, percent(1)))));
  body.append(element("div", { class: "card" }, componentBar(names, components, energy.total), table));
}

function energyCell(cell, most) {
  if (cell === undefined || cell.energy_j === 0) return "\u00b7";
  const made = shown(cell.pointer, joules);
  const colour = heatColour(0.75 * Math.sqrt(cell.energy_j / most));
  requestAnimationFrame(() => {
    const place = made.closest("td");
    if (place === null) return;
    place.style.background = colour;
    place.style.color = inkOn(colour);
  });
  return made;
}

function componentBar(names, components, total) {
  const bar = element("div", { class: "stack" });
  bar.style.height = "22px";
  const legend = element("div", { class: "legend" });
  names.forEach((name, n) => {
    const colour = report.colours.work[n % report.colours.work.length];
    const piece = element("i");
    piece.style.width = `${total ? (100 * components.get(name)) / total : 0}%`;
    piece.style.background = colour;
    addTooltip(piece, () => element("div", {}, name, pairs([["energy", joules(components.get(name))], ["share", percent(components.get(name) / total)]])));
    bar.append(piece);
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = colour;
    legend.append(element("span", {}, swatch, `${name} ${percent(total ? components.get(name) / total : 0)}`));
  });
  legend.style.marginBottom = ".8rem";
  return element("div", {}, bar, legend);
}
