// How the timeline is drawn: lanes of exact intervals or bins, names, the ruler, the strip of the whole run.

const RULER = 26; // [pixel] heights
const TOP = 5; // above the first lane
const GROUP_LANE = 26;
const UNIT_LANE = 18;
const CONNECTED = 400; // steps of the critical path in view that lines join

class TimelineDrawing {
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
    this.tellPathAside();
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
    this.pathInView = false;
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
    this.pathInView = byRow.size > 0;
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

  /** Where the critical path is asked for but out of view, say where it is in the middle of the window. */
  tellPathAside() {
    this.aside.hidden = !this.showsPath || this.pathInView;
    if (this.aside.hidden) return;
    const { start, duration, lane } = this.path;
    const at = Math.max(0, lastNotAfter(start.length, (n) => start[n], (this.from + this.to) / 2));
    const unit = this.data.units[lane[at]];
    this.aside.replaceChildren("The critical path is not in view; its nearest step, from cycle ", cyclesText(this.cycles(start[at])), " on, is at ",
      pathText(unit), " ", element("button", { onclick: () => this.goTo(unit, start[at], duration[at]) }, "go there"));
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
}
