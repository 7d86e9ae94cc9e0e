// How a sequence diagram is drawn: what is in sight, where it is, and what lies under the pointer.

const GUTTER = 88, TOP = 46, SLANTED = 92, BOTTOM = 18; // the ruler, the names above the lines, and some air
const NARROW = 78, LEAST = 22, WIDE = 280; // between two lines: where names stand aslant, and the limits
const DRAWN = 3000; // arrows at once; of more, one for those that begin on the same pixels
const FEW = 8; // up to which it is also told what was filtered
const WORDS = 40; // events up to which they are named
const STUB = 0.42; // of the way that a broken arrow goes
const LETTERS = "system-ui, -apple-system, 'Segoe UI', sans-serif";
const LOUD = new Set(["kill", "error"]), ENDS = new Set(["finish", "kill", "error", "stop"]), BEGINS = new Set(["start", "restart"]);

// The room beside the ruler; names that stand aslant need some at the end.
function roomOf(nodes, width) {
  const room = width - GUTTER - 16;
  return room / Math.max(1, nodes) < NARROW ? room - 50 : room;
}

function apartOf(nodes, width) {
  return Math.min(WIDE, Math.max(LEAST, roomOf(nodes, width) / Math.max(1, nodes)));
}

function headOf(nodes, width) {
  return apartOf(nodes, width) < NARROW ? SLANTED : TOP;
}

function boundedPan(nodes, width, panX) {
  const room = roomOf(nodes, width) - nodes * apartOf(nodes, width);
  return room >= -1 ? 0 : Math.min(0, Math.max(room, panX));
}

// The arrows in the window; of too many, one for those that begin on the same pixels. Says how many there are, and how
// many are newer. `segment(place)` tells where an arrow is, `lines[node]` where a line is.
function inSight(before, arrows, lab, view) {
  const { from, to, limit, top, zoom, head, place } = view, nodes = lab.nodes.length;
  const apart = apartOf(nodes, view.width), spare = Math.max(0, roomOf(nodes, view.width) - nodes * apart);
  const lines = lab.nodes.map((_, i) => GUTTER + view.panX + spare / 2 + apart * (i + 0.5));
  const y = (t) => head + (place(t) - top) * zoom;
  const { sent, received, sender, receiver, fate } = arrows, home = lab.home;
  const segment = (i) => {
    const source = home[sender[i]], to_ = receiver[i], target = to_ === NOBODY ? -1 : home[to_] ?? -1;
    const came = received[i] <= limit, sx = lines[source], sy = y(sent[i]);
    if (came && target >= 0) return { sx, sy, ex: lines[target], ey: y(received[i]), came };
    const way = target >= 0 ? Math.sign(lines[target] - sx) || 1 : source < nodes - 1 || nodes === 1 ? 1 : -1;
    return { sx, sy, ex: sx + way * Math.min(60, Math.max(12, STUB * apart)), ey: sy + 7, came: false, under: limit < Infinity || fate[i] === UNDER_WAY };
  };
  let of = 0, newer = 0;
  const seen = (i) => {
    const s = sent[i], r = received[i];
    return s <= to && s <= limit && (r >= from || s >= from) && home[sender[i]] >= 0; // nothing holds of what is not a number
  };
  const { places } = before;
  for (let i = 0; i < arrows.count; i++) {
    if (seen(i)) { if (of < DRAWN) places[of] = i; of++; } else if (sent[i] > to && sent[i] <= limit) newer++;
  }
  let kept = Math.min(of, DRAWN);
  for (let pixels = 2; of > DRAWN && pixels < 512; pixels *= 2) {
    const taken = new Set();
    kept = 0;
    for (let i = 0; i < arrows.count && kept <= DRAWN; i++) {
      if (!seen(i)) continue;
      const row = Math.floor(y(sent[i]) / pixels) + 4096, key = (row * 1024 + home[sender[i]]) * 1024 + (receiver[i] === NOBODY ? 1023 : home[receiver[i]] ?? 1023);
      if (taken.has(key)) continue;
      taken.add(key);
      if (kept < DRAWN) places[kept] = i;
      kept++;
    }
    if (kept <= DRAWN) break;
    kept = DRAWN;
  }
  const marks = [];
  for (const event of lab.events) {
    const [time, , node] = event, k = lab.nodes.indexOf(node);
    if (time < from || time > to || time > limit || (node && k < 0)) continue;
    marks.push({ event, x: node ? lines[k] : null, y: y(time) });
  }
  return { places, count: kept, of, newer, segment, lines, marks, y, apart };
}

