// Memories: what each held over time, drawn for the one chosen, and their peaks.

const PLOT_HEIGHT = 170;
const PLOT_LEFT = 58;

async function showBuffers(timeline) {
  const { buffers } = report.explanation;
  const body = bodyOf("buffers");
  if (buffers.length === 0) {
    body.append(element("div", { class: "card" }, element("p", { class: "missing" }, "No memory of this machine is watched: its parts hand on what they make at once.")));
    return;
  }
  const [about, columns] = await Promise.all([readJson("buffers-about", []), readColumns("buffers")]);
  const plot = timeline && columns && about.length ? new BufferPlot(timeline, occupancies(about, columns)) : null;
  const fullest = buffers.reduce((best, buffer, n) => (fullness(buffer) > fullness(buffers[best]) ? n : best), 0);
  const table = sortableTable([
    { title: "memory", cell: ({ item }) => pathText(item.path), value: ({ item }) => item.path },
    { title: "slots", number: true, cell: ({ n, item }) => (item.slots === null ? "unbounded" : shown(`/explanation/buffers/${n}/slots`, grouped)), value: ({ item }) => item.slots ?? Infinity },
    { title: "peak", number: true, cell: ({ n }) => shown(`/explanation/buffers/${n}/peak`, grouped), value: ({ item }) => item.peak },
    { title: "mean", number: true, cell: ({ n }) => shown(`/explanation/buffers/${n}/mean`, significant), value: ({ item }) => item.mean },
    { title: "full", number: true, cell: ({ n }) => shown(`/explanation/buffers/${n}/full_share`, percent), value: ({ item }) => item.full_share },
  ], buffers.map((item, n) => ({ item, n })), {
    filter: ({ item }) => item.path,
    pick: plot ? ({ item }) => plot.choose(item.path) : undefined,
  });
  body.append(element("div", { class: "card" },
    plot ? plot.made : element("p", { class: "missing" }, `What memories held over time was not recorded; ${toRecord()}.`), table));
  if (plot) plot.choose(buffers[fullest].path);
}

const fullness = (buffer) => (buffer.full_share ?? 0) + (buffer.slots ? (buffer.peak / buffer.slots) * 1e-3 : 0);

/** What each memory held, by its path, out of the columns that hold all. */
function occupancies(about, columns) {
  const found = new Map();
  let at = 0;
  for (const { path, slots, entries, exact } of about) {
    const tick = new Float64Array(entries);
    for (let n = 0, sum = 0; n < entries; n++) tick[n] = sum += columns.step[at + n];
    found.set(path, { path, slots, exact, tick, low: columns.low.subarray(at, at + entries), high: columns.high.subarray(at, at + entries) });
    at += entries;
  }
  return found;
}

