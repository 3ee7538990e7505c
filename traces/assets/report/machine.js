// The machine: a box for each group of units, a cell for each unit in it, and the channels between groups.

const CELL_GAP = 1;
const LETTER = 6.5; // [pixel] that a letter of a name is wide, about
const NODE_WIDTHS = [96, 168]; // [pixel] that a box has at least, and for its name
const COLUMN_GAP = 46;
const ROW_GAP = 14;
const LINE_GAP = 34;
const ABOVE = 34; // room for curves over the first line
const STACK_MOST = 6; // groups on top of each other
const CELLS_MOST = 6000; // drawn one by one in all

function showMachine(channels) {
  const metrics = [["busy", "busy"], ["programming", "programming"], ["wait-input", "waits for input"], ["blocked-output", "blocked by output"], ["wait-resource", "waits for a resource"]];
  const drawing = element("div", { class: "drawing" });
  const choose = tabs(metrics.map(([, title]) => title), (index) => drawing.replaceChildren(machineDrawing(channels, metrics[index][0], drawing)));
  bodyOf("machine").append(element("div", { class: "card" },
    element("div", { class: "tools" }, element("span", { class: "told" }, "each cell is a unit, its colour the share of the makespan in which it"), choose.bar,
      element("span", { class: "gap" }), heatScale("0 to 100\u2009%, 25\u2009% in the middle")), drawing));
  requestAnimationFrame(() => choose.select(0));
  new ResizeObserver(watchWidth(drawing, () => choose.select(metrics.findIndex((_, n) => choose.bar.children[n].getAttribute("aria-selected") === "true")))).observe(drawing);
}

/** Call `act` when an element has another width than when it was last called. */
function watchWidth(target, act) {
  let width = null;
  return () => {
    if (width !== null && Math.abs(target.clientWidth - width) > 40) act();
    width = target.clientWidth;
  };
}

function machineDrawing(channels, metric, place) {
  const groups = groupBoxes(metric);
  const edges = edgesBetween(channels, groups);
  const ranks = ranked(groups, edges);
  const { width, height } = placed(ranks, Math.max(place.clientWidth - 4, 480));
  const drawn = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Groups of units and the channels between them" });
  drawn.append(svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" },
    svg("path", { d: "M0 0 8 4 0 8z", fill: themeColour("--faint") }))));
  drawn.append(svg("g", { class: "edges" }, edges.map((edge) => edgeCurve(edge))));
  for (const box of groups.values()) drawn.append(boxDrawing(box));
  return drawn;
}

function groupBoxes(metric) {
  const { groups, units } = report.explanation;
  const boxes = new Map(groups.filter((group) => group.units > 0).map((group) => [group.group, { name: group.group, group, shares: [], paths: [] }]));
  for (const unit of units) {
    const box = boxes.get(unit.group);
    if (!box) continue;
    const cycles = byCategory(unit.cycles);
    const total = sumOf(Object.values(cycles));
    const spent = cycles[metric] ?? 0;
    box.paths.push(unit.path);
    box.shares.push(total ? spent / total : 0);
  }
  const single = units.length > CELLS_MOST;
  for (const box of boxes.values()) sizeBox(box, single);
  return boxes;
}

/** Choose how large a group's cells are, and so its box; of very many units a box is one cell, their mean. */
function sizeBox(box, single) {
  if (single) Object.assign(box, { paths: [box.name], shares: [sumOf(box.shares) / Math.max(box.shares.length, 1)] });
  const count = box.shares.length;
  box.cell = count <= 8 ? 16 : count <= 32 ? 11 : count <= 200 ? 7 : 5;
  const least = Math.min(NODE_WIDTHS[1], Math.max(NODE_WIDTHS[0], shortest(box.name).length * LETTER + 16));
  const most = Math.floor((Math.max(least, Math.sqrt(count) * box.cell * 1.6) - 16) / box.cell);
  box.across = Math.max(1, Math.min(count, most));
  const down = Math.ceil(count / box.across);
  box.width = Math.max(least, box.across * box.cell + 16);
  box.height = 24 + down * box.cell + 8;
}

/** How many tokens went from one group to another. */
function edgesBetween(channels, groups) {
  const found = new Map();
  for (const channel of channels) {
    for (const source of channel.source_groups) {
      if (source === channel.target_group || !groups.has(source) || !groups.has(channel.target_group)) continue;
      const key = JSON.stringify([source, channel.target_group]);
      const edge = found.get(key) ?? { source: groups.get(source), target: groups.get(channel.target_group), tokens: 0, channels: 0 };
      edge.tokens += channel.tokens;
      edge.channels++;
      found.set(key, edge);
    }
  }
  return [...found.values()];
}

/** Groups in columns, each behind those that it gets tokens from; those without channels in a column of their own. */
function ranked(groups, edges) {
  const order = new Map([...groups.keys()].map((name, n) => [name, n]));
  const into = new Map([...groups.keys()].map((name) => [name, []]));
  const joined = new Set();
  for (const { source, target } of edges) {
    joined.add(source.name).add(target.name);
    if (order.get(source.name) < order.get(target.name)) into.get(target.name).push(source);
  }
  const columns = [];
  const alone = [];
  for (const box of groups.values()) {
    if (!joined.has(box.name)) {
      alone.push(box);
      continue;
    }
    box.rank = Math.max(-1, ...into.get(box.name).map((source) => source.rank)) + 1;
    (columns[box.rank] ??= []).push(box);
  }
  return [...columns.filter(Boolean), ...(alone.length ? [alone] : [])];
}

