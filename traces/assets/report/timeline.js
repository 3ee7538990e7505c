// The timeline: lanes of units over time, to zoom into, pan and filter, under a strip of the whole run.

const RULER = 26; // [pixel] heights
const TOP = 5; // above the first lane
const GROUP_LANE = 26;
const UNIT_LANE = 18;
const GUTTERS = [170, 340]; // at the left, for names, as wide as they need
const TALLEST = 620;
const CONNECTED = 400; // steps of the critical path in view that lines join
const EXPANDED_AT_FIRST = 80; // units

class Timeline {
  constructor(data, path, images) {
    this.data = data;
    this.path = path;
    this.images = images;
    this.from = 0;
    this.to = Math.max(data.makespan, 1);
    this.expanded = new Set(data.units.length <= EXPANDED_AT_FIRST ? data.groups.keys() : []);
    this.wanted = "";
    this.showsPath = false;
    this.listeners = [];
    this.gutter = this.gutterWidth();
    this.build();
    this.arrange();
  }

  // ------------------------------------------------------------------ what is around the lanes

  build() {
    this.canvas = element("canvas");
    this.spacer = element("div");
    this.lanes = element("div", { id: "lanes", tabindex: 0, role: "img", "aria-label": "What each unit did over time" }, this.canvas, this.spacer);
    this.strip = element("canvas");
    this.overview = element("div", { id: "overview" }, this.strip);
    this.search = element("input", {
      type: "search", id: "filter", placeholder: "filter units, as in conv1 crossbar", "aria-label": "filter units",
      oninput: (event) => this.filter(event.target.value),
    });
    this.told = element("span", { class: "told", id: "lanes-told" });
    this.window = element("span", { class: "told number", id: "window-told" });
    this.pathBox = element("input", { type: "checkbox", id: "show-path", onchange: (event) => this.showPath(event.target.checked) });
    const button = (text, title, act) => element("button", { title, "aria-label": title, onclick: act }, text);
    this.picked = element("p", { id: "picked" }, "Click an interval to keep what it is in view.");
    bodyOf("timeline").append(
      element("p", { class: "note" }, this.whatIsExact()),
      element("div", { class: "card" },
        element("div", { class: "tools" },
          this.search, this.told, element("span", { class: "gap" }), this.window,
          this.path ? element("label", { class: "check" }, this.pathBox, "critical path") : null,
          button("\u2212", "zoom out (-)", () => this.zoom(2)), button("+", "zoom in (+)", () => this.zoom(0.5)),
          button("all", "the whole run (0)", () => this.look(0, this.data.makespan)),
          this.images && this.images.length > 2 ? button("first images", "until three images are out", () => this.look(0, this.firstImages())) : null,
          button("expand", "show the units of all groups", () => this.expandAll(true)),
          button("collapse", "show groups only", () => this.expandAll(false))),
        this.overview, this.lanes, this.legend(),
        element("p", { class: "note" },
          "Ctrl and the wheel, or the wheel on the ruler, zooms; dragging moves; Shift and dragging, or dragging in the strip above, chooses a window; " +
          "a click on a group opens it. What is narrower than a pixel is stacked by its share of the time."),
        this.picked));
    this.listen();
  }

  gutterWidth() {
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    context.font = "600 12px system-ui, sans-serif";
    const names = this.data.groups.map((group) => context.measureText(group.name).width + 60);
    context.font = "400 11.5px system-ui, sans-serif";
    const units = this.data.units.slice(0, 2000).map((_, lane) => context.measureText(this.nameOf({ lane })).width + 40);
    return Math.min(GUTTERS[1], names.concat(units).reduce((most, width) => Math.max(most, Math.ceil(width)), GUTTERS[0]));
  }