function drawSequence(g, arrows, lab, view, sight, look) {
  const { width, height, head } = view, { style, page } = look;
  g.fillStyle = page;
  g.fillRect(0, 0, width, height);
  g.save();
  g.beginPath();
  g.rect(0, head, width, height - head);
  g.clip();
  drawRuler(g, view, style);
  drawLines(g, lab, view, sight, style);
  drawLetGo(g, arrows, view, sight, look.gone, style, page);
  drawGaps(g, arrows, view, sight, style);
  const { chosen, hovered, journey, wanted } = look, followed = journey && new Set(journey.places);
  const lit = followed ? (i) => followed.has(i) : wanted ? (i) => arrows.found[i] === 1 : null;
  const all = Array.from(sight.places.subarray(0, sight.count));
  if (followed) for (const i of journey.places) if (!all.includes(i)) all.push(i);
  const segments = new Map(all.map((i) => [i, sight.segment(i)]));
  if (lit) drawArrows(g, arrows, lab, all.filter((i) => !lit(i)), segments, style, { alpha: 0.16, width: 1.2 });
  const shown = lit ? all.filter(lit) : all;
  drawArrows(g, arrows, lab, shown, segments, style, { alpha: 1, width: followed ? 2.4 : 1.5 });
  const near = [chosen, hovered].filter((i) => i >= 0 && segments.has(i));
  drawArrows(g, arrows, lab, near, segments, style, { alpha: 1, width: 3.2 });
  const taken = new Taken(), marks = placeMarks(g, sight.marks, width, taken);
  g.font = `${LABELLED}px ${LETTERS}`;
  sight.labels = look.labels.place(g, wantedLabels(arrows, lab, shown, segments, near), taken, [GUTTER, width]);
  drawLabels(g, sight.labels, style, page);
  drawMarks(g, view, marks, style, page);
  g.restore();
  drawNames(g, lab, view, sight, style);
}

function drawRuler(g, view, style) {
  const { top, zoom, head, height, width } = view, rows = (height - head) / zoom;
  g.font = `10px ${LETTERS}`;
  g.textAlign = "right";
  g.textBaseline = "middle";
  g.fillStyle = style.soft;
  g.strokeStyle = style.queue;
  g.lineWidth = 1;
  g.beginPath();
  if (view.scale === "time") {
    const power = 10 ** Math.floor(Math.log10(44 / zoom)), step = [1, 2, 5, 10].map((n) => n * power).find((s) => s * zoom >= 44);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (let k = Math.ceil(top / step); k * step < top + rows; k++) {
      const y = head + (k * step - top) * zoom;
      if (k < 0) continue;
      g.moveTo(GUTTER - 4, y);
      g.lineTo(width, y);
      g.fillText(`${(k * step).toFixed(digits)} s`, GUTTER - 10, y);
    }
  } else {
    const { moments } = view, every = Math.ceil(13 / zoom);
    let before = NaN;
    for (let k = Math.max(0, Math.ceil(top / every) * every); k < Math.min(moments.count, top + rows); k += every) {
      const y = head + (k - top) * zoom, time = moments.times[k];
      g.moveTo(GUTTER - 4, y);
      g.lineTo(width, y);
      if (y > head + 4) {
        g.fillText(before === before ? `+${seconds(time - before)}` : `${time.toFixed(6)} s`, GUTTER - 10, y);
        before = time;
      }
    }
  }
  g.stroke();
}

// A node's line; dotted where it does not run.
function drawLines(g, lab, view, sight, style) {
  const { head, height } = view;
  g.strokeStyle = style.edge;
  g.lineWidth = 1;
  lab.nodes.forEach((node, i) => {
    const x = Math.round(sight.lines[i]) + 0.5;
    let from = head, runs = true;
    const piece = (to) => {
      if (to > from) {
        g.setLineDash(runs ? [] : [2, 5]);
        g.beginPath();
        g.moveTo(x, from);
        g.lineTo(x, Math.min(to, height));
        g.stroke();
      }
      from = Math.max(from, to);
    };
    for (const [time, begins] of lab.lives.get(node) ?? []) {
      if (time > view.limit) break;
      piece(sight.y(time));
      runs = begins;
    }
    piece(height);
  });
  g.setLineDash([]);
}