class BufferPlot {
  constructor(timeline, buffers) {
    this.timeline = timeline;
    this.buffers = buffers;
    this.canvas = element("canvas");
    this.told = element("span", { class: "told" });
    this.select = element("select", { "aria-label": "memory", onchange: (event) => this.choose(event.target.value) },
      [...buffers.keys()].map((path) => element("option", { value: path }, path)));
    this.place = element("div", {}, this.canvas);
    this.made = element("div", {}, element("div", { class: "tools" }, this.select, this.told), this.place);
    timeline.listeners.push(() => this.draw());
    addTooltip(this.canvas, (event) => this.tell(event));
    new ResizeObserver(() => this.draw()).observe(this.place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  choose(path) {
    if (!this.buffers.has(path)) return;
    this.chosen = this.buffers.get(path);
    this.select.value = path;
    this.told.textContent = "tokens held, in the timeline's window" + (this.chosen.exact ? "" : "; of so many changes the span between most and least is shown");
    this.draw();
  }

  draw() {
    const width = this.place.clientWidth;
    if (width === 0 || !this.chosen) return;
    const context = sized(this.canvas, width, PLOT_HEIGHT, devicePixelRatio);
    context.clearRect(0, 0, width, PLOT_HEIGHT);
    const { tick, low, high, slots } = this.chosen;
    const [from, to] = [this.timeline.from, this.timeline.to];
    const most = Math.max(slots ?? 0, high.reduce((peak, value) => Math.max(peak, value), 1));
    const bottom = PLOT_HEIGHT - 22;
    const x = (at) => PLOT_LEFT + ((at - from) / (to - from)) * (width - PLOT_LEFT - 8);
    const y = (held) => bottom - (held / most) * (bottom - 12);
    this.scale = { from, to, width };
    this.axes(context, x, y, width, bottom, most);
    context.save();
    context.beginPath();
    context.rect(PLOT_LEFT, 0, width - PLOT_LEFT - 8, PLOT_HEIGHT);
    context.clip();
    const first = Math.max(0, lastNotAfter(tick.length, (n) => tick[n], from));
    context.fillStyle = context.strokeStyle = themeColour("--accent");
    context.lineWidth = 1.4;
    context.beginPath();
    let before = tick.length && tick[first] <= from ? high[first] : 0;
    context.moveTo(x(from), y(before));
    for (let n = first; n < tick.length && tick[n] <= to; n++) {
      const [left, right] = [x(tick[n]), x(Math.min(n + 1 < tick.length ? tick[n + 1] : to, to))];
      context.lineTo(left, y(before));
      context.lineTo(left, y(high[n]));
      if (low[n] !== high[n]) {
        context.globalAlpha = 0.3;
        context.fillRect(left, y(high[n]), Math.max(right - left, 1), y(low[n]) - y(high[n]));
        context.globalAlpha = 1;
      }
      before = high[n];
    }
    context.lineTo(x(to), y(before));
    context.stroke();
    context.lineTo(x(to), bottom);
    context.lineTo(x(from), bottom);
    context.globalAlpha = 0.14;
    context.fill();
    context.restore();
  }

  axes(context, x, y, width, bottom, most) {
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.strokeStyle = themeColour("--line");
    context.fillStyle = themeColour("--faint");
    context.lineWidth = 1;
    for (const held of niceTicks(0, most, 4)) {
      if (!Number.isInteger(held)) continue;
      const at = Math.round(y(held)) + 0.5;
      line(context, PLOT_LEFT, at, width - 8, at);
      context.textAlign = "right";
      context.fillText(grouped(held), PLOT_LEFT - 8, at);
    }
    context.textAlign = "left";
    const perCycle = this.timeline.data.ticks_per_cycle;
    for (const cycle of niceTicks(this.timeline.from / perCycle, this.timeline.to / perCycle, (width - PLOT_LEFT) / 110)) {
      const at = Math.round(x(cycle * perCycle)) + 0.5;
      line(context, at, bottom, at, bottom + 5);
      if (at + 60 < width) context.fillText(cyclesText(cycle), at + 4, bottom + 12);
    }
    if (this.chosen.slots === null) return;
    context.strokeStyle = themeColour("--ink");
    context.setLineDash([5, 4]);
    const full = Math.round(y(this.chosen.slots)) + 0.5;
    line(context, PLOT_LEFT, full, width - 8, full);
    context.setLineDash([]);
    context.fillStyle = themeColour("--ink");
    context.fillText(`${grouped(this.chosen.slots)} slots`, PLOT_LEFT + 6, full + (full < 14 ? 9 : -8));
  }

  tell(event) {
    const box = this.canvas.getBoundingClientRect();
    const { from, to, width } = this.scale ?? {};
    const at = from + ((event.clientX - box.left - PLOT_LEFT) / (width - PLOT_LEFT - 8)) * (to - from);
    if (!(at >= from && at <= to)) return null;
    const { tick, low, high, path } = this.chosen;
    const n = lastNotAfter(tick.length, (index) => tick[index], at);
    const held = n < 0 ? "0" : low[n] === high[n] ? grouped(high[n]) : `${grouped(low[n])} to ${grouped(high[n])}`;
    return element("div", {}, pathText(path), pairs([["cycle", cyclesText(Math.floor(at / this.timeline.data.ticks_per_cycle))], ["holds", held]]));
  }
}
