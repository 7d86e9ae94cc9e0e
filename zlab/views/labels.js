// What stands beside arrows and events: each where it covers no other; what has no room is counted by its neighbour.

const LABELLED = 10.5, TALL = 12; // pixels of a letter, and of a label
const SHARES = [0.42, 0.22, 0.66]; // of an arrow, from its beginning, where its label may stand
const BESIDE = 30; // pixels within which a label counts those that have no room
const FULL = 60; // labels up to which each stands where it has room; of more, those of one link stand apart
const APART = [8, 64]; // pixels, between labels of one link
const LEAST_ROOM = 48; // pixels of an arrow that has a label
const MOST_WORDS = 4000; // texts of which the widths are known

// A box that lies aslant, in buckets by the rows that it touches, so that few are compared.
class Taken {
  constructor() { this.rows = new Map(); }

  *near({ top, bottom }) {
    for (let row = Math.floor(top / 16); row <= Math.floor(bottom / 16); row++) yield* this.rows.get(row) ?? [];
  }

  free(box, but = null) {
    for (const other of this.near(box)) if (other !== but && overlap(box, other)) return false;
    return true;
  }

  add(box) {
    for (let row = Math.floor(box.top / 16); row <= Math.floor(box.bottom / 16); row++) {
      if (!this.rows.has(row)) this.rows.set(row, []);
      this.rows.get(row).push(box);
    }
    return box;
  }
}

// A box of so many pixels around a point, turned by an angle.
function boxAt(x, y, wide, high, angle) {
  const cos = Math.cos(angle), sin = Math.sin(angle), reach = (wide * Math.abs(sin) + high * Math.abs(cos)) / 2;
  return { x, y, wide, high, angle, cos, sin, top: y - reach, bottom: y + reach };
}

// Two boxes are apart where an edge of one of them parts them.
function overlap(one, other) {
  for (const axis of [one, other]) {
    for (const [ux, uy] of [[axis.cos, axis.sin], [-axis.sin, axis.cos]]) {
      const half = (box) => (box.wide * Math.abs(box.cos * ux + box.sin * uy) + box.high * Math.abs(box.cos * uy - box.sin * ux)) / 2;
      if (Math.abs((other.x - one.x) * ux + (other.y - one.y) * uy) >= half(one) + half(other)) return false;
    }
  }
  return true;
}

// Labels keep their places from one picture to the next, so that nothing flickers while time goes on.
class Labels {
  constructor() {
    this.kept = new Map(); // the numbers of arrows that were labelled last, and which share of the way
    this.widths = new Map();
  }

  width(g, text) {
    if (this.widths.size > MOST_WORDS) this.widths.clear();
    if (!this.widths.has(text)) this.widths.set(text, g.measureText(text).width);
    return this.widths.get(text);
  }

  // As much of a text as has room, shortened as `fitted` does it.
  fit(g, text, room) {
    let shown = text;
    for (let give = room; this.width(g, shown) > room && give > 0; give -= 6) shown = fitted(g, text, give);
    return shown;
  }

  // Find a place for each label that has room.
  //   wanted: {number, text, lane, rank, sx, sy, ex, ey, came} each; a lower rank comes first. taken: boxes that are not to be covered;
  //   sides: where the picture begins and ends, in pixels.
  //   Returns {placed, merged, left}: labels with their `box` and `shown` text; how many another counts; how many none does.
  place(g, wanted, taken, sides = [-Infinity, Infinity]) {
    const order = wanted.map((one, i) => [one.rank - (this.kept.has(one.number) ? 0.5 : 0), i]).sort(([a, i], [b, k]) => a - b || i - k);
    const placed = [], without = [], lanes = new Map();
    // Where there are many, a label beside every other arrow would hide more than it tells.
    const apart = Math.max(APART[0], Math.min(APART[1], APART[0] + 20 * Math.log2(wanted.length / FULL)));
    for (const [, i] of order) {
      const one = wanted[i], beside = lanes.get(one.lane) ?? [];
      const crowded = one.rank > 1 && beside.some((other) => Math.abs(other.sy - one.sy) < apart && Math.abs(other.ey - one.ey) < apart);
      const box = crowded ? null : this.room(g, one, taken, sides);
      if (!box) { without.push(one); continue; }
      placed.push(Object.assign(one, { box: taken.add(box), more: 0 }));
      lanes.set(one.lane, [...beside, one]);
    }
    let left = 0;
    for (const one of without) {
      let nearest = null, least = Math.max(BESIDE, 1.5 * apart);
      for (const other of lanes.get(one.lane) ?? []) {
        const away = Math.abs(other.sy - one.sy);
        if (away < least) { least = away; nearest = other; }
      }
      if (nearest) nearest.more++;
      else left++;
    }
    for (const one of placed) this.write(g, one, taken);
    this.kept = new Map(placed.map(({ number, share }) => [number, share]));
    return { placed, merged: without.length - left, left };
  }

