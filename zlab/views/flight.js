// Real messages as moving dots. A flight lasts microseconds: it is drawn as long as an eye needs, in its order.

const FLIGHT = 0.62; // seconds on screen at full speed
const LATE = 1.5; // seconds that a dot may lag behind its message, so that an answer leaves after its question arrived

class Flights {
  constructor(graph) {
    this.graph = graph;
    this.most = 4096;
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
  add(now, span, sent, received, link, kind, speed, sample) {
    const lasting = FLIGHT * Math.min(2, Math.max(1, Math.pow(1 / Math.max(speed, 0.01), 0.25)));
    const order = Array.from(sent.keys()).sort((a, b) => sent[a] - sent[b]);
    const late = sample ? rank(received) : null;
    for (const i of order) {
      const l = link[i], { source, target } = this.graph.links[l];
      const natural = now + (late ? span * late[i] : Math.max(0, span + received[i])); // one batch is played while the next is on its way
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
      if (this.count === this.most) continue;
      const n = this.count++;
      this.link[n] = l;
      this.kind[n] = kind[i];
      this.start[n] = start;
      this.end[n] = start + lasting;
    }
  }

  // Times in a batch are relative to its tick: what is remembered moves into the past with each.
  shift(elapsed) {
    for (const seen of this.arrivals) for (const entry of seen) entry[0] -= elapsed;
  }

  // Draw what is in the air and forget what has arrived; says how many there are.
  //   camera: {scale, x, y}, from the graph's units to the canvas's own pixels.
  draw(g, now, lanes, sprites, camera) {
    let kept = 0, flying = 0;
    const { scale, x, y } = camera, half = sprites[0].width / 2;
    g.setTransform(1, 0, 0, 1, 0, 0);
    for (let i = 0; i < this.count; i++) {
      if (this.end[i] <= now) continue;
      if (kept !== i) {
        this.link[kept] = this.link[i];
        this.kind[kept] = this.kind[i];
        this.start[kept] = this.start[i];
        this.end[kept] = this.end[i];
      }
      if (this.start[kept] <= now) {
        flying++;
        const at = 32 * (now - this.start[kept]) / (this.end[kept] - this.start[kept]);
        const k = Math.min(31, at | 0), f = at - k, p = lanes[this.link[kept]].points;
        g.drawImage(sprites[this.kind[kept] % sprites.length],
          (p[2 * k] + f * (p[2 * k + 2] - p[2 * k])) * scale + x - half,
          (p[2 * k + 1] + f * (p[2 * k + 3] - p[2 * k + 1])) * scale + y - half);
      }
      kept++;
    }
    this.count = kept;
    return flying;
  }
}

// The place of each in the order of their times, from 0 to 1.
function rank(times) {
  const places = new Float32Array(times.length);
  Array.from(times.keys()).sort((a, b) => times[a] - times[b]).forEach((i, place) => { places[i] = place / times.length; });
  return places;
}

// A dot of each colour, drawn once: copying it is far cheaper than drawing it again for each message and frame.
function dots(colours, halo, radius) {
  return colours.map((colour) => {
    const size = 2 * Math.ceil(radius * 1.35 + 1), canvas = new OffscreenCanvas(size, size), g = canvas.getContext("2d");
    for (const [fill, r] of [[halo, radius * 1.32], [colour, radius]]) {
      g.beginPath();
      g.arc(size / 2, size / 2, r, 0, 7);
      g.fillStyle = fill;
      g.fill();
    }
    return canvas.transferToImageBitmap();
  });
}