/** Give every box its place: columns side by side, as many in a line as there is room for. */
function placed(columns, room) {
  let [x, y, lineHeight, lineNumber, widest] = [2, ABOVE, 0, 0, 0];
  for (const column of columns) {
    const stacks = [];
    for (let n = 0; n < column.length; n += STACK_MOST) stacks.push(column.slice(n, n + STACK_MOST));
    for (const stack of stacks) {
      const width = Math.max(...stack.map((box) => box.width));
      const height = sumOf(stack.map((box) => box.height + ROW_GAP)) - ROW_GAP;
      if (x > 2 && x + width > room) [x, y, lineHeight, lineNumber] = [2, y + lineHeight + LINE_GAP, 0, lineNumber + 1];
      let top = y;
      for (const box of stack) {
        Object.assign(box, { x, y: top, line: lineNumber });
        top += box.height + ROW_GAP;
      }
      lineHeight = Math.max(lineHeight, height);
      widest = Math.max(widest, x + width);
      x += width + (stack === stacks.at(-1) ? COLUMN_GAP : ROW_GAP);
    }
  }
  return { width: Math.ceil(widest + 2), height: Math.ceil(y + lineHeight + 4) };
}

function edgeCurve({ source, target, tokens, channels }) {
  const [x0, y0, x1, y1] = [source.x + source.width, source.y + source.height / 2, target.x, target.y + target.height / 2];
  let d;
  if (source.line === target.line && x1 > x0) {
    const bend = Math.max(18, (x1 - x0) / 2);
    const over = x1 - x0 > 1.6 * COLUMN_GAP ? -Math.min(46, 10 + (x1 - x0) / 9) - source.height / 2 : 0; // above the boxes between
    d = `M${x0} ${y0}C${x0 + bend} ${y0 + over} ${x1 - bend} ${y1 + over} ${x1} ${y1}`;
  } else {
    const [sx, sy, tx, ty] = [source.x + source.width / 2, source.y + source.height, target.x + target.width / 2, target.y];
    const down = ty > sy;
    d = down ? `M${sx} ${sy}C${sx} ${sy + 26} ${tx} ${ty - 26} ${tx} ${ty}` : `M${x0} ${y0}C${x0 + 40} ${y0 - 60} ${x1 - 40} ${y1 - 60} ${x1} ${y1}`;
  }
  const curve = svg("path", { class: "edge", d, "stroke-width": (0.8 + Math.min(3, Math.log10(1 + tokens) * 0.5)).toFixed(2), "marker-end": "url(#arrow)" });
  addTooltip(curve, () => element("div", {}, pathText(`${source.name} \u2192 ${target.name}`),
    pairs([["tokens", grouped(tokens)], ["channels", grouped(channels)]])));
  return curve;
}

function boxDrawing(box) {
  const drawn = svg("g", { transform: `translate(${box.x} ${box.y})`, "data-group": box.name });
  drawn.append(svg("rect", { class: "node", width: box.width, height: box.height, rx: 5 }));
  drawn.append(svg("text", { x: 8, y: 16 }, shortName(box.name, box.width)));
  const byColour = new Map();
  box.shares.forEach((share, n) => {
    const colour = heatColour(Math.round(Math.sqrt(share) * 20) / 20); // so that small shares differ, too
    const [x, y] = [8 + (n % box.across) * box.cell, 24 + Math.floor(n / box.across) * box.cell];
    const size = box.cell - CELL_GAP;
    byColour.set(colour, `${byColour.get(colour) ?? ""}M${x} ${y}h${size}v${size}h-${size}z`);
  });
  for (const [fill, d] of byColour) drawn.append(svg("path", { d, fill, stroke: "rgb(128 128 128 / .3)", "stroke-width": 0.5 }));
  addTooltip(drawn, (event) => {
    const corner = drawn.getBoundingClientRect();
    const column = Math.floor((event.clientX - corner.left - 8) / box.cell);
    const n = Math.floor((event.clientY - corner.top - 24) / box.cell) * box.across + column;
    if (column >= 0 && column < box.across && n >= 0 && n < box.shares.length) {
      return element("div", {}, pathText(box.paths[n]), element("div", {}, percent(box.shares[n])));
    }
    return element("div", {}, pathText(box.name), stackPairs(box.group));
  });
  return drawn;
}

function stackPairs({ units, cycles, energy_j: energy }) {
  const total = sumOf(Object.values(cycles));
  return pairs([["units", grouped(units)], ...STACKED.filter((category) => cycles[category]).map((category) =>
    [CATEGORY_LABELS[category], percent(cycles[category] / total)]), ...(energy === null ? [] : [["energy", joules(energy)]])]);
}

const shortest = (name) => /\[([^\]]*)\]$/.exec(name)?.[1] ?? name;

/** What a box has room for of a name: what is in its last brackets, its end if that is still too much. */
function shortName(name, width) {
  const room = Math.floor((width - 14) / LETTER);
  if (name.length <= room) return name;
  const inner = shortest(name);
  return inner.length <= room ? inner : `\u2026${inner.slice(inner.length - room + 1)}`;
}
