// Cards: nodes and groups of nodes, their states and what has room of their words.

function drawCard(g, node, index, box, look, style, scale, lit) {
  const x = box.x - box.w / 2, y = box.y - box.h / 2;
  const colour = style.states[look.state] ?? style.soft;
  const dead = look.state === "killed" || look.state === "stopped";
  g.globalAlpha = lit && !lit.nodes.has(index) ? 0.5 : 1;
  g.beginPath();
  g.roundRect(x, y, box.w, box.h, 9);
  g.fillStyle = dead ? style.page : style.card; // and its words no paler: they are read too
  if (!dead && scale > 0.45) {
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

  const name = letters(13, style, scale), line = letters(10.5, style, scale);
  // As many lines as have room: the name, what it does, its sockets.
  const room = box.h - 6, lines = room >= 1.25 * name + 2.5 * line ? 3 : room >= 1.2 * name + 1.25 * line ? 2 : room >= name ? 1 : 0;
  if (!lines) {
    drawSign(g, box.x, box.y, Math.min(0.4 * box.h, 5 / scale), look.state, colour, style, scale);
    g.globalAlpha = 1;
    return;
  }
  const radius = Math.min(letters(8.5, style, scale / 0.62), 0.3 * box.h), left = x + 19 - 8.5 + 2 * radius + 6.5;
  const top = box.y - (name + (lines - 1) * 1.28 * line) / 2;
  drawSign(g, x + 10.5 + radius, lines === 1 ? box.y : top + name / 2 + (lines === 3 ? 0.45 * line : 0), radius, look.state, colour, style, scale);
  g.textAlign = "left";
  g.textBaseline = "middle";
  g.fillStyle = look.state === "killed" ? style.soft : style.ink;
  g.font = `600 ${name}px ${FONT}`;
  const wide = x + box.w - 8 - left;
  g.fillText(fitted(g, node.name, wide, true), left, top + name / 2);
  if (lines > 1) {
    g.font = `500 ${line}px ${FONT}`;
    g.fillStyle = colour;
    g.fillText(fitted(g, look.state, wide), left, top + name + 0.68 * line);
  }
  if (lines > 2) {
    g.font = `${line}px ${FONT}`;
    g.fillStyle = style.soft;
    g.fillText(fitted(g, node.types, wide), left, top + name + 1.98 * line);
  }
  g.globalAlpha = 1;
}

// A closed group: how many there are, how they fare, what comes and goes.
function drawGroup(g, item, index, box, states, sums, style, scale, lit) {
  const x = box.x - box.w / 2, y = box.y - box.h / 2;
  const bad = states.find(([state]) => state === "failed" || state === "killed");
  const edge = bad ? style.states[bad[0]] : style.card_edge;
  g.globalAlpha = lit && !lit.nodes.has(index) ? 0.5 : 1;
  g.fillStyle = style.card;
  g.lineWidth = 1.3;
  for (const aside of [8, 4, 0]) { // a stack: there are more behind
    g.strokeStyle = aside ? style.edge : bad?.[0] === "failed" ? edge : style.edge;
    g.beginPath();
    g.roundRect(x + aside, y + 8 - aside, box.w - 8, box.h - 8, 9);
    g.fill();
    g.stroke();
  }
  const front = { x: x + 12, y: y + 8, w: box.w - 32, h: box.h - 8 };
  const name = letters(13, style, scale), line = letters(10.5, style, scale);
  const lines = front.h - 12 >= 1.25 * name + 3.9 * line ? 4 : front.h - 12 >= 1.25 * name + 1.3 * line ? 2 : front.h - 8 >= name ? 1 : 0;
  g.textAlign = "left";
  g.textBaseline = "middle";
  let at = front.y + 4;
  const put = (text, size, colour, weight) => {
    g.font = `${weight} ${size}px ${FONT}`;
    g.fillStyle = colour;
    g.fillText(fitted(g, text, front.w, text === item.name), front.x, at + 0.62 * size);
    at += 1.28 * size;
  };
  if (lines) put(item.name, name, style.ink, 600);
  if (lines > 2) put(`${count(item.members.length)} nodes · ${item.types}`, line, style.soft, 400);
  if (lines > 1) {
    // The worst first, each in its colour and by its name.
    g.font = `500 ${line}px ${FONT}`;
    let left = front.x;
    for (const [state, n] of states) {
      const text = `${count(n)} ${state}`, wide = g.measureText(text).width;
      if (left + wide > front.x + front.w) { g.fillStyle = style.soft; g.fillText("…", left, at + 0.62 * line); break; }
      g.fillStyle = style.states[state] ?? style.soft;
      g.fillText(text, left, at + 0.62 * line);
      left += wide + 0.8 * line;
    }
    at += 1.28 * line;
  }
  if (lines > 2) put(`${rate(sums.in)} in · ${rate(sums.out)} out · ${brief(sums.queued)} queued`, line, style.ink, 400);
  // A bar of all members by their states.
  const total = item.members.length;
  let left = x + 7;
  for (const [state, n] of states) {
    const wide = (box.w - 22) * n / total;
    g.fillStyle = style.states[state] ?? style.soft;
    g.fillRect(left, y + box.h - 6, Math.max(wide - 0.6, 0.8), 3.2);
    left += wide;
  }
  g.globalAlpha = 1;
}

// The frame of an opened group, behind its members; its name is on the button that closes it.
function drawFrame(g, frame, style) {
  g.beginPath();
  g.roundRect(frame.x - frame.w / 2, frame.y - frame.h / 2, frame.w, frame.h, 12);
  g.globalAlpha = 0.35;
  g.fillStyle = style.queue;
  g.fill();
  g.globalAlpha = 1;
  g.setLineDash([5, 4]);
  g.lineWidth = 1.2;
  g.strokeStyle = style.edge;
  g.stroke();
  g.setLineDash([]);
}

// A state as a sign in a disc, so that it is told without colour.
function drawSign(g, x, y, r, state, colour, style, scale) {
  g.beginPath();
  g.arc(x, y, r, 0, 7);
  g.fillStyle = colour;
  g.fill();
  if (r * scale < 3.5) return; // a sign in it could not be told
  g.save();
  g.translate(x, y);
  g.scale(r / 8.5, r / 8.5);
  x = y = 0;
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
  g.restore();
}

// As much of a text as has room. Both ends of a name tell it from its siblings; of a number the end tells most.
const widths = new Map();
function fitted(g, text, width, name = false) {
  const key = g.font + "|" + Math.round(width) + "|" + text;
  if (widths.size > 20000) widths.clear();
  if (!widths.has(key)) {
    let shown = text, kept = text.length;
    while (kept > 1 && g.measureText(shown).width > width) {
      kept--;
      const tail = name ? Math.min(kept, Math.max(Math.ceil(kept / 2), /\d*$/.exec(text)[0].length)) : 0;
      shown = text.slice(0, kept - tail) + "…" + text.slice(text.length - tail);
    }
    widths.set(key, shown);
  }
  return widths.get(key);
}