  whatIsExact() {
    const { data } = this;
    const all = data.exact_until >= data.makespan;
    const bins = data.bins["unit-bins"];
    const units = `${grouped(data.intervals)} intervals of ${grouped(data.units.length)} units`;
    if (all) return `All ${units} are here, exact to the tick.`;
    return `${units}: exact to the tick until cycle ${cyclesText(this.cycles(data.exact_until))}; from there on, ` +
      `how long each unit was in which kind of state within bins of ${cyclesText(this.cycles(bins.width))} cycles` +
      (this.path ? ". The critical path is exact everywhere." : ".");
  }

  legend() {
    const used = new Set([...this.data.groupBins.kind, this.data.kinds.length - 1]);
    return element("div", { class: "legend" }, this.data.kinds.map((kind, index) => {
      if (!used.has(index)) return null;
      const swatch = element("i", { class: "swatch" });
      swatch.style.background = kindColour(kind);
      return element("span", {}, swatch, kind.category === "busy" && kind.label !== "busy" ? `busy: ${kind.label}` : kind.label);
    }));
  }

  // ------------------------------------------------------------------ what is in view

  cycles(ticks) {
    return ticks / this.data.ticks_per_cycle;
  }

  /** Show a window of time [tick], and tell whoever shows the same. */
  look(from, to) {
    const most = Math.max(this.data.makespan, 1);
    const least = Math.min(4, most);
    const length = Math.max(least, Math.min(to - from, most));
    this.from = Math.max(0, Math.min(from, most - length));
    this.to = this.from + length;
    this.draw();
    for (const listener of this.listeners) listener();
  }

  /** Zoom by a factor around a tick, the middle if none is given. */
  zoom(factor, around = (this.from + this.to) / 2) {
    this.look(around + (this.from - around) * factor, around + (this.to - around) * factor);
  }

  firstImages() {
    return this.images.map((image) => image.completed * this.data.ticks_per_cycle).sort((a, b) => a - b)[2] ?? this.data.makespan;
  }

  /** Show units whose paths have all the words in them. */
  filter(text) {
    this.wanted = text.trim().toLowerCase();
    this.arrange();
  }

  expandAll(expand) {
    this.expanded = new Set(expand ? this.data.groups.keys() : []);
    this.arrange();
  }

  showPath(shows) {
    this.showsPath = this.pathBox.checked = shows && this.path !== null;
    this.draw();
  }

  /** Bring a unit's lane, and a window around an interval of it [tick], into view. */
  goTo(unit, start = null, duration = 0) {
    const lane = this.data.laneOf.get(unit);
    if (lane === undefined) return;
    this.search.value = this.wanted = "";
    this.expanded.add(this.data.groupOfLane[lane]);
    this.arrange();
    const row = this.rows.findIndex((found) => found.lane === lane);
    this.lanes.scrollTop = Math.max(0, this.tops[row] - this.lanes.clientHeight / 2);
    if (start !== null) {
      const length = Math.max(duration * 6, Math.min(this.to - this.from, duration * 40));
      this.look(start + duration / 2 - length / 2, start + duration / 2 + length / 2);
    }
    bodyOf("timeline").scrollIntoView({ block: "nearest" });
  }

  /** Lay out rows: a row for each group, and for each unit of those that are open or have one that was asked for. */
  arrange() {
    const { data } = this;
    const words = this.wanted.split(/\s+/).filter(Boolean);
    this.rows = [];
    let units = 0;
    data.groups.forEach((group, index) => {
      const lanes = Array.from({ length: group.units }, (_, n) => data.firstLane[index] + n);
      const found = words.length === 0 ? lanes : lanes.filter((lane) => words.every((word) => data.units[lane].toLowerCase().includes(word)));
      if (found.length === 0) return;
      units += found.length;
      const alone = group.units === 1;
      const open = this.expanded.has(index) || words.length > 0;
      if (!alone) this.rows.push({ group: index, open });
      if (alone || open) for (const lane of found) this.rows.push({ lane, alone });
    });
    this.tops = [];
    let top = TOP;
    for (const row of this.rows) {
      this.tops.push(top);
      top += row.lane === undefined ? GROUP_LANE : UNIT_LANE;
    }
    this.bottom = top;
    const height = Math.min(RULER + top + 6, TALLEST);
    this.lanes.style.height = `${height + 2}px`;
    this.spacer.style.height = `${Math.max(0, RULER + top + 6 - height)}px`;
    this.told.textContent = words.length ? `${grouped(units)} of ${grouped(data.units.length)} units` : `${grouped(data.units.length)} units in ${grouped(data.groups.length)} groups`;
    this.lanes.scrollTop = Math.min(this.lanes.scrollTop, top);
    this.draw();
  }

