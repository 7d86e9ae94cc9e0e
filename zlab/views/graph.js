// Lanes: where they run, how they are drawn, and the names of their endpoints.

const SLOT = 13;
const STEPS_OF_LANE = 32; // from its beginning to its end
const TRACK = 2 * (STEPS_OF_LANE + 1); // numbers that tell where it runs
const SUM = 15; // how far from its lane a sum stands
const FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif";

// The curves of all links, from the boxes as they stand now: lanes.py does the same for the still picture.
function layLanes(graph, boxes) {
  const facing = graph.links.map((link) => {
    const a = boxes[link.source], b = boxes[link.target], apart = (a.w + b.w) / 2 - 10;
    return b.x - a.x >= apart ? 1 : a.x - b.x >= apart ? -1 : 0;
  });
  const crowd = new Map(), at = (node, side) => crowd.get(side * (node + 1)) ?? 0;
  const enter = (node, side) => crowd.set(side * (node + 1), at(node, side) + 1);
  graph.links.forEach((link, i) => {
    if (!facing[i]) return;
    enter(link.source, facing[i]);
    enter(link.target, -facing[i]);
  });
  // Between cards above one another a lane goes round where fewer others end.
  const sides = graph.links.map(({ source, target }, i) => {
    if (facing[i]) return [facing[i], -facing[i]];
    return at(source, -1) + at(target, -1) < at(source, 1) + at(target, 1) ? [-1, -1] : [1, 1];
  });
  const ends = new Map();
  graph.links.forEach((link, i) => {
    for (const [role, node, socket, side, peer] of [
      [0, link.source, link.from, sides[i][0], link.target],
      [1, link.target, link.to, sides[i][1], link.source],
    ]) {
      const key = node + ":" + side;
      if (!ends.has(key)) ends.set(key, { node, slots: [] });
      const place = graph.nodes[node].sockets.findIndex((s) => s.name === socket);
      ends.get(key).slots.push([place, boxes[peer].y, i, role]);
    }
  });
  const height = graph.links.map(() => [0, 0]);
  for (const { node, slots } of ends.values()) {
    slots.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3]);
    const step = Math.min(SLOT, (boxes[node].h - 14) / slots.length);
    slots.forEach(([, , i, role], k) => { height[i][role] = (k - (slots.length - 1) / 2) * step; });
  }
  const lanes = graph.links.map((link, i) => {
    const a = boxes[link.source], b = boxes[link.target], [left, right] = sides[i];
    const x0 = a.x + left * a.w / 2, y0 = a.y + height[i][0];
    const x3 = b.x + right * b.w / 2, y3 = b.y + height[i][1];
    const reach = Math.max(44, 0.46 * Math.abs(x3 - x0));
    const lane = { x0, y0, x1: x0 + left * reach, y1: y0, x2: x3 + right * reach, y2: y3, x3, y3, out: left, way: -right };
    // A table of points at even distances: a message moves at an even pace, for the price of a look-up.
    const points = new Float32Array(2 * 33), raw = [];
    let length = 0, px = x0, py = y0, left_ = x0, right_ = x0, top = y0, bottom = y0;
    for (let k = 0; k <= 64; k++) {
      const [x, y] = onCurve(lane, k / 64);
      length += Math.hypot(x - px, y - py);
      raw.push([length, x, y]);
      [px, py] = [x, y];
      left_ = Math.min(left_, x); right_ = Math.max(right_, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
    for (let k = 0, j = 0; k <= 32; k++) {
      while (j < 64 && raw[j][0] < length * k / 32) j++;
      points[2 * k] = raw[j][1];
      points[2 * k + 1] = raw[j][2];
    }
    return { ...lane, points, length, left: left_, right: right_, top, bottom, sum: 0 };
  });
  lanes.forEach((lane, i) => { if (graph.links[i].links?.length > 1) lane.sum = sideOfSum(lanes, lane); });
  return lanes;
}

// Where the sum of a lane stands: above it, -1, or beneath it, 1, where no other lane is; 0 is nowhere.
function sideOfSum(lanes, { points }) {
  const [x, y] = [points[32], points[33]];
  const near = (side) => lanes.some(({ points: p }) => {
    const away = side * (p[33] - y);
    return away > 0 && away < 2 * SUM && Math.abs(p[32] - x) < 60;
  });
  return near(-1) ? (near(1) ? 0 : 1) : -1;
}

// The points of all lanes one after the other, in pixels: x = scale × x + dx.
function tracksOf(lanes, scale, dx, dy) {
  const tracks = new Float32Array(TRACK * lanes.length);
  lanes.forEach(({ points }, i) => {
    for (let k = 0; k < TRACK; k += 2) {
      tracks[TRACK * i + k] = scale * points[k] + dx;
      tracks[TRACK * i + k + 1] = scale * points[k + 1] + dy;
    }
  });
  return tracks;
}

function onCurve(c, t) {
  const u = 1 - t, a = u * u * u, b = 3 * u * u * t, d = 3 * u * t * t, e = t * t * t;
  return [a * c.x0 + b * c.x1 + d * c.x2 + e * c.x3, a * c.y0 + b * c.y1 + d * c.y2 + e * c.y3];
}

function bounds(boxes) {
  const left = Math.min(...boxes.map((b) => b.x - b.w / 2)), right = Math.max(...boxes.map((b) => b.x + b.w / 2));
  const top = Math.min(...boxes.map((b) => b.y - b.h / 2)), bottom = Math.max(...boxes.map((b) => b.y + b.h / 2));
  return { left, right, top, bottom };
}

function drawLanes(g, fold, lanes, style, lit, scale) {
  g.lineCap = "round";
  const fine = scale < 0.3; // arrows could not be seen
  // Lanes of one look are one path: what costs is the stroke, and there may be thousands.
  const looks = new Map();
  lanes.forEach((lane, i) => {
    const on = lit?.links.has(i), thick = fold.links[i].links.length > 1;
    const key = `${on ? 1 : 0}${thick ? 1 : 0}`;
    if (!looks.has(key)) looks.set(key, { on, thick, lanes: [] });
    looks.get(key).lanes.push(lane);
  });
  for (const { on, thick, lanes: some } of [...looks.values()].sort((a, b) => (a.on ? 1 : 0) - (b.on ? 1 : 0))) {
    g.strokeStyle = g.fillStyle = on ? style.soft : style.edge;
    g.lineWidth = (thick ? 2 : 0) + (on ? 2 : fine ? 0.7 / scale * 0.5 : 1.25);
    g.globalAlpha = lit && !on ? 0.45 : some.length > 1500 ? 0.5 : 1;
    for (let from = 0; from < some.length; from += 64) { // a path of thousands of curves is slower than many of some
      g.beginPath();
      for (const lane of some.slice(from, from + 64)) {
        g.moveTo(lane.x0, lane.y0);
        g.bezierCurveTo(lane.x1, lane.y1, lane.x2, lane.y2, lane.x3 - lane.way * 4, lane.y3);
      }
      g.stroke();
    }
    if (fine) continue;
    g.beginPath(); // the arrows, before the queues
    for (const lane of some) {
      g.moveTo(lane.x3 - lane.way * 3.5, lane.y3);
      g.lineTo(lane.x3 - lane.way * 10, lane.y3 - 3.6);
      g.lineTo(lane.x3 - lane.way * 10, lane.y3 + 3.6);
      g.closePath();
    }
    g.fill();
  }
  g.globalAlpha = 1;
}

// A lane on which messages stand: two bars in a disc, so that it is told without colour.
function drawPause(g, x, y, r, style) {
  g.beginPath();
  g.arc(x, y, r, 0, 7);
  g.fillStyle = style.amber;
  g.fill();
  g.lineWidth = 1.5;
  g.strokeStyle = g.fillStyle = style.card;
  g.stroke();
  g.fillRect(x - 3.5, y - 3.5, 2.4, 7);
  g.fillRect(x + 1.1, y - 3.5, 2.4, 7);
}

// The lane that runs nearest to a place, no farther from it than `least`, or -1.
function nearestLane(lanes, x, y, least) {
  let best = -1;
  lanes.forEach((lane, i) => {
    if (x < lane.left - least || x > lane.right + least || y < lane.top - least || y > lane.bottom + least) return;
    for (let k = 0; k <= 32; k++) {
      const d = Math.hypot(lane.points[2 * k] - x, lane.points[2 * k + 1] - y);
      if (d < Math.max(least, lane.length / 64 * (best < 0 ? 1 : 0))) {
        const near = Math.min(d, distance(lane.points, k, x, y));
        if (near < least) { least = near; best = i; }
      }
    }
  });
  return best;
}

function distance(p, k, x, y) {
  let least = Infinity;
  for (const j of [k - 1, k]) {
    if (j < 0 || j > 31) continue;
    const ax = p[2 * j], ay = p[2 * j + 1], dx = p[2 * j + 2] - ax, dy = p[2 * j + 3] - ay;
    const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(ax + t * dx - x, ay + t * dy - y));
  }
  return least;
}

