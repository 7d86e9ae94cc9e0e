// The still part of the picture: where cards and lanes are, and how they are drawn.

const SLOT = 13;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif";

// The curves of all links, from the boxes as they stand now: lanes.py does the same for the still picture.
function layLanes(graph, boxes) {
  const sides = graph.links.map((link) => {
    const a = boxes[link.source], b = boxes[link.target];
    const apart = (a.w + b.w) / 2 - 10;
    if (b.x - a.x >= apart) return [1, -1];
    if (a.x - b.x >= apart) return [-1, 1];
    return [1, 1];
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
  return graph.links.map((link, i) => {
    const a = boxes[link.source], b = boxes[link.target], [left, right] = sides[i];
    const x0 = a.x + left * a.w / 2, y0 = a.y + height[i][0];
    const x3 = b.x + right * b.w / 2, y3 = b.y + height[i][1];
    const reach = Math.max(44, 0.46 * Math.abs(x3 - x0));
    const lane = { x0, y0, x1: x0 + left * reach, y1: y0, x2: x3 + right * reach, y2: y3, x3, y3, out: left, way: -right };
    // A table of points at even distances: a message moves at an even pace, for the price of a look-up.
    const points = new Float32Array(2 * 33), raw = [];
    let length = 0, px = x0, py = y0;
    for (let k = 0; k <= 64; k++) {
      const [x, y] = onCurve(lane, k / 64);
      length += Math.hypot(x - px, y - py);
      raw.push([length, x, y]);
      [px, py] = [x, y];
    }
    for (let k = 0, j = 0; k <= 32; k++) {
      while (j < 64 && raw[j][0] < length * k / 32) j++;
      points[2 * k] = raw[j][1];
      points[2 * k + 1] = raw[j][2];
    }
    return { ...lane, points, length };
  });
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

function drawLanes(g, graph, lanes, style, lit) {
  g.lineCap = "round";
  lanes.forEach((lane, i) => {
    const on = lit?.links.has(i);
    g.strokeStyle = on ? style.soft : style.edge;
    g.lineWidth = on ? 2 : 1.25;
    g.globalAlpha = lit && !on ? 0.45 : 1;
    g.beginPath();
    g.moveTo(lane.x0, lane.y0);
    g.bezierCurveTo(lane.x1, lane.y1, lane.x2, lane.y2, lane.x3 - lane.way * 4, lane.y3);
    g.stroke();
    g.fillStyle = g.strokeStyle;
    g.beginPath(); // the arrow, before the queue
    g.moveTo(lane.x3 - lane.way * 3.5, lane.y3);
    g.lineTo(lane.x3 - lane.way * 10, lane.y3 - 3.6);
    g.lineTo(lane.x3 - lane.way * 10, lane.y3 + 3.6);
    g.fill();
  });
  g.globalAlpha = 1;
}

// A filled port binds, a hollow one connects.
function drawPorts(g, graph, lanes, style) {
  g.lineWidth = 1.25;
  graph.links.forEach((link, i) => {
    const lane = lanes[i];
    for (const [x, y, bound] of [[lane.x0, lane.y0, link.binds[0]], [lane.x3, lane.y3, link.binds[1]]]) {
      g.beginPath();
      g.arc(x, y, 2.8, 0, 7);
      g.fillStyle = bound ? style.soft : style.card;
      g.strokeStyle = style.soft;
      g.fill();
      g.stroke();
    }
  });
}

// Where the name of each endpoint stands: amid its lanes, where no lane and no card is in the way.
function placeNames(graph, lanes, boxes) {
  const names = new Map();
  graph.links.forEach((link, i) => {
    if (!names.has(link.endpoint)) names.set(link.endpoint, []);
    names.get(link.endpoint).push([lanes[i].points, link]);
  });
  const taken = [], all = bounds(boxes);
  return [...names].map(([endpoint, ends]) => {
    // "endpoint", for it is easily taken for a topic; a URL tells by itself what it is.
    const name = endpoint.includes("://") ? endpoint : `endpoint ${endpoint}`, half = 3.1 * name.length + 4;
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
      for (const [ox, oy, oh] of taken) if (Math.abs(ox - x) < half + oh && Math.abs(oy - ty) < 14) least = 0;
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
    const [x, y] = best;
    taken.push([x, y, half]);
    return { name, x, y };
  });
}

function drawEndpoints(g, names, style, scale) {
  if (scale < 0.45) return;
  g.font = `italic ${Math.max(10.5, 8.5 / scale)}px ${FONT}`;
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

function drawCard(g, node, box, look, style, scale, lit) {
  const x = box.x - box.w / 2, y = box.y - box.h / 2;
  const colour = style.states[look.state] ?? style.soft;
  const dead = look.state === "killed" || look.state === "stopped";
  g.globalAlpha = (dead ? 0.72 : 1) * (lit && !lit.nodes.has(node.index) ? 0.5 : 1);
  g.beginPath();
  g.roundRect(x, y, box.w, box.h, 9);
  g.fillStyle = style.card;
  if (!dead) {
    g.shadowColor = "rgba(15,23,42,0.13)";
    g.shadowBlur = 9;
    g.shadowOffsetY = 2;
  }
  g.fill();
  g.shadowColor = "transparent";
  g.shadowBlur = g.shadowOffsetY = 0;
  if (look.state === "failed") {
    g.fillStyle = colour + "1f";
    g.fill();
  }
  g.setLineDash(look.state === "killed" ? [5, 4] : []);
  g.lineWidth = look.state === "failed" ? 2.2 : 1.3;
  g.strokeStyle = look.state === "failed" || look.state === "paused" ? colour : dead ? style.edge : style.card_edge;
  g.stroke();
  g.setLineDash([]);

  const small = scale < 0.62;
  const size = small ? Math.min(22, 8.5 / scale) : 13;
  const left = x + 34;
  drawSign(g, x + 19, box.y - (small ? 0 : 8), 8.5, look.state, colour, style);
  g.textAlign = "left";
  g.textBaseline = "middle";
  g.fillStyle = look.state === "killed" ? style.soft : style.ink;
  g.font = `600 ${size}px ${FONT}`;
  g.fillText(fitted(g, node.name, box.w - 42), left, box.y - (small ? 0 : 14));
  if (!small) {
    g.font = `500 10.5px ${FONT}`;
    g.fillStyle = colour;
    g.fillText(fitted(g, look.state, box.w - 42), left, box.y + 1);
    g.font = `10.5px ${FONT}`;
    g.fillStyle = style.soft;
    g.fillText(fitted(g, node.types, box.w - 42), left, box.y + 16);
  }
  g.globalAlpha = 1;
}

// A state as a sign in a disc, so that it is told without colour.
function drawSign(g, x, y, r, state, colour, style) {
  g.beginPath();
  g.arc(x, y, r, 0, 7);
  g.fillStyle = colour;
  g.fill();
  g.strokeStyle = g.fillStyle = style.card;
  g.lineWidth = 1.8;
  g.lineCap = "round";
  g.beginPath();
  switch (state) {
    case "running": g.moveTo(x - 2.4, y - 3.8); g.lineTo(x + 4, y); g.lineTo(x - 2.4, y + 3.8); g.fill(); break;
    case "blocked in recv": g.arc(x, y, 4.2, 0, 7); g.moveTo(x, y - 2.4); g.lineTo(x, y); g.lineTo(x + 2, y + 1); g.lineWidth = 1.3; g.stroke(); break;
    case "blocked in send": g.moveTo(x - 4, y); g.lineTo(x + 1.5, y); g.moveTo(x - 0.8, y - 2.6); g.lineTo(x + 1.8, y); g.lineTo(x - 0.8, y + 2.6); g.moveTo(x + 4, y - 4); g.lineTo(x + 4, y + 4); g.lineWidth = 1.6; g.stroke(); break;
    case "paused": g.moveTo(x - 2, y - 3.2); g.lineTo(x - 2, y + 3.2); g.moveTo(x + 2, y - 3.2); g.lineTo(x + 2, y + 3.2); g.stroke(); break;
    case "killed": g.moveTo(x - 2.8, y - 2.8); g.lineTo(x + 2.8, y + 2.8); g.moveTo(x + 2.8, y - 2.8); g.lineTo(x - 2.8, y + 2.8); g.stroke(); break;
    case "failed": g.moveTo(x, y - 4); g.lineTo(x, y + 0.8); g.moveTo(x, y + 3.9); g.lineTo(x, y + 4); g.lineWidth = 2.2; g.stroke(); break;
    case "finished": g.moveTo(x - 3.4, y + 0.2); g.lineTo(x - 0.8, y + 2.8); g.lineTo(x + 3.6, y - 2.6); g.stroke(); break;
    case "stopped": g.fillRect(x - 2.8, y - 2.8, 5.6, 5.6); break;
    default: for (const d of [-3.4, 0, 3.4]) { g.moveTo(x + d, y); g.lineTo(x + d, y); } g.stroke();
  }
}

const widths = new Map();
function fitted(g, text, width) {
  const key = g.font + "|" + width + "|" + text;
  if (!widths.has(key)) {
    let shown = text;
    while (shown.length > 1 && g.measureText(shown).width > width) shown = shown.slice(0, shown.endsWith("…") ? -2 : -1) + "…";
    widths.set(key, shown);
  }
  return widths.get(key);
}

// The queue at a link's receiving end: fill, and how many wait.
function drawQueue(g, lane, queued, capacity, style, scale) {
  if (!queued) return;
  const share = capacity ? Math.min(1, queued / capacity) : Math.min(1, Math.log10(queued + 1) / 6);
  const w = 30, h = 8, x = lane.way > 0 ? lane.x3 - 14 - w : lane.x3 + 14, y = lane.y3 - h / 2;
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
  g.fillStyle = share > 0.95 ? style.red : share > 0.5 ? style.amber : style.states["blocked in recv"];
  g.fill();
  if (scale > 0.6) {
    g.font = `600 9.5px ${FONT}`;
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