  room(g, one, taken, sides) {
    const { sx, sy, ex, ey, came } = one, right = ex > sx;
    if (!came) { // beside the end of what is broken
      const wide = this.width(g, this.fit(g, one.text, 400)) + 6;
      const box = boxAt(ex + (right ? 8 + wide / 2 : -8 - wide / 2), ey, wide, TALL + 1, 0);
      one.share = 0;
      return taken.free(box) ? box : null;
    }
    // The part of the arrow that is in sight, as shares of it.
    const [from, to] = sides.map((x) => Math.max(0, Math.min(1, (x - sx) / (ex - sx || 1)))).sort((a, b) => a - b);
    const long = Math.hypot(ex - sx, ey - sy), room = (to - from) * long - 20;
    if (room < LEAST_ROOM) return null;
    const angle = Math.atan2((ey - sy) * (right ? 1 : -1), Math.abs(ex - sx)), text = this.fit(g, one.text, room);
    const wide = this.width(g, text) + 4;
    for (const share of this.kept.has(one.number) ? [this.kept.get(one.number), ...SHARES] : SHARES) {
      const within = Math.max(from + (wide / 2 + 6) / long, Math.min(to - (wide / 2 + 10) / long, share)); // no longer than its arrow
      const x = sx + within * (ex - sx) + 7.5 * Math.sin(angle), y = sy + within * (ey - sy) - 7.5 * Math.cos(angle);
      const box = boxAt(x, y, wide, TALL, angle);
      if (!taken.free(box)) continue;
      one.share = share;
      return box;
    }
    return null;
  }

  // The text as it stands in its box, with the number of those that it counts: the box grows for it where it can.
  write(g, one, taken) {
    const suffix = one.more ? ` +${one.more}` : "", { box } = one;
    const most = one.came ? Math.hypot(one.ex - one.sx, one.ey - one.sy) - 16 : 420;
    const wanted = this.width(g, one.text) + this.width(g, suffix) + 4;
    if (suffix && wanted > box.wide && wanted <= most) {
      const shift = one.came ? 0 : (wanted - box.wide) / 2 * (one.ex > one.sx ? 1 : -1);
      const larger = boxAt(box.x + shift, box.y, wanted, box.high, box.angle);
      if (taken.free(larger, box)) taken.add(one.box = larger);
    }
    one.shown = this.fit(g, one.text, one.box.wide - 4 - this.width(g, suffix)) + suffix;
  }
}

// Marks of events beside their lines, the loud ones first; what has no room is counted by the mark above or below it.
function placeMarks(g, marks, width, taken) {
  const named = marks.length <= WORDS, loud = ({ event: [, kind] }) => LOUD.has(kind);
  g.font = `600 ${LABELLED}px ${LETTERS}`;
  const reserve = g.measureText(" +99").width, placed = [];
  let left = 0;
  for (const one of [...marks.filter(loud), ...marks.filter((mark) => !loud(mark))]) {
    const [, kind] = one.event, sign = SIGNS[kind] ?? "·", text = named ? `${sign} ${kind}` : sign;
    const wide = g.measureText(text).width + 6 + (marks.length > 1 ? reserve : 0);
    const box = boxAt(one.x === null ? width - 7 - wide / 2 : one.x + 3 + wide / 2, one.y, wide, 14, 0);
    if (taken.free(box)) {
      taken.add(box);
      placed.push({ ...one, text, box, more: 0 });
      continue;
    }
    const beside = placed.filter((other) => other.x === one.x && Math.abs(other.y - one.y) < BESIDE);
    if (beside.length) beside.reduce((a, b) => (Math.abs(b.y - one.y) < Math.abs(a.y - one.y) ? b : a)).more++;
    else left++;
  }
  return { placed, left };
}

// What a message says, along its arrow; why it did not come, beside it.
function drawLabels(g, { placed }, style, page) {
  g.font = `${LABELLED}px ${LETTERS}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  for (const { box, shown, loud } of placed) {
    g.save();
    g.translate(box.x, box.y);
    g.rotate(box.angle);
    g.fillStyle = page;
    g.fillRect(-box.wide / 2, -box.high / 2, box.wide, box.high);
    g.fillStyle = loud ? style.red : style.ink;
    g.fillText(shown, 0, 0.5);
    g.restore();
  }
}

function drawMarks(g, view, { placed }, style, page) {
  g.font = `600 ${LABELLED}px ${LETTERS}`;
  g.textBaseline = "middle";
  for (const { event: [, kind], x, y, text, more } of placed) {
    const ink = LOUD.has(kind) ? style.red : style.soft, shown = more ? `${text} +${more}` : text;
    if (x === null) { // it concerns all
      g.strokeStyle = ink;
      g.lineWidth = 1;
      g.setLineDash([1, 4]);
      g.beginPath();
      g.moveTo(GUTTER, y);
      g.lineTo(view.width - 8, y);
      g.stroke();
      g.setLineDash([]);
    }
    const wide = g.measureText(shown).width;
    g.fillStyle = page;
    g.fillRect(x === null ? view.width - 10 - wide : x + 3, y - 7, wide + 4, 14);
    g.fillStyle = ink;
    g.textAlign = x === null ? "right" : "left";
    g.fillText(shown, x === null ? view.width - 8 : x + 5, y);
  }
}