// A filled port binds, a hollow one connects. Of an item, or of all.
function drawPorts(g, fold, lanes, style, scale, item = -1) {
  if (scale < 0.3) return;
  g.lineWidth = 1.25;
  g.strokeStyle = style.soft;
  for (const i of item < 0 ? lanes.keys() : fold.endsOf[item]) {
    const lane = lanes[i], link = fold.links[i];
    for (const [x, y, bound, of] of [[lane.x0, lane.y0, link.binds[0], link.source], [lane.x3, lane.y3, link.binds[1], link.target]]) {
      if (item >= 0 && of !== item) continue;
      g.beginPath();
      g.arc(x, y, 2.8, 0, 7);
      g.fillStyle = bound ? style.soft : style.card;
      g.fill();
      g.stroke();
    }
  }
}

// Where the name of each endpoint stands: amid its lanes, where no lane and no card is in the way.
//   unit: how much larger than on a picture of full size its letters are.
function placeNames(graph, lanes, boxes, unit) {
  const names = new Map();
  graph.links.forEach((link, i) => {
    if (!names.has(link.endpoint)) names.set(link.endpoint, []);
    names.get(link.endpoint).push([lanes[i].points, link]);
  });
  if (names.size > 60 || names.size * lanes.length > 8000) return []; // nobody could read so many
  const all = bounds(boxes);
  // The sums of lanes that are drawn as one have their places, see drawSum.
  const taken = lanes.flatMap((lane) => (lane.sum ? [[lane.points[32], lane.points[33] + lane.sum * SUM * unit, 62 * unit]] : []));
  return [...names].map(([endpoint, ends]) => {
    // "endpoint", for it is easily taken for a topic; a URL tells by itself what it is.
    const name = /:\/\/| endpoints$/.test(endpoint) ? endpoint : `endpoint ${endpoint}`, half = (3.1 * name.length + 4) * unit;
    const hubs = new Set(ends.map(([, link]) => (link.binds[0] ? link.source : link.target)));
    const met = ends.length > 1 && hubs.size === 1; // its place is where all lanes meet, and not on one of them
    const mean = (j, axis) => ends.reduce((sum, [p, link]) => sum + p[2 * (met && !link.binds[0] ? 32 - j : j) + axis], 0) / ends.length;
    let at = 16;
    if (met) {
      const off = half + (ends[0][1].binds[0] ? 18 : 76); // queues stand before receivers
      at = 1;
      while (at < 16 && Math.abs(mean(at, 0) - mean(0, 0)) < off) at++;
    }
    const room = (x, ty) => {
      let least = 99;
      for (const { points: p } of lanes) {
        for (let k = 0; k <= 32; k++) if (Math.abs(p[2 * k] - x) < half) least = Math.min(least, Math.abs(p[2 * k + 1] - ty));
      }
      for (const b of boxes) if (Math.abs(b.x - x) < b.w / 2 + half && Math.abs(b.y - ty) < b.h / 2 + 7) least = 0;
      for (const [ox, oy, oh] of taken) if (Math.abs(ox - x) < half + oh && Math.abs(oy - ty) < 14 * unit) least = 0;
      return least;
    };
    let best = [mean(at, 0), mean(at, 1) - 12], most = -1;
    for (const aside of [0, 2, -2, 4, -4, 6, -6]) { // where lanes are many, a little along them
      const j = Math.max(1, Math.min(31, at + aside)), x = mean(j, 0), y = mean(j, 1);
      for (const shift of [0, -12, 12, -17, 17, -24, 24, -32, 32, -42, 42, -54, 54, -66, 66, -80, 80]) {
        if (y + shift < all.top - 6 || y + shift > all.bottom + 6) continue;
        const free = Math.min(11, room(x, y + shift));
        if (free > most + 1) { most = free; best = [x, y + shift]; }
        if (most >= 11) break;
      }
      if (most >= 11) break;
    }
    const home = boxes[[...hubs][0]];
    for (const far of most < 9 ? [9, -9, 24, -24, 39, -39, 54, -54] : []) { // beneath or above the card of who binds, if all else is taken
      const y = home.y + Math.sign(far) * home.h / 2 + far * unit;
      if (room(home.x, y) >= 9) { best = [home.x, y]; break; }
    }
    const [x, y] = best;
    taken.push([x, y, half]);
    return { name, x, y };
  });
}