  // ------------------------------------------------------------------ drawing

  /** Draw soon, once however often it is asked for. */
  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.drawNow();
    });
  }

  drawNow() {
    const width = this.lanes.clientWidth;
    if (width === 0) return;
    const height = this.lanes.clientHeight;
    const scale = devicePixelRatio;
    this.plot = { width: width - this.gutter, height: height - RULER };
    const context = sized(this.canvas, width, height, scale);
    context.fillStyle = themeColour("--card");
    context.fillRect(0, 0, width, height);
    this.drawLanes(context, scale);
    this.drawRuler(context, width, height);
    this.drawOverview(scale);
    this.window.textContent = `cycles ${cyclesText(this.cycles(this.from))} to ${cyclesText(this.cycles(this.to))}`;
  }

  x(tick) {
    return this.gutter + ((tick - this.from) / (this.to - this.from)) * this.plot.width;
  }

  /** Numbers of the rows that are in view, first and last. */
  inView() {
    const top = this.lanes.scrollTop;
    const at = (y) => Math.max(0, lastNotAfter(this.tops.length, (n) => this.tops[n], y));
    return [at(top), at(top + this.plot.height)];
  }

  drawLanes(context, scale) {
    if (this.rows.length === 0) return;
    const { data, plot } = this;
    const ink = themeColour("--ink");
    const faint = themeColour("--faint");
    const colours = [...data.kinds.map(kindColour), ink];
    const painter = new Painter(Math.max(1, Math.round(plot.width * scale)), Math.max(1, Math.round(plot.height * scale)), colours, themeColour("--card"));
    const [first, last] = this.inView();
    const toExact = Math.min(this.to, data.exact_until);
    const slabs = this.from < toExact ? data.slabsFor(this.from, toExact) : [];
    this.drawnExactly = slabs !== null && this.to <= data.exact_until;
    const perTick = painter.width / (this.to - this.from);
    const labels = [];
    for (let n = first; n <= last; n++) {
      const row = this.rows[n];
      const top = this.tops[n] - this.lanes.scrollTop;
      const bottom = top + (row.lane === undefined ? GROUP_LANE - 3 : UNIT_LANE - 3);
      painter.lane(top * scale, bottom * scale);
      if (row.lane === undefined) {
        this.paintBins(painter, data.groupBins, row.group, data.groups[row.group].units, perTick, this.from, this.to);
      } else {
        const binsFrom = slabs === null ? this.from : Math.max(this.from, data.exact_until);
        if (slabs !== null) for (const slab of slabs) this.paintExact(painter, slab, row.lane, perTick, this.showsPath ? null : labels, top);
        if (binsFrom < this.to && data.binsOfUnits()) this.paintBins(painter, data.unitBins, row.lane, 1, perTick, binsFrom, this.to);
      }
      painter.endLane();
    }
    const steps = this.showsPath ? this.paintPath(painter, first, last, perTick, scale) : [];
    context.putImageData(painter.image, Math.round(this.gutter * scale), Math.round(RULER * scale));
    this.drawNames(context, first, last, ink, faint);
    drawLabels(context, labels);
    this.joinSteps(context, steps, ink);
    if (data.exact_until > this.from && data.exact_until < this.to) this.drawBorder(context, faint);
  }

  paintExact(painter, slab, lane, perTick, labels, top) {
    const { data } = this;
    const from = Math.max(this.from, slab.from);
    const to = Math.min(this.to, slab.to);
    const begin = slab.first[lane];
    const count = slab.first[lane + 1] - begin;
    for (let at = begin + Math.max(0, lastNotAfter(count, (n) => slab.start[begin + n], from)); at < begin + count && slab.start[at] < to; at++) {
      const start = Math.max(slab.start[at], from);
      const end = Math.min(slab.start[at] + slab.duration[at], to);
      if (end <= start) continue;
      const kind = data.kind_of_state[slab.state[at]];
      painter.add(kind, (start - this.from) * perTick, (end - this.from) * perTick);
      if (labels && (end - start) * perTick > 40 * devicePixelRatio) {
        labels.push({ x: this.x(start), width: this.x(end) - this.x(start), top: RULER + top, text: data.states[slab.state[at]], kind: data.kinds[kind] });
      }
    }
  }

  /** Add an owner's bins between two ticks to its lane, whose left edge is at `origin` [tick]. */
  paintBins(painter, bins, owner, units, perTick, from, to, origin = this.from) {
    const begin = Math.floor(from / bins.width);
    const end = Math.min(bins.bins, Math.ceil(to / bins.width));
    for (let row = bins.first[owner]; row < bins.first[owner + 1]; row++) {
      for (let bin = begin; bin < end; bin++) {
        const ticks = bins.ticks[row * bins.bins + bin];
        if (ticks === 0) continue;
        const start = bin * bins.width;
        const stop = Math.min(start + bins.width, this.data.makespan);
        const share = Math.min(ticks / ((stop - start) * units), 0.9999); // never as if exact
        painter.add(bins.kind[row], (Math.max(start, from) - origin) * perTick, (Math.min(stop, to) - origin) * perTick, share);
      }
    }
  }

  /** Fade all, draw the steps of the critical path that lie in view, and return them. */
  paintPath(painter, first, last, perTick, scale) {
    painter.fade(0.28);
    const rowOf = new Map();
    for (let n = 0; n < this.rows.length; n++) {
      const row = this.rows[n];
      if (row.lane !== undefined) rowOf.set(row.lane, n);
      else if (!row.open) for (let unit = 0; unit < this.data.groups[row.group].units; unit++) rowOf.set(this.data.firstLane[row.group] + unit, n);
    }
    const { path } = this;
    const shownSteps = [];
    const byRow = new Map();
    for (let at = Math.max(0, lastNotAfter(path.start.length, (n) => path.start[n], this.from)); at < path.start.length && path.start[at] < this.to; at++) {
      const row = rowOf.get(path.lane[at]);
      if (row === undefined) continue;
      shownSteps.push({ row, start: path.start[at], end: path.start[at] + path.duration[at] });
      if (row < first || row > last) continue;
      if (!byRow.has(row)) byRow.set(row, []);
      byRow.get(row).push(at);
    }
    for (const [row, steps] of byRow) {
      const top = this.tops[row] - this.lanes.scrollTop;
      painter.lane(top * scale, (top + (this.rows[row].lane === undefined ? GROUP_LANE : UNIT_LANE) - 3) * scale);
      for (const at of steps) {
        const kind = path.kind[at] < 0 ? this.data.kinds.length : path.kind[at]; // the last colour is ink
        const from = (path.start[at] - this.from) * perTick;
        painter.add(kind, from, from + Math.max(path.duration[at] * perTick, 1.5));
      }
      painter.endLane();
    }
    return shownSteps;
  }

  joinSteps(context, steps, ink) {
    if (steps.length > CONNECTED) return;
    context.strokeStyle = ink;
    context.lineWidth = 1.2;
    context.save();
    context.beginPath();
    context.rect(this.gutter, RULER, this.plot.width, this.plot.height);
    context.clip();
    context.beginPath();
    const middle = (row) => RULER + this.tops[row] - this.lanes.scrollTop + 8;
    for (let n = 1; n < steps.length; n++) {
      if (steps[n].row === steps[n - 1].row) continue;
      const x = Math.round(this.x(steps[n].start)) + 0.5;
      context.moveTo(x, middle(steps[n - 1].row));
      context.lineTo(x, middle(steps[n].row));
    }
    context.stroke();
    context.restore();
  }

  drawNames(context, first, last, ink, faint) {
    context.textBaseline = "middle";
    for (let n = first; n <= last; n++) {
      const row = this.rows[n];
      const y = RULER + this.tops[n] - this.lanes.scrollTop;
      if (row.lane === undefined) {
        const group = this.data.groups[row.group];
        context.fillStyle = ink;
        context.font = "600 12px system-ui, sans-serif";
        context.fillText(fitted(context, `${row.open ? "\u25be" : "\u25b8"} ${group.name}`, this.gutter - 52), 8, y + (GROUP_LANE - 3) / 2);
        context.fillStyle = faint;
        context.font = "11px system-ui, sans-serif";
        context.textAlign = "right";
        context.fillText(grouped(group.units), this.gutter - 8, y + (GROUP_LANE - 3) / 2);
        context.textAlign = "left";
      } else {
        context.fillStyle = row.alone ? ink : faint;
        context.font = `${row.alone ? 600 : 400} 11.5px system-ui, sans-serif`;
        context.fillText(fitted(context, this.nameOf(row), this.gutter - (row.alone ? 16 : 36)), row.alone ? 8 : 26, y + (UNIT_LANE - 3) / 2);
      }
    }
  }

  /** A unit's name within its group. */
  nameOf(row) {
    const path = this.data.units[row.lane];
    const group = this.data.groups[this.data.groupOfLane[row.lane]].name;
    return !row.alone && path.startsWith(`${group}.`) ? path.slice(group.length + 1) : path;
  }

  drawBorder(context, colour) {
    const x = Math.round(this.x(this.data.exact_until)) + 0.5;
    context.strokeStyle = colour;
    context.setLineDash([3, 3]);
    line(context, x, RULER, x, RULER + this.plot.height);
    context.setLineDash([]);
  }

  drawRuler(context, width, height) {
    context.fillStyle = themeColour("--card");
    context.fillRect(0, 0, width, RULER);
    context.strokeStyle = themeColour("--line");
    context.lineWidth = 1;
    line(context, 0, RULER - 0.5, width, RULER - 0.5);
    line(context, this.gutter - 0.5, 0, this.gutter - 0.5, height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = themeColour("--faint");
    context.fillText("cycles", 8, RULER / 2);
    const [from, to] = [this.cycles(this.from), this.cycles(this.to)];
    for (const cycle of niceTicks(from, to, this.plot.width / 110)) {
      const x = Math.round(this.x(cycle * this.data.ticks_per_cycle)) + 0.5;
      line(context, x, RULER - 6, x, RULER);
      context.globalAlpha = 0.35;
      line(context, x, RULER, x, height);
      context.globalAlpha = 1;
      const text = cyclesText(cycle);
      if (x + 4 + context.measureText(text).width < width) context.fillText(text, x + 4, RULER / 2);
    }
    if (!this.images) return;
    context.fillStyle = themeColour("--accent");
    for (const image of this.images) {
      const x = this.x(image.completed * this.data.ticks_per_cycle);
      if (x < this.gutter || x > width + 1) continue;
      context.beginPath();
      context.moveTo(x - 4, RULER - 7);
      context.lineTo(x + 4, RULER - 7);
      context.lineTo(x, RULER - 1);
      context.fill();
    }
  }

  drawOverview(scale) {
    const width = this.overview.clientWidth;
    const height = this.overview.clientHeight;
    const context = sized(this.strip, width, height, scale);
    context.fillStyle = themeColour("--card");
    context.fillRect(0, 0, width, height);
    const { data } = this;
    const right = this.lanes.clientWidth - this.gutter;
    const size = [Math.max(1, Math.round(right * scale)), Math.round(height * scale), isDark()].join();
    if (this.whole?.size !== size) this.whole = { size, image: this.wholeRun(Math.max(1, Math.round(right * scale)), Math.round(height * scale), scale) };
    context.putImageData(this.whole.image, Math.round(this.gutter * scale), 0);
    context.fillStyle = themeColour("--ink");
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillText("all units", 8, height / 2 - 8);
    context.fillStyle = themeColour("--faint");
    context.font = "11px system-ui, sans-serif";
    context.fillText("the whole run", 8, height / 2 + 9);
    const [a, b] = [this.from, this.to].map((tick) => this.gutter + (tick / Math.max(data.makespan, 1)) * right);
    context.fillStyle = themeColour("--card");
    context.globalAlpha = 0.68;
    context.fillRect(this.gutter, 0, a - this.gutter, height);
    context.fillRect(b, 0, this.gutter + right - b, height);
    context.globalAlpha = 1;
    context.strokeStyle = themeColour("--accent");
    context.lineWidth = 1.5;
    context.strokeRect(a + 0.75, 0.75, Math.max(b - a - 1.5, 1), height - 1.5);
  }

  /** A picture of all units over the whole run. */
  wholeRun(width, height, scale) {
    const { data } = this;
    const { first, kind, ticks, bins, width: length } = data.groupBins;
    const sums = data.kinds.map(() => new Float64Array(bins));
    for (let row = 0; row < first[data.groups.length]; row++) {
      const sum = sums[kind[row]];
      for (let bin = 0; bin < bins; bin++) sum[bin] += ticks[row * bins + bin];
    }
    const painter = new Painter(width, height, data.kinds.map(kindColour), themeColour("--card"));
    painter.lane(4 * scale, height - 4 * scale);
    const all = { width: length, bins, first: [0, sums.length], kind: sums.map((_, index) => index), ticks: sums.flatMap((sum) => [...sum]) };
    this.paintBins(painter, all, 0, data.units.length, width / Math.max(data.makespan, 1), 0, data.makespan, 0);
    painter.endLane();
    return painter.image;
  }

  // ------------------------------------------------------------------ what people do

  listen() {
    const place = (event) => {
      const box = this.lanes.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const tickAt = (x) => this.from + ((x - this.gutter) / this.plot.width) * (this.to - this.from);
    this.lanes.addEventListener("scroll", () => this.draw());
    this.lanes.addEventListener("wheel", (event) => {
      const at = place(event);
      if (event.ctrlKey || event.metaKey || at.y < RULER) this.zoom(Math.exp(event.deltaY * 0.0016), tickAt(at.x));
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan((event.deltaX || event.deltaY) * 1);
      else return;
      event.preventDefault();
    }, { passive: false });
    this.lanes.addEventListener("keydown", (event) => {
      const act = {
        "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.look(0, this.data.makespan),
        ArrowLeft: () => this.pan(-this.plot.width / 5), ArrowRight: () => this.pan(this.plot.width / 5),
      }[event.key];
      if (!act || event.ctrlKey || event.metaKey) return;
      act();
      event.preventDefault();
    });
    this.lanes.addEventListener("dblclick", (event) => {
      if (place(event).x > this.gutter) this.zoom(0.25, tickAt(place(event).x));
    });
    drags(this.lanes, {
      begin: (event) => ({ ...place(event), from: this.from, to: this.to, scroll: this.lanes.scrollTop, chooses: event.shiftKey }),
      move: (event, begun) => {
        tooltip.hide();
        const dx = place(event).x - begun.x;
        if (begun.chooses) {
          this.draw();
          requestAnimationFrame(() => this.drawChosen(begun.x, place(event).x));
          return;
        }
        this.lanes.classList.add("dragging");
        this.lanes.scrollTop = begun.scroll - (place(event).y - begun.y);
        const moved = (dx / this.plot.width) * (begun.to - begun.from);
        this.look(begun.from - moved, begun.to - moved);
      },
      end: (event, begun) => {
        this.lanes.classList.remove("dragging");
        if (begun.chooses) this.look(...[tickAt(begun.x), tickAt(place(event).x)].sort((a, b) => a - b));
      },
      click: (event) => this.pick(place(event)),
    });
    addTooltip(this.lanes, (event) => (event.buttons ? null : this.tell(place(event))));
    const across = (event) => {
      const box = this.overview.getBoundingClientRect();
      return ((event.clientX - box.left - this.gutter) / (this.lanes.clientWidth - this.gutter)) * this.data.makespan;
    };
    drags(this.overview, {
      begin: (event) => {
        const at = across(event);
        const inside = at > this.from && at < this.to && this.to - this.from < 0.98 * this.data.makespan;
        return { at, inside, from: this.from, to: this.to };
      },
      move: (event, begun) => {
        const at = across(event);
        if (begun.inside) this.look(begun.from + at - begun.at, begun.to + at - begun.at);
        else this.look(Math.min(at, begun.at), Math.max(at, begun.at));
      },
      click: (event) => {
        const half = (this.to - this.from) / 2;
        this.look(across(event) - half, across(event) + half);
      },
    });
    this.overview.addEventListener("wheel", (event) => {
      this.zoom(Math.exp(event.deltaY * 0.0016), across(event));
      event.preventDefault();
    }, { passive: false });
    new ResizeObserver(() => this.draw()).observe(this.lanes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    addEventListener("beforeprint", () => this.drawNow());
    addEventListener("afterprint", () => this.drawNow());
  }

  pan(pixels) {
    const moved = (pixels / this.plot.width) * (this.to - this.from);
    this.look(this.from + moved, this.to + moved);
  }

  drawChosen(a, b) {
    const context = this.canvas.getContext("2d");
    context.fillStyle = themeColour("--accent");
    context.globalAlpha = 0.22;
    context.fillRect(Math.min(a, b), RULER, Math.abs(a - b), this.plot.height);
    context.globalAlpha = 1;
  }

  /** The row and the tick at a place of the lanes; null where there is none. */
  at({ x, y }) {
    if (y < RULER) return null;
    const down = y - RULER + this.lanes.scrollTop;
    if (down > this.bottom) return null;
    const row = this.rows[lastNotAfter(this.tops.length, (n) => this.tops[n], down)];
    if (row === undefined) return null;
    return { row, tick: x < this.gutter ? null : this.from + ((x - this.gutter) / this.plot.width) * (this.to - this.from) };
  }

  /** What there is to say about a place. */
  tell(place) {
    const found = this.at(place);
    if (found === null) return null;
    const { row, tick } = found;
    if (row.lane === undefined) {
      const group = this.data.groups[row.group];
      if (tick === null) return element("div", {}, pathText(group.name), element("div", {}, `${grouped(group.units)} units; click to ${row.open ? "close" : "open"}`));
      return this.tellBin(group.name, this.data.groupBins, row.group, group.units, tick);
    }
    if (tick === null) return element("div", {}, pathText(this.data.units[row.lane]));
    const interval = this.data.intervalAt(row.lane, tick);
    if (interval) return this.tellInterval(interval);
    if (interval === null) return this.tellNothing(row.lane);
    return this.data.unitBins ? this.tellBin(this.data.units[row.lane], this.data.unitBins, row.lane, 1, tick) : null;
  }

  tellNothing(lane) {
    return element("div", {}, pathText(this.data.units[lane]), element("div", {}, CATEGORY_LABELS.finished));
  }

  tellInterval(interval) {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = kindColour(interval.kind);
    const [start, cycles] = [this.cycles(interval.start), this.cycles(interval.duration)];
    const lag = interval.lag ? `, ${cyclesText(this.cycles(interval.lag))} cycles before` : "";
    return element("div", { "data-start": interval.start, "data-duration": interval.duration, "data-state": interval.state },
      pathText(interval.unit), element("div", {}, swatch, " ", interval.state),
      pairs([
        ["start", `cycle ${cyclesText(start)}`],
        ["lasts", `${cyclesText(cycles)} cycles (${seconds(cycles / report.summary.clock_hz)})`],
        ...(interval.cause ? [["ended by", `${interval.cause}${lag}`]] : []),
      ]));
  }

  tellBin(name, bins, owner, units, tick) {
    const bin = Math.min(bins.bins - 1, Math.floor(tick / bins.width));
    const start = bin * bins.width;
    const stop = Math.min(start + bins.width, this.data.makespan);
    let rest = (stop - start) * units;
    const told = [];
    for (let row = bins.first[owner]; row < bins.first[owner + 1]; row++) {
      const ticks = bins.ticks[row * bins.bins + bin];
      rest -= ticks;
      if (ticks) told.push([this.data.kinds[bins.kind[row]].label, percent(ticks / ((stop - start) * units))]);
    }
    if (rest > 0) told.push([CATEGORY_LABELS.finished, percent(rest / ((stop - start) * units))]);
    return element("div", {}, pathText(name),
      element("div", {}, `cycles ${cyclesText(this.cycles(start))} to ${cyclesText(this.cycles(stop))}`), pairs(told));
  }

  pick(place) {
    const found = this.at(place);
    if (found === null) return;
    const { row, tick } = found;
    if (row.lane === undefined) {
      if (this.expanded.has(row.group)) this.expanded.delete(row.group);
      else this.expanded.add(row.group);
      this.arrange();
      return;
    }
    const interval = tick === null ? null : this.data.intervalAt(row.lane, tick);
    if (!interval) return;
    const told = `${interval.state} from cycle ${cyclesText(this.cycles(interval.start))} for ${cyclesText(this.cycles(interval.duration))} cycles`;
    this.picked.replaceChildren(pathText(interval.unit), ` \u00b7 ${told} `,
      element("button", { onclick: () => this.goTo(interval.unit, interval.start, interval.duration) }, "zoom to it"), " ",
      ...(interval.cause ? [`\u00b7 ended by `, pathText(interval.cause), " ", element("button", { onclick: () => this.goTo(interval.cause) }, "go there")] : []));
  }
}

/** A drag that moves some pixels, or else a click. */
function drags(target, { begin, move, end, click }) {
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.offsetX >= target.clientWidth) return; // not on the scroll bar
    const begun = begin(event);
    let moved = false;
    const moves = (now) => {
      moved ||= Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) > 3;
      if (moved) move(now, begun);
    };
    const ends = (now) => {
      target.removeEventListener("pointermove", moves);
      if (!moved) click(now);
      else if (end) end(now, begun);
    };
    target.setPointerCapture(event.pointerId);
    target.addEventListener("pointermove", moves);
    target.addEventListener("pointerup", ends, { once: true });
  });
}

function sized(canvas, width, height, scale) {
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** A text, with its middle left out where it is wider than there is room. */
function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let keep = text.length;
  while (keep > 4 && context.measureText(`${text.slice(0, keep >> 1)}\u2026${text.slice(text.length - (keep - (keep >> 1)))}`).width > width) keep--;
  return `${text.slice(0, keep >> 1)}\u2026${text.slice(text.length - (keep - (keep >> 1)))}`;
}

function drawLabels(context, labels) {
  context.font = "10.5px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const { x, width, top, text, kind } of labels) {
    const short = kind.category === "busy" || kind.category === "programming" ? text.split(":")[1] ?? text : text;
    if (context.measureText(short).width + 8 > width) continue;
    context.fillStyle = inkOn(kindColour(kind));
    context.fillText(short, x + 4, top + (UNIT_LANE - 3) / 2);
  }
}

/** Round values between two, about so many. */
function niceTicks(from, to, count) {
  const rough = (to - from) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let n = Math.ceil(from / step); n * step <= to; n++) ticks.push(n * step);
  return ticks;
}
