// Real messages as moving dots. A flight lasts microseconds: it is drawn as long as an eye needs, in its order.

const FLIGHT = 0.62; // seconds on screen at full speed
const EARLY = 0.02; // seconds that a batch is played before the next one can be there
const DENSE = 16; // messages of one batch in one lane: more would be a line and not dots
const PIXELS = 1200; // so many in the air are written as pixels: the shape of one could not be told
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

  // Draw what is in the air; says how many there are.
  //   camera: {scale, x, y}, from the graph's units to the canvas's own pixels.
  draw(g, now, lanes, laneOf, sprites, camera) {
    const flying = this.land(now);
    if (flying > PIXELS) this.drawPixels(g, now, lanes, laneOf, sprites, camera);
    else {
      g.setTransform(1, 0, 0, 1, 0, 0);
      g.clearRect(0, 0, g.canvas.width, g.canvas.height);
      this.drawDots(g, now, lanes, laneOf, sprites, camera);
    }
    return flying;
  }

  drawDots(g, now, lanes, laneOf, { dots }, { scale, x, y }) {
    const half = dots[0].width / 2;
    for (let i = 0; i < this.count; i++) {
      if (this.start[i] > now) continue;
      const at = 32 * (now - this.start[i]) / (this.end[i] - this.start[i]);
      const k = Math.min(31, at | 0), f = at - k, p = lanes[laneOf[this.link[i]]].points;
      g.drawImage(dots[this.kind[i] % dots.length],
        (p[2 * k] + f * (p[2 * k + 2] - p[2 * k])) * scale + x - half,
        (p[2 * k + 1] + f * (p[2 * k + 3] - p[2 * k + 1])) * scale + y - half);
    }
  }

  // Thousands: each a few pixels in one image, which is copied to the canvas whole.
  drawPixels(g, now, lanes, laneOf, { colours, radius }, { scale, x, y }) {
    const { width, height } = g.canvas;
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const pixels = this.pixels, r = Math.max(1, Math.min(3, Math.round(0.6 * radius))), last = this.count;
    pixels.fill(0);
    for (let i = 0; i < last; i++) {
      const start = this.start[i];
      if (start > now) continue;
      const at = 32 * (now - start) / (this.end[i] - start);
      const k = at < 31 ? at | 0 : 31, f = at - k, p = lanes[laneOf[this.link[i]]].points;
      const px = ((p[2 * k] + f * (p[2 * k + 2] - p[2 * k])) * scale + x) | 0;
      const py = ((p[2 * k + 1] + f * (p[2 * k + 3] - p[2 * k + 1])) * scale + y) | 0;
      if (px < r || py < r || px >= width - r || py >= height - r) continue;
      const colour = colours[this.kind[i] % colours.length];
      for (let dy = 1 - r; dy < r; dy++) {
        const half = r - 1 - (r > 2 && (dy === 1 - r || dy === r - 1) ? 1 : 0), row = (py + dy) * width + px;
        for (let dx = -half; dx <= half; dx++) pixels[row + dx] = colour;
      }
    }
    g.putImageData(this.image, 0, 0);
  }
}

// The place of each in the order of their times, from 0 to 1.
function rank(times) {
  const places = new Float32Array(times.length);
  Array.from(times.keys()).sort((a, b) => times[a] - times[b]).forEach((i, place) => { places[i] = place / times.length; });
  return places;
}

// A dot of each colour, drawn once: copying it is far cheaper than drawing it again for each message and frame.
function sprites(colours, halo, radius) {
  const dots = colours.map((colour) => {
    const size = 2 * Math.ceil(radius * 1.35 + 1), canvas = new OffscreenCanvas(size, size), g = canvas.getContext("2d");
    for (const [fill, r] of [[halo, radius * 1.32], [colour, radius]]) {
      g.beginPath();
      g.arc(size / 2, size / 2, r, 0, 7);
      g.fillStyle = fill;
      g.fill();
    }
    return canvas.transferToImageBitmap();
  });
  const bytes = colours.map((colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
  return { dots, radius, colours: bytes.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0) }; // little-endian
}
