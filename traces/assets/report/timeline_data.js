// What units did: bins of the whole run, and exact intervals in slabs of time that are unpacked when needed.

const INTERVALS_AT_ONCE = 1500000; // that a view draws one by one; beyond, bins look the same
const SLABS_KEPT = 24;

class TimelineData {
  constructor(about, groupBins, changed) {
    Object.assign(this, about);
    this.changed = changed; // called when more has been unpacked
    this.groupBins = indexed(groupBins, this.groups.length, this.bins["group-bins"]);
    this.unitBins = null;
    this.unpacked = new Map();
    this.groupOfLane = this.groups.flatMap((group, index) => Array(group.units).fill(index));
    this.firstLane = [];
    let lane = 0;
    for (const group of this.groups) {
      this.firstLane.push(lane);
      lane += group.units;
    }
    this.laneOf = new Map(this.units.map((path, index) => [path, index]));
  }

  /** Bins of units, or null until they are unpacked. */
  binsOfUnits() {
    if (this.unitBins === null && !this.unitBinsAsked) {
      this.unitBinsAsked = readColumns("unit-bins").then((bins) => {
        this.unitBins = indexed(bins, this.units.length, this.bins["unit-bins"]);
        this.changed();
      });
    }
    return this.unitBins;
  }

  /** The slabs to draw [from, to) with, one by one, or null where that is too much, or not unpacked yet. */
  slabsFor(from, to) {
    const needed = [];
    let intervals = 0;
    for (let n = this.slabAt(from); n < this.slabs.length && this.slabs[n].start < to; n++) {
      needed.push(n);
      intervals += this.slabs[n].intervals;
      if (intervals > INTERVALS_AT_ONCE) return null;
    }
    const found = needed.map((n) => this.slab(n));
    return found.includes(null) ? null : found;
  }

  slabAt(tick) {
    return Math.max(0, lastNotAfter(this.slabs.length, (n) => this.slabs[n].start, tick));
  }

  slab(n) {
    const known = this.unpacked.get(n);
    if (known instanceof Promise) return null;
    if (known !== undefined) {
      this.unpacked.delete(n); // to the end: used last
      this.unpacked.set(n, known);
      return known;
    }
    this.unpacked.set(n, readColumns(`slab-${n}`).then((columns) => {
      this.unpacked.set(n, unpackedSlab(columns, this.slabs[n]));
      for (const old of this.unpacked.keys()) {
        if (this.unpacked.size <= SLABS_KEPT) break;
        if (!(this.unpacked.get(old) instanceof Promise)) this.unpacked.delete(old);
      }
      this.changed();
    }));
    return null;
  }

  /** The exact interval of a lane at a tick; null where there is none, undefined where that is not known. */
  intervalAt(lane, tick) {
    if (tick >= this.exact_until) return undefined;
    const slab = this.slab(this.slabAt(tick));
    if (slab === null) return undefined;
    const at = slab.first[lane] + lastNotAfter(slab.first[lane + 1] - slab.first[lane], (n) => slab.start[slab.first[lane] + n], tick);
    if (at < slab.first[lane] || tick >= slab.start[at] + slab.duration[at]) return null;
    return {
      unit: this.units[lane], state: this.states[slab.state[at]], kind: this.kinds[this.kind_of_state[slab.state[at]]],
      start: slab.start[at], duration: slab.duration[at],
      cause: slab.cause[at] === 0 ? null : this.units[slab.cause[at] - 1], lag: slab.lag[at],
    };
  }
}

/** Rows of bins with the first row of each owner. */
function indexed(columns, owners, { width, bins }) {
  const first = new Uint32Array(owners + 1);
  for (const owner of columns.owner) first[owner + 1]++;
  for (let owner = 0; owner < owners; owner++) first[owner + 1] += first[owner];
  return { width, bins, first, kind: columns.kind, ticks: columns.ticks };
}

function unpackedSlab({ count, offset, gap, duration, state, cause, lag }, { start, stop }) {
  const first = new Uint32Array(count.length + 1);
  const starts = new Float64Array(gap.length);
  for (let lane = 0, at = 0; lane < count.length; lane++) {
    let tick = start + offset[lane];
    for (const end = at + count[lane]; at < end; at++) {
      starts[at] = tick += gap[at];
      tick += duration[at];
    }
    first[lane + 1] = at;
  }
  return { from: start, to: stop, first, start: starts, duration, state, cause, lag };
}

/** The last of `count` rising values that is not after `limit`; -1 if all are. */
function lastNotAfter(count, value, limit) {
  let low = -1;
  let high = count;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value(middle) <= limit) low = middle;
    else high = middle;
  }
  return low;
}
