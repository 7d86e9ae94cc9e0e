// Real messages as moving dots. A flight lasts microseconds: it is drawn as long as an eye needs, in its order.

const FLIGHT = 0.62; // seconds on screen at full speed
const EARLY = 0.02; // seconds that a batch is played before the next one can be there
const DENSE = 16; // messages of one batch in one lane: more would be a line and not dots
const MANY = 1200; // in the air: of more, the shape of one could not be told
const LATE = 1.5; // seconds that a dot may lag behind its message, so that an answer leaves after its question arrived

class Flights {
  constructor(graph) {
    this.graph = graph;
    this.most = graph.links.length > 500 ? 32768 : 4096;
    this.link = new Uint16Array(this.most);
    this.kind = new Uint8Array(this.most);
    this.start = new Float64Array(this.most);
    this.end = new Float64Array(this.most);
    this.reset();
  }

  reset() {
    this.count = 0;
    this.lastStart = new Float64Array(this.graph.links.length); // order is kept on each link
    this.arrivals = this.graph.nodes.map(() => []); // [received, seen to arrive] of each node, the newest last
  }

  // Take a batch in. `now` is the picture's clock; the batch tells what happened in the `span` seconds before it.
  // Of a sample, only the order is told: it is spread evenly, for its bursts are those of the sampling.
  // `laneOf` tells which links share a lane. Says how many are shown.
  add(now, span, sent, received, link, kind, speed, sample, laneOf) {
    const lasting = FLIGHT * Math.min(2, Math.max(1, Math.pow(1 / Math.max(speed, 0.01), 0.25)));
    const order = Array.from(sent.keys()).sort((a, b) => sent[a] - sent[b]);
    const late = sample ? rank(received) : null;
    const inLane = new Map(), seenInLane = new Map();
    for (const l of link) inLane.set(laneOf[l], (inLane.get(laneOf[l]) ?? 0) + 1);
    let shown = 0;
    for (const i of order) {
      const l = link[i], { source, target } = this.graph.links[l];
      const natural = now + (late ? span * late[i] : Math.max(0, span - EARLY + received[i])); // one batch is played while the next is on its way
      let start = natural;
      const heard = this.arrivals[source];
      for (let k = heard.length - 1; k >= 0; k--) {
        if (heard[k][0] <= sent[i]) {
          start = Math.min(Math.max(start, heard[k][1]), natural + LATE);
          break;
        }
      }
      start = Math.max(start, this.lastStart[l] + 1e-4);
      this.lastStart[l] = start;
      const seen = this.arrivals[target];
      seen.push([received[i], start + lasting]);
      if (seen.length > 256) seen.splice(0, 128);
      const lane = laneOf[l], nth = seenInLane.get(lane) ?? 0, of = inLane.get(lane);
      seenInLane.set(lane, nth + 1);
      if (this.count === this.most || (of > DENSE && Math.floor(nth * DENSE / of) === Math.floor((nth - 1) * DENSE / of))) continue;
      shown++;
      const n = this.count++;
      this.link[n] = l;
      this.kind[n] = kind[i];
      this.start[n] = start;
      this.end[n] = start + lasting;
    }
    return shown;
  }

  // Times in a batch are relative to its tick: what is remembered moves into the past with each.
  shift(elapsed) {
    for (const seen of this.arrivals) for (const entry of seen) entry[0] -= elapsed;
  }

  // Forget what has arrived; says how many are in the air.
  land(now) {
    let kept = 0, flying = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.end[i] <= now) continue;
      if (kept !== i) {
        this.link[kept] = this.link[i];
        this.kind[kept] = this.kind[i];
        this.start[kept] = this.start[i];
        this.end[kept] = this.end[i];
      }
      if (this.start[kept] <= now) flying++;
      kept++;
    }
    this.count = kept;
    return flying;
  }

  // Draw what is in the air; says how many there are. All are written into one image, which is copied to the canvas
  // whole: for a canvas that is drawn in software that is far cheaper than a picture for each.
  //   camera: {scale, x, y}, from the graph's units to the canvas's own pixels.
  draw(g, now, lanes, laneOf, { dots, points }, { scale, x, y }) {
    const flying = this.land(now), { width, height } = g.canvas;
    if (!flying && this.blank) return 0;
    this.blank = !flying;
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const pixels = this.pixels, marks = flying > MANY ? points : dots, size = marks[0].size, half = size >> 1;
    pixels.fill(0);
    for (let i = 0; i < this.count; i++) {
      const start = this.start[i];
      if (start > now) continue;
      const at = 32 * (now - start) / (this.end[i] - start);
      const k = at < 31 ? at | 0 : 31, f = at - k, p = lanes[laneOf[this.link[i]]].points;
      const left = Math.round((p[2 * k] + f * (p[2 * k + 2] - p[2 * k])) * scale + x) - half;
      const top = Math.round((p[2 * k + 1] + f * (p[2 * k + 3] - p[2 * k + 1])) * scale + y) - half;
      if (left < 0 || top < 0 || left + size > width || top + size > height) continue;
      const { offsets, colours } = marks[this.kind[i] % marks.length].on(width), from = top * width + left;
      for (let j = 0; j < offsets.length; j++) pixels[from + offsets[j]] = colours[j];
    }
    g.putImageData(this.image, 0, 0);
    return flying;
  }
}

// The place of each in the order of their times, from 0 to 1.
function rank(times) {
  const places = new Float32Array(times.length);
  Array.from(times.keys()).sort((a, b) => times[a] - times[b]).forEach((i, place) => { places[i] = place / times.length; });
  return places;
}

// A dot of each colour, drawn once, as the pixels that it has.
class Mark {
  constructor(fills, radius) {
    this.size = 2 * Math.ceil(radius * (fills.length > 1 ? 1.35 : 1) + 1);
    const g = new OffscreenCanvas(this.size, this.size).getContext("2d");
    fills.forEach((fill, i) => {
      g.beginPath();
      g.arc(this.size / 2, this.size / 2, radius * (i === fills.length - 1 ? 1 : 1.32), 0, 7);
      g.fillStyle = fill;
      g.fill();
    });
    this.data = new Uint32Array(g.getImageData(0, 0, this.size, this.size).data.buffer);
  }

  // Its pixels and their places on a canvas so wide, from its upper left one.
  on(width) {
    if (this.width !== width) {
      this.width = width;
      this.offsets = [];
      this.colours = [];
      this.data.forEach((pixel, i) => {
        if (pixel >>> 24 < 40) return;
        this.offsets.push(Math.floor(i / this.size) * width + (i % this.size));
        this.colours.push(pixel);
      });
    }
    return this;
  }
}

// Dots with a halo, and the smaller points that stand for them where there are thousands.
function marks(colours, halo, radius) {
  return {
    dots: colours.map((colour) => new Mark([halo, colour], radius)),
    points: colours.map((colour) => new Mark([colour], Math.max(1.2, 0.6 * radius))),
  };
}