function drawEndpoints(g, names, style, scale) {
  if (scale < 0.5) return;
  g.font = `italic ${nameLetters(style, scale)}px ${FONT}`;
  g.textBaseline = "middle";
  g.textAlign = "center";
  g.lineWidth = 4;
  g.lineJoin = "round";
  g.strokeStyle = style.page;
  g.fillStyle = style.soft;
  for (const { name, x, y } of names) {
    g.strokeText(name, x, y);
    g.fillText(name, x, y);
  }
}

// Where all is drawn large, the names of endpoints give way: they stand between lanes.
function nameLetters(style, scale) {
  return Math.max(10.5, Math.max(11, 0.8 * style.least) / scale);
}

// The size of letters, in the graph's units: never smaller on the screen than can be read.
function letters(size, style, scale) {
  return Math.max(size, style.least / scale);
}

// The queue at a link's receiving end: fill, and how many wait.
function drawQueue(g, lane, queued, capacity, style, scale) {
  if (!queued) return;
  const share = capacity ? Math.min(1, queued / capacity) : Math.min(1, Math.log10(queued + 1) / 6);
  const w = 30, h = 8, x = lane.way > 0 ? lane.x3 - 14 - w : lane.x3 + 14, y = lane.y3 - h / 2;
  if (scale < 0.45) { // a bar alone, for there may be thousands
    const filled = Math.max(4, share * w);
    g.fillStyle = fullness(share, style);
    g.fillRect(lane.way > 0 ? x + w - filled : x, y, filled, h);
    return;
  }
  g.beginPath();
  g.roundRect(x, y, w, h, 3);
  g.fillStyle = style.queue;
  g.strokeStyle = style.soft;
  g.lineWidth = 1;
  g.fill();
  g.stroke();
  const fill = Math.max(3, share * (w - 2));
  g.beginPath();
  g.roundRect(lane.way > 0 ? x + w - 1 - fill : x + 1, y + 1, fill, h - 2, 2); // it fills from the receiver
  g.fillStyle = fullness(share, style);
  g.fill();
  if (scale > 0.6) {
    g.font = `600 ${letters(9.5, style, scale)}px ${FONT}`;
    g.textAlign = lane.way > 0 ? "right" : "left";
    g.textBaseline = "middle";
    g.lineWidth = 3;
    g.strokeStyle = style.page;
    const at = lane.way > 0 ? x - 4 : x + w + 4;
    g.strokeText(brief(queued), at, lane.y3);
    g.fillStyle = style.ink;
    g.fillText(brief(queued), at, lane.y3);
  }
}

