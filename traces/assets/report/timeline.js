// The timeline: lanes of units over time, to zoom into, pan and filter, under a strip of the whole run.

const GUTTERS = [170, 340]; // at the left, for names, as wide as they need
const TALLEST = 620;
const EXPANDED_AT_FIRST = 80; // units

class Timeline extends TimelineTips {
  constructor(data, path, images) {
    super();
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
    this.missing = element("p", { class: "note", id: "lanes-missing", hidden: "" }, "No unit has all of these words in its path.");
    this.aside = element("p", { class: "note", id: "path-aside", hidden: "" });
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
        this.missing, this.aside, this.overview, this.lanes, this.legend(),
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
    this.missing.hidden = units > 0;
    this.lanes.scrollTop = Math.min(this.lanes.scrollTop, top);
    this.draw();
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

