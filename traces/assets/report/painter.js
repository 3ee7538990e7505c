// Fills lanes pixel by pixel: what is narrower than a pixel counts with its share of the pixel's column.

const EDGED = 8; // [device pixel] from which on intervals are told apart

class Painter {
  /** width, height : of the picture [device pixel]; colours : of each kind, as `#rrggbb` */
  constructor(width, height, colours, background) {
    this.width = width;
    this.height = height;
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.colours = colours.map(packedColour);
    this.background = packedColour(background);
    this.edges = colours.map((colour) => packedColour(mixed(colour, background, 0.5)));
    this.pixels.fill(this.background);
    this.shares = new Float32Array(colours.length * width);
    this.touched = new Uint8Array(width);
  }

  /** Begin a lane between two rows of pixels. */
  lane(top, bottom) {
    this.top = Math.max(0, Math.round(top));
    this.bottom = Math.min(this.height, Math.round(bottom));
    this.full = Math.round(bottom) - Math.round(top);
    this.base = Math.round(bottom);
  }

  /** A kind from x to another [pixel, not rounded], of which it has a share. */
  add(kind, from, to, share = 1) {
    from = Math.max(0, from);
    to = Math.min(this.width, to);
    const [first, last] = [Math.ceil(from), Math.floor(to)];
    if (share < 1 || last <= first) {
      this.addShares(kind, from, to, share);
      return;
    }
    this.fill(first, last, this.colours[kind]);
    if (last - first >= EDGED) this.fill(first, first + 1, this.edges[kind]); // where it begins
    this.addShares(kind, from, first, 1);
    this.addShares(kind, last, to, 1);
  }

  addShares(kind, from, to, share) {
    const row = kind * this.width;
    for (let column = Math.floor(from); column < to; column++) {
      this.shares[row + column] += share * (Math.min(column + 1, to) - Math.max(column, from));
      this.touched[column] = 1;
    }
  }

  fill(from, to, colour) {
    from = Math.max(0, from);
    to = Math.min(this.width, to);
    for (let y = this.top; y < this.bottom; y++) this.pixels.fill(colour, y * this.width + from, y * this.width + to);
  }

  /** Draw what was added in shares: a stack in each column of pixels, the first kind at the bottom. */
  endLane() {
    for (let column = 0; column < this.width; column++) {
      if (!this.touched[column]) continue;
      this.touched[column] = 0;
      let filled = 0;
      for (let kind = 0; kind < this.colours.length; kind++) {
        const share = this.shares[kind * this.width + column];
        if (share === 0) continue;
        this.shares[kind * this.width + column] = 0;
        const high = Math.min(this.bottom, this.base - Math.round(filled * this.full));
        filled += share;
        const low = Math.max(this.top, this.base - Math.round(Math.min(filled, 1) * this.full));
        for (let y = low; y < high; y++) this.pixels[y * this.width + column] = this.colours[kind];
      }
    }
  }

  /** Take all that is drawn back towards the background. */
  fade(keep) {
    const back = [this.background & 255, (this.background >> 8) & 255, (this.background >> 16) & 255];
    const data = this.image.data;
    for (let at = 0; at < data.length; at += 4) {
      for (let part = 0; part < 3; part++) data[at + part] = back[part] + (data[at + part] - back[part]) * keep;
    }
  }
}

function packedColour(colour) {
  const [r, g, b] = rgb(colour);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // as little-endian pixels are
}