// What a queue and its number may cover, with what is told on the lane and the bolt of one that is cut: [left, top, right, bottom].
function queueBox(lane, style, scale, told, cut, paused) {
  const line = letters(11, style, scale), half = 0.7 * line + 4, far = 44 + 8 + 8 * line;
  const [left, right] = lane.way > 0 ? [lane.x3 - far, lane.x3] : [lane.x3, lane.x3 + far];
  let box = [left, lane.y3 - half, right, lane.y3 + half];
  const reach = (k, wide, high) => {
    const x = lane.points[2 * k], y = lane.points[2 * k + 1];
    box = [Math.min(box[0], x - wide), Math.min(box[1], y - high), Math.max(box[2], x + wide), Math.max(box[3], y + high)];
  };
  if (told) reach(16, 11 * line, 2.4 * line);
  if (cut) reach(10, 10, 10);
  if (paused) reach(20, 10, 10);
  return box;
}

function fullness(share, style) {
  return share > 0.95 ? style.red : share > 0.5 ? style.amber : style.blue;
}

// What a lane of many links carries, all of them together.
function drawSum(g, lane, links, sum, style, scale) {
  if (scale < 0.4 || !lane.sum) return;
  const [x, y] = [lane.points[32], lane.points[33]];
  g.font = `600 ${letters(11, style, scale)}px ${FONT}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.lineWidth = 5;
  g.lineJoin = "round";
  g.strokeStyle = style.page;
  g.fillStyle = style.ink;
  const text = `${count(links)} links, ${rate(sum.rate)}`;
  const beside = y + lane.sum * SUM * letters(10.5, style, scale) / 10.5;
  g.strokeText(text, x, beside);
  g.fillText(text, x, beside);
}

// Where nothing moves, what would have moved is told.
function drawRate(g, lane, flow, style, scale) {
  g.font = `600 ${letters(10.5, style, scale)}px ${FONT}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.lineWidth = 4;
  g.strokeStyle = style.page;
  g.fillStyle = style.ink;
  g.strokeText(rate(flow), lane.points[32], lane.points[33]);
  g.fillText(rate(flow), lane.points[32], lane.points[33]);
}