// What is no longer remembered: above the first arrow that is, nothing is known.
function drawLetGo(g, arrows, view, sight, gone, style, page) {
  if (!gone || !arrows.count) return;
  const end = Math.min(view.height, sight.y(arrows.sent[0]));
  if (end < view.head + 2) return;
  g.fillStyle = style.queue;
  g.globalAlpha = 0.35;
  g.fillRect(GUTTER, view.head, view.width - GUTTER, end - view.head);
  g.globalAlpha = 1;
  g.strokeStyle = style.amber;
  g.lineWidth = 1;
  g.setLineDash([8, 6]);
  g.beginPath();
  g.moveTo(GUTTER, end);
  g.lineTo(view.width, end);
  g.stroke();
  g.setLineDash([]);
  const text = `${count(gone)} hops of before ${arrows.sent[0].toFixed(1)} s have been let go`;
  g.font = `600 12px ${LETTERS}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  const x = (GUTTER + view.width) / 2, y = Math.max(view.head + 14, end < view.height ? end - 14 : (view.head + view.height) / 2), wide = g.measureText(text).width;
  g.fillStyle = page;
  g.fillRect(x - wide / 2 - 8, y - 10, wide + 16, 20);
  g.fillStyle = style.amber;
  g.fillText(text, x, y);
}

// Where hops have not come here.
function drawGaps(g, arrows, view, sight, style) {
  g.textAlign = "left";
  let before = -Infinity;
  for (const { time, missing } of arrows.gaps) {
    if (time < view.from || time > view.to) continue;
    const y = sight.y(time) - 3;
    if (y - before < 16) continue;
    before = y;
    g.strokeStyle = g.fillStyle = style.amber;
    g.setLineDash([8, 6]);
    g.beginPath();
    g.moveTo(GUTTER, y);
    g.lineTo(view.width, y);
    g.stroke();
    g.setLineDash([]);
    g.fillText(`${count(missing)} hops passed too fast to be shown`, GUTTER + 4, y - 7);
  }
}

// What is known not to arrive; what nobody has asked for is no loss.
const isLost = (fate) => fate !== "under way" && fate !== "delivered" && fate !== "unknown" && fate !== "filtered";

// One path for each colour: a line costs little, a change of colour much.
function drawArrows(g, arrows, lab, places, segments, style, { alpha, width }) {
  if (!places.length) return;
  const size = places.length > 600 ? 5 : 8, kinds = new Map();
  g.globalAlpha = alpha;
  g.lineWidth = width;
  for (const i of places) {
    const kind = arrows.kind[i] % style.kinds.length;
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push(i);
  }
  for (const [kind, own] of kinds) {
    g.strokeStyle = g.fillStyle = style.kinds[kind];
    for (const whole of [true, false]) {
      g.setLineDash(whole ? [] : [5, 3]);
      g.beginPath();
      for (const i of own) {
        const s = segments.get(i);
        if (s.came !== whole) continue;
        g.moveTo(s.sx, s.sy);
        g.lineTo(s.ex, s.ey);
      }
      g.stroke();
    }
    g.setLineDash([]);
    g.beginPath();
    for (const i of own) {
      const { sx, sy, ex, ey, came } = segments.get(i);
      g.moveTo(sx + 2.4, sy);
      g.arc(sx, sy, size > 5 ? 2.4 : 1.6, 0, 7);
      if (!came) continue;
      const length = Math.hypot(ex - sx, ey - sy) || 1, ux = (ex - sx) / length, uy = (ey - sy) / length;
      g.moveTo(ex, ey);
      g.lineTo(ex - size * ux - 0.45 * size * uy, ey - size * uy + 0.45 * size * ux);
      g.lineTo(ex - size * ux + 0.45 * size * uy, ey - size * uy - 0.45 * size * ux);
    }
    g.fill();
  }
  // Broken: what is known not to arrive ends in a cross.
  g.lineWidth = 2;
  g.beginPath();
  g.strokeStyle = style.red;
  for (const i of places) {
    const { ex, ey, came, under } = segments.get(i);
    if (came || under || !isLost(lab.fates[arrows.fate[i]])) continue;
    g.moveTo(ex - 4, ey - 4);
    g.lineTo(ex + 4, ey + 4);
    g.moveTo(ex - 4, ey + 4);
    g.lineTo(ex + 4, ey - 4);
  }
  g.stroke();
  g.beginPath();
  g.strokeStyle = style.soft;
  for (const i of places) {
    const { ex, ey, came, under } = segments.get(i);
    if (came || under || lab.fates[arrows.fate[i]] !== "filtered") continue;
    g.moveTo(ex, ey - 4);
    g.lineTo(ex, ey + 4);
  }
  g.stroke();
  g.globalAlpha = 1;
}

// What is to be told beside arrows: first of what is looked at, then of what is lost.
function wantedLabels(arrows, lab, places, segments, near) {
  const wanted = [];
  for (const i of places) {
    const segment = segments.get(i), { came, under } = segment, fate = lab.fates[arrows.fate[i]];
    const text = came ? arrows.said[i] : [arrows.said[i], under ? "" : fate].filter(Boolean).join(": ");
    if (!text || (fate === "filtered" && places.length > FEW)) continue;
    const loud = !came && !under && isLost(fate);
    wanted.push({ ...segment, number: arrows.number[i], text, loud, lane: `${arrows.sender[i]} ${arrows.receiver[i]}`, rank: near.includes(i) ? 0 : loud ? 1 : 2 });
  }
  return wanted;
}

function drawNames(g, lab, view, sight, style) {
  const { head } = view, aslant = sight.apart < NARROW;
  lab.nodes.forEach((node, i) => {
    const x = sight.lines[i];
    if (x < GUTTER - 30 || x > view.width + 30) return;
    g.fillStyle = style.ink;
    if (aslant) {
      g.save();
      g.translate(x - 2, head - 5);
      g.rotate(-0.9);
      g.font = `600 11px ${LETTERS}`;
      g.textAlign = "left";
      g.textBaseline = "middle";
      g.fillText(fitted(g, node, 96), 0, 0);
      g.restore();
      return;
    }
    g.textAlign = "center";
    g.textBaseline = "alphabetic";
    g.font = `600 12px ${LETTERS}`;
    g.fillText(fitted(g, node, sight.apart - 8), x, 20);
    g.fillStyle = style.soft;
    g.font = `10.5px ${LETTERS}`;
    g.fillText(fitted(g, lab.types[i] ?? "", sight.apart - 8, 0), x, 35);
  });
  g.strokeStyle = style.queue;
  g.lineWidth = 1;
  g.beginPath();
  g.moveTo(0, head - 0.5);
  g.lineTo(view.width, head - 0.5);
  g.stroke();
}

// As much of a text as has room: its beginning, and a share of it at its end, which tells a name from its siblings.
function fitted(g, text, room, share = 1 / 3) {
  const wide = g.measureText(text).width;
  if (wide <= room) return text;
  let shown = text;
  for (let most = Math.max(2, Math.floor(text.length * room / wide)); most > 1; most--) {
    const tail = Math.floor(most * share);
    shown = `${text.slice(0, most - tail).trimEnd()}…${tail ? text.slice(-tail) : ""}`;
    if (g.measureText(shown).width <= room) break;
  }
  return shown;
}

// What lies under the pointer: an arrow's place, or an event.
function under(sight, x, y) {
  let best = null, least = 7;
  for (const mark of sight.marks ?? []) {
    const d = Math.hypot(Math.max(0, (mark.x ?? x) - x, x - (mark.x ?? x) - 50), mark.y - y);
    if (d < least) { least = d; best = { event: mark.event }; }
  }
  for (let k = 0; k < sight.count; k++) {
    const { sx, sy, ex, ey } = sight.segment(sight.places[k]);
    if (y < Math.min(sy, ey) - least || y > Math.max(sy, ey) + least) continue;
    const dx = ex - sx, dy = ey - sy, share = Math.max(0, Math.min(1, ((x - sx) * dx + (y - sy) * dy) / (dx * dx + dy * dy || 1)));
    const d = Math.hypot(sx + share * dx - x, sy + share * dy - y);
    if (d < least) { least = d; best = { place: sight.places[k] }; }
  }
  return best;
}
