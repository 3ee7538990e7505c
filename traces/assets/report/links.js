// Links of a fabric: how busy each is, from where to where, as a heat map and as a table.

const MATRIX_MOST = 90; // ends

function showLinks() {
  const { links } = report.explanation;
  const body = bodyOf("links");
  if (links.length === 0) {
    body.append(element("div", { class: "card" }, element("p", { class: "missing" },
      "This machine has no links that are units of their own; what went between its parts is under Channels.")));
    return;
  }
  const place = element("div", { class: "drawing" });
  const metrics = ["busy_share", "blocked_share"];
  const choose = tabs(["busy", "blocked"], (index) => place.replaceChildren(linkMap(links, metrics[index])));
  body.append(element("div", { class: "two" },
    element("div", { class: "card" }, element("div", { class: "tools" }, choose.bar, element("span", { class: "told" }, "from rows to columns"), element("span", { class: "gap" }),
      heatScale(element("span", { id: "most-load" }))), place),
    element("div", { class: "card" }, linkTable(links))));
  choose.select(0);
}

/** Where a link goes, if its name tells: `fabric.link[router[1],2]` from `router[1]` to `2`. */
function linkEnds(path) {
  const inner = /\[(.*)\]$/.exec(path)?.[1];
  if (inner === undefined) return null;
  let depth = 0;
  for (let n = 0; n < inner.length; n++) {
    if (inner[n] === "[") depth++;
    else if (inner[n] === "]") depth--;
    else if (inner[n] === "," && depth === 0) return [inner.slice(0, n).trim(), inner.slice(n + 1).trim()];
  }
  return null;
}

function linkMap(links, metric) {
  const ends = links.map((link) => linkEnds(link.path));
  const names = [...new Set(ends.filter(Boolean).flat())].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const most = Math.max(...links.map((link) => link[metric]), 1e-12);
  document.getElementById("most-load").textContent = `0 to ${percent(most)}`;
  const isMatrix = ends.every(Boolean) && names.length <= MATRIX_MOST;
  const cell = isMatrix ? Math.max(6, Math.min(20, 460 / names.length)) : 14;
  const left = isMatrix ? 62 : 0;
  const across = isMatrix ? names.length : Math.max(1, Math.floor(560 / cell));
  const down = isMatrix ? names.length : Math.ceil(links.length / across);
  const drawn = svg("svg", { width: left + across * cell + 2, height: left + down * cell + 2, role: "img", "aria-label": "Load of links, from rows to columns" });
  const index = new Map(names.map((name, n) => [name, n]));
  links.forEach((link, n) => {
    const [row, column] = isMatrix ? ends[n].map((name) => index.get(name)) : [Math.floor(n / across), n % across];
    const square = svg("rect", {
      x: left + column * cell, y: left + row * cell, width: cell - 1, height: cell - 1, fill: heatColour(link[metric] / most),
      stroke: "rgb(128 128 128 / .35)", "stroke-width": 0.5, "data-link": link.path,
    });
    addTooltip(square, () => element("div", {}, pathText(link.path), pairs([
      ["busy", percent(link.busy_share)], ["blocked", percent(link.blocked_share)], ["tokens", link.tokens === null ? "\u2013" : grouped(link.tokens)]])));
    drawn.append(square);
  });
  if (isMatrix) drawn.append(...names.flatMap((name, n) => endNames(name, n, cell, left)));
  return drawn;
}

function endNames(name, n, cell, left) {
  if (cell < 10) return [];
  const text = name.replace("router", "r");
  const middle = left + (n + 0.5) * cell;
  return [
    svg("text", { class: "small", x: left - 5, y: middle + 3, "text-anchor": "end" }, text),
    svg("text", { class: "small", transform: `translate(${middle + 3} ${left - 5}) rotate(-90)` }, text),
  ];
}

function linkTable(links) {
  return sortableTable([
    { title: "link", cell: ({ item }) => pathText(item.path), value: ({ item }) => item.path },
    { title: "busy", number: true, cell: ({ n }) => shown(`/explanation/links/${n}/busy_share`, percent), value: ({ item }) => item.busy_share },
    { title: "blocked", number: true, cell: ({ n }) => shown(`/explanation/links/${n}/blocked_share`, percent), value: ({ item }) => item.blocked_share },
    { title: "tokens", number: true, cell: ({ n }) => shown(`/explanation/links/${n}/tokens`, grouped), value: ({ item }) => item.tokens },
  ], links.map((item, n) => ({ item, n })), { filter: ({ item }) => item.path });
}

function showChannels(channels) {
  const body = bodyOf("channels");
  if (channels.length === 0) {
    body.append(element("div", { class: "card" }, element("p", { class: "missing" }, "The run does not tell of its channels; run it anew with --out DIR.")));
    return;
  }
  body.append(element("div", { class: "card" }, sortableTable([
    { title: "from", cell: (row) => pathText(row.sources), value: (row) => row.sources },
    { title: "to", cell: (row) => pathText(row.target), value: (row) => row.target },
    { title: "slots", number: true, cell: (row) => slotsText(row.slots), value: (row) => row.slots ?? Infinity },
    { title: "latency [cycles]", number: true, cell: (row) => cyclesText(row.latency), value: (row) => row.latency },
    { title: "tokens", number: true, cell: (row) => grouped(row.tokens), value: (row) => row.tokens },
    { title: "peak", number: true, cell: (row) => (row.peak === null ? "\u2013" : grouped(row.peak)), value: (row) => row.peak },
  ], channels, { filter: (row) => `${row.sources} ${row.target}` })));
}

const slotsText = (slots) => (slots === null ? "unbounded" : grouped(slots));
