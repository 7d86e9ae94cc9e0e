// Real messages as moving dots. A flight lasts microseconds: it is drawn as long as an eye needs, in its order.

const FLIGHT = 0.62; // seconds on screen at full speed
const DENSE = 16; // messages of one batch in one lane: more would be a line and not dots
const MANY = 1200; // in the air: of more, the shape of one could not be told
const LATE = 1.5; // seconds that a dot may lag behind its message, so that an answer leaves after its question arrived
const HEARD = 256; // arrivals at a node that are remembered

class Flights {
  constructor(graph) {
    this.graph = graph;
    this.most = graph.links.length > 500 ? 32768 : 4096;
    this.link = new Uint16Array(this.most);
    this.kind = new Uint8Array(this.most);
    this.start = new Float64Array(this.most);
    this.pace = new Float32Array(this.most); // points of its lane in a second
    this.inLane = new Uint16Array(graph.links.length); // messages of a batch, and how many of them have been seen
    this.seenInLane = new Uint16Array(graph.links.length);
    this.reset();
  }

  reset() {
    this.count = this.flying = 0;
    this.elapsed = 0; // seconds of the lab from its first batch to its last
    this.lastStart = new Float64Array(this.graph.links.length); // order is kept on each link
    // When each node has received, by the lab's clock, and when that is seen, by the picture's; the newest last.
    this.heard = this.graph.nodes.map(() => ({ received: [], seen: [] }));
  }

  // Take a batch in. `now` is the picture's clock; the batch tells what happened in the `span` seconds before it.
  // Of a sample, only the order is told: it is spread evenly, for its bursts are those of the sampling.
  // `laneOf` tells which links share a lane. Says how many are shown.
  add(now, span, sent, received, link, kind, speed, sample, laneOf) {
    const lasting = FLIGHT * Math.min(2, Math.max(1, Math.pow(1 / Math.max(speed, 0.01), 0.25)));
    const order = Uint32Array.from(sent.keys()).sort((a, b) => sent[a] - sent[b]);
    const late = sample ? rank(received) : null, { inLane, seenInLane, elapsed, lastStart } = this;
    inLane.fill(0);
    seenInLane.fill(0);
    for (const l of link) inLane[laneOf[l]]++;
    let shown = 0;
    for (const i of order) {
      const l = link[i], { source, target } = this.graph.links[l];
      const natural = now + (late ? span * late[i] : Math.max(0, span + received[i])); // one batch is played while the next is on its way
      let start = natural;
      const heard = this.heard[source], asked = elapsed + sent[i];
      for (let k = heard.received.length - 1; k >= 0; k--) {
        if (heard.received[k] <= asked) {
          start = Math.min(Math.max(start, heard.seen[k]), natural + LATE);
          break;
        }
      }
      start = Math.max(start, lastStart[l] + 1e-4);
      lastStart[l] = start;
      const hears = this.heard[target];
      hears.received.push(elapsed + received[i]);
      hears.seen.push(start + lasting);
      if (hears.seen.length > HEARD) for (const times of [hears.received, hears.seen]) times.splice(0, HEARD / 2);
      const lane = laneOf[l], nth = seenInLane[lane]++, of = inLane[lane];
      if (this.count === this.most || (of > DENSE && Math.floor(nth * DENSE / of) === Math.floor((nth - 1) * DENSE / of))) continue;
      shown++;
      const n = this.count++;
      this.link[n] = l;
      this.kind[n] = kind[i];
      this.start[n] = start;
      this.pace[n] = STEPS_OF_LANE / lasting;
    }
    return shown;
  }

  // Times in a batch are relative to its tick: how long that is after the one before.
  shift(elapsed) { this.elapsed += elapsed; }

  // Draw what is in the air at a moment, and forget what has arrived; says how many there are. They are written into
  // pixels: for a canvas that is drawn in software that is far cheaper than a picture for each.
  //   pixels: of a picture so wide and so high; tracks: where the lanes run on it, see `tracksOf`.
  draw(pixels, width, height, now, tracks, laneOf, { dots, points }) {
    const { link, kind, start, pace } = this, marks = this.flying > MANY ? points : dots;
    const kinds = marks.length, { size } = marks[0], half = size / 2 - 0.5, right = width - size, bottom = height - size;
    let kept = 0, flying = 0;
    for (let i = 0; i < this.count; i++) {
      const at = (now - start[i]) * pace[i];
      if (at >= STEPS_OF_LANE) continue; // it has arrived
      if (kept !== i) {
        link[kept] = link[i];
        kind[kept] = kind[i];
        start[kept] = start[i];
        pace[kept] = pace[i];
      }
      kept++;
      if (at < 0) continue; // it has not left yet
      flying++;
      const k = Math.floor(at), f = at - k, p = TRACK * laneOf[link[i]] + 2 * k;
      const left = Math.floor(tracks[p] + f * (tracks[p + 2] - tracks[p]) - half);
      const top = Math.floor(tracks[p + 1] + f * (tracks[p + 3] - tracks[p + 1]) - half);
      if (left >= 0 && top >= 0 && left <= right && top <= bottom) marks[kind[i] % kinds].put(pixels, width, top * width + left);
    }
    this.count = kept;
    this.flying = flying;
    return flying;
  }
}

// The place of each in the order of their times, from 0 to 1.
function rank(times) {
  const places = new Float32Array(times.length);
  Uint32Array.from(times.keys()).sort((a, b) => times[a] - times[b]).forEach((i, place) => { places[i] = place / times.length; });
  return places;
}

// A dot of one colour, drawn once, as the pixels that it has: those that it covers, and its edge, which it shares.
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
    this.data = g.getImageData(0, 0, this.size, this.size).data;
  }

  // For a picture so wide.
  fit(width) {
    const full = [], edge = [], whole = new Uint32Array(this.data.buffer);
    whole.forEach((colour, i) => {
      const alpha = colour >>> 24, at = Math.floor(i / this.size) * width + (i % this.size);
      if (alpha > 250) full.push([at, (colour | 0xff000000) >>> 0]);
      else if (alpha > 5) {
        const [r, g, b] = this.data.subarray(4 * i, 4 * i + 3).map((c) => c * alpha / 255);
        edge.push([at, (b << 16 | g << 8 | r) >>> 0, Math.round((255 - alpha) * 256 / 255)]);
      }
    });
    this.width = width;
    [this.at, this.colour] = [0, 1].map((k) => Uint32Array.from(full, (pixel) => pixel[k]));
    [this.edgeAt, this.edgeColour, this.under] = [0, 1, 2].map((k) => Uint32Array.from(edge, (pixel) => pixel[k]));
  }

  put(pixels, width, from) {
    if (this.width !== width) this.fit(width);
    const { at, colour, edgeAt, edgeColour, under } = this;
    for (let j = 0; j < at.length; j++) pixels[from + at[j]] = colour[j];
    for (let j = 0; j < edgeAt.length; j++) { // two channels at once
      const k = from + edgeAt[j], below = pixels[k], share = under[j];
      const redBlue = (Math.imul(below & 0xff00ff, share) >>> 8) & 0xff00ff, green = (Math.imul(below & 0xff00, share) >>> 8) & 0xff00;
      pixels[k] = 0xff000000 | (edgeColour[j] + (redBlue | green));
    }
  }
}

// Dots with a halo, and the smaller points that stand for them where there are thousands.
function marks(colours, halo, radius) {
  return {
    dots: colours.map((colour) => new Mark([halo, colour], radius)),
    points: colours.map((colour) => new Mark([colour], Math.max(1.2, 0.6 * radius))),
  };
}
