// What the timeline says about a place under the pointer: an interval, or what a bin holds.

class TimelineTips extends TimelineDrawing {
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
}
