// The flow graph: two canvases, the graph below, redrawn when it changes, and the moving messages above it.

const ZOOM = [0.12, 4];
const SCALE = 1.25; // of a graph that has room
const ROOM = 16; // above and below it
const LOW = 212, MODEST = 252, HIGH = 540; // heights of a stage

function render({ model, el, signal }) {
  const graph = structuredClone(model.get("graph"));
  if (!graph.nodes.length) {
    el.append(make("div.zlab-panel.zlab-waiting", {}, "No socket yet: each appears here as the program opens it and binds or connects it."));
    const wire = attach({ model, el, signal }, { message() {} });
    return () => wire.dispose();
  }
  graph.nodes.forEach((node, i) => {
    node.index = i;
    node.types = [...new Set(node.sockets.map(described))].join(" · ");
  });
  const boxes = graph.nodes.map(({ box: [x, y, w, h] }) => ({ x, y, w, h }));
  const looks = graph.nodes.map(() => ({ state: "starting", scores: {} }));
  const live = graph.links.map(() => ({ queued: 0, rate: 0 }));
  const flights = new Flights(graph);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let lanes = [], names = [];
  let style = PALETTE.light, figures = null, state = "running", at = 0, speed = 1, kinds = [], held = false;
  let view = { scale: 1, x: 0, y: 0 }, home = null, fitted_ = true, width = 0, height = 0, dpr = 1;
  let dirty = true, frame = 0, pending = [], painted = false, hover = null, over = false, pointed = null;
  let clock = 0, before = 0, stepping = false, batchAt = null, shown = 0, passed = 0, charts = null, sprites = null, spriteKey = "";

  const below = make("canvas"), above = make("canvas");
  const nodes = make("div.zlab-nodes");
  const tip = make("div.zlab-tip", { hidden: true, role: "tooltip" });
  const hint = make("div.zlab-hint", { hidden: true }, "Ctrl + wheel zooms; so does the wheel after a click");
  const zoom = make("div.zlab-zoom", {},
    ...[["↺", "Put the nodes back", tidy], ["+", "Zoom in (+)", () => zoomBy(1.3)], ["−", "Zoom out (-)", () => zoomBy(1 / 1.3)], ["⤢", "Fit (0)", () => fit()]]
      .map(([text, title, act]) => {
        const button = make("button.zlab-button", { type: "button", title, "aria-label": title }, text);
        button.addEventListener("click", act);
        return button;
      }));
  const legend = make("div.zlab-legend", { role: "group", "aria-label": "Colours of the messages" });
  const note = make("div.zlab-note");
  const stage = make("div.zlab-stage", { tabIndex: 0, role: "application",
    "aria-label": `${graph.name}: nodes and messages. Space pauses, arrows move, plus and minus zoom, 0 fits, Tab goes to the nodes, Enter tells a node's figures` },
    below, above, nodes, tip, hint);
  el.append(make("div.zlab-flow", {}, stage, make("div.zlab-foot", {}, legend, note, zoom)));
  const g = below.getContext("2d"), m = above.getContext("2d");

  const wire = attach({ model, el, signal }, {
    last: true,
    message(content, buffers) {
      // What a tick says but once is taken at once: only messages in the air may be dropped.
      if (content.kinds) { kinds = content.kinds; drawLegend(); }
      if (buffers[1]) {
        figures = json(buffers[1]);
        at = content.at;
        if (inspector.open) inspect(inspector.node.index);
        if (pointed) tell(pointed.target, pointed.x, pointed.y);
      }
      pending.push([content, buffers]);
      if (pending.length > 4) pending.splice(0, pending.length - 4); // the latest win
      ask();
    },
    visible(on) {
      charts ??= watchCharts(el, wire);
      if (on) { before = 0; dirty = true; ask(); } else { cancelAnimationFrame(frame); frame = 0; pending = []; flights.reset(); batchAt = null; }
    },
    lost() {
      over = true;
      for (const look of looks) if (!DEAD.has(look.state)) look.state = "stopped";
      el.classList.add("zlab-lost", "zlab-over");
      write(note, "the kernel is gone: this picture is the last");
      redraw();
    },
  });
  const inspector = new Inspector(stage, (name, node, control) => wire.command(name, { node: node.name }, control), (node) => {
    nodes.children[node.index].focus({ preventScroll: true });
  });

  // One button for each node, for the keyboard and for screen readers; the pointer goes through to the canvas.
  graph.nodes.forEach((node, i) => {
    const button = make("button.zlab-node", { type: "button", tabIndex: i ? -1 : 0 });
    button.addEventListener("focus", () => { light({ node: i }); for (const b of nodes.children) b.tabIndex = b === button ? 0 : -1; });
    button.addEventListener("blur", () => light(null));
    button.addEventListener("click", () => inspect(i));
    button.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      const next = nearest(i, way);
      if (next >= 0) nodes.children[next].focus({ preventScroll: true });
    });
    nodes.append(button);
  });

  function nearest(from, [dx, dy]) {
    let best = -1, least = Infinity;
    boxes.forEach((box, i) => {
      const x = box.x - boxes[from].x, y = box.y - boxes[from].y, ahead = x * dx + y * dy;
      const cost = ahead + 2.5 * Math.abs(x * dy + y * dx);
      if (i !== from && ahead > 5 && cost < least) { least = cost; best = i; }
    });
    return best;
  }

  // ---- what Python says -------------------------------------------------------------------------------------

  function apply([content, buffers]) {
    const { buffer, byteOffset, byteLength } = buffers[0], bytes = buffer.slice(byteOffset, byteOffset + byteLength);
    const L = graph.links.length, F = content.shown, N = graph.nodes.length;
    const queued = new Uint32Array(bytes, 0, L), rates = new Float32Array(bytes, 4 * L, L);
    const sent = new Float32Array(bytes, 8 * L, F), received = new Float32Array(bytes, 8 * L + 4 * F, F);
    const link = new Uint16Array(bytes, 8 * L + 8 * F, F), kind = new Uint8Array(bytes, 8 * L + 10 * F, F);
    const states = new Uint8Array(bytes, 8 * L + 11 * F, N);
    for (let i = 0; i < L; i++) { live[i].queued = queued[i]; live[i].rate = rates[i]; }
    const past = Boolean(content.past), full = past || content.t === "full", pace = content.pace || 1;
    held = past && !content.pace; // a moment of the past that stands: its messages stand where they were seen
    for (let i = 0; i < N; i++) settle(looks[i], graph.states[states[i]], full);
    const span = full || batchAt === null ? 0.1 : Math.min(1, Math.max(0, (content.at - batchAt) / pace));
    if (pace !== 1) for (let i = 0; i < F; i++) { sent[i] /= pace; received[i] /= pace; }
    if (batchAt !== null && !full) flights.shift((content.at - batchAt) / pace);
    if (full) flights.reset();
    batchAt = at = content.at;
    if (content.state === "paused" && state === "paused" && F) stepping = true;
    speed = content.speed;
    if (content.state !== state || over !== (content.state === "stopped")) {
      state = content.state;
      over = state === "stopped";
      el.classList.toggle("zlab-over", over);
      dirty = true;
    }
    if (past) flights.add(clock - content.covers, content.covers, sent, received, link, kind, speed, false);
    else if (F) flights.add(clock, span, sent, received, link, kind, speed, content.of > 1.3 * F + 2);
    // How many of the messages are shown, over the last seconds.
    shown = 0.9 * shown + F;
    passed = 0.9 * passed + content.of;
    const ratio = shown > 0.5 ? Math.max(1, passed / shown) : 1;
    if (over) write(note, "stopped: the final picture");
    else if (still.matches) write(note, "motion is reduced: rates instead of messages");
    else write(note, ratio < 1.3 ? "" : `showing about 1 in ${count(ratio < 10 ? Number(ratio.toFixed(1)) : Math.round(ratio))} messages`);
  }

  // What a sample of a busy thread says flickers: such a state is shown once it holds.
  function settle(look, next, now) {
    const volatile = (s) => s === "running" || s.startsWith("blocked");
    if (now || !volatile(next) || !volatile(look.state)) {
      if (look.state !== next) { look.state = next; look.scores = { [next]: 3 }; dirty = true; }
      return;
    }
    for (const s in look.scores) look.scores[s] *= 0.8;
    look.scores[next] = (look.scores[next] ?? 0) + 1;
    if (next !== look.state && look.scores[next] > 1.4 * (look.scores[look.state] ?? 0)) { look.state = next; dirty = true; }
  }

  function drawLegend() {
    legend.replaceChildren(...kinds.map((kind, i) => make("span", {}, mark(i), kind || "(empty)")));
  }

  // ---- drawing ----------------------------------------------------------------------------------------------

  function ask() {
    if (!frame && wire.shown()) frame = requestAnimationFrame(draw);
  }

  function draw(time) {
    frame = 0;
    if (!width) return;
    const step = before ? Math.min(0.1, (time - before) / 1000) : 0;
    before = time;
    if (pending.length) apply(pending.shift());
    if (!held && (state !== "paused" || stepping)) clock += step;
    if (dirty) drawGraph();
    drawMotion();
    if (stepping && !flights.count) stepping = false;
    if (pending.length || (flights.count && !held && (state !== "paused" || stepping))) ask();
    else before = 0;
    if (!painted) {
      painted = true;
      requestAnimationFrame(() => wire.send({ t: "painted" }));
    }
  }

  function camera(context) {
    const s = dpr * view.scale;
    context.setTransform(s, 0, 0, s, dpr * view.x, dpr * view.y);
  }

  function drawGraph() {
    dirty = false;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, below.width, below.height);
    camera(g);
    const lit = hover && neighbours(hover);
    drawLanes(g, graph, lanes, style, lit);
    graph.nodes.forEach((node, i) => drawCard(g, node, boxes[i], looks[i], style, view.scale, lit));
    drawPorts(g, graph, lanes, style);
    drawEndpoints(g, names, style, view.scale);
    graph.nodes.forEach((node, i) => {
      const button = nodes.children[i], box = boxes[i];
      button.style.transform = `translate(${view.x + (box.x - box.w / 2) * view.scale}px, ${view.y + (box.y - box.h / 2) * view.scale}px)`;
      button.style.width = box.w * view.scale + "px";
      button.style.height = box.h * view.scale + "px";
      const label = `${node.name}, ${node.types}, ${looks[i].state}`;
      if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
    });
    if (inspector.open) inspect(inspector.node.index);
  }

  function neighbours({ node, link }) {
    const links = new Set(), near = new Set();
    graph.links.forEach((other, i) => {
      if (i === link || other.source === node || other.target === node) {
        links.add(i);
        near.add(other.source).add(other.target);
      }
    });
    if (node !== undefined) near.add(node);
    return { links, nodes: near };
  }

  function drawMotion() {
    m.setTransform(1, 0, 0, 1, 0, 0);
    m.clearRect(0, 0, above.width, above.height);
    if (still.matches) { camera(m); drawRates(); }
    else {
      const radius = Math.max(3.6 * view.scale, 2.6) * dpr, key = radius.toFixed(1) + style.page + style.ink;
      if (key !== spriteKey) { spriteKey = key; sprites = dots(style.kinds, style.page, radius); }
      const flying = flights.draw(m, clock, lanes, sprites, { scale: dpr * view.scale, x: dpr * view.x, y: dpr * view.y });
      if (flying) el.dataset.flying = flying; // for who watches over this page
    }
    camera(m);
    for (let i = 0; i < lanes.length; i++) drawQueue(m, lanes[i], live[i].queued, figures?.links[i].capacity ?? 0, style, view.scale);
  }

  function drawRates() {
    flights.count = 0;
    m.font = `600 ${Math.max(10.5, 8 / view.scale)}px ${FONT}`;
    m.textAlign = "center";
    m.textBaseline = "middle";
    m.lineWidth = 4;
    m.strokeStyle = style.page;
    m.fillStyle = style.ink;
    lanes.forEach((lane, i) => {
      if (live[i].rate <= 0) return;
      const [x, y] = [lane.points[32], lane.points[33]];
      m.strokeText(rate(live[i].rate), x, y);
      m.fillText(rate(live[i].rate), x, y);
    });
  }

  // ---- where the picture is ---------------------------------------------------------------------------------

  // A picture wider than its graph stretches it; what a person put somewhere stays there.
  function spread() {
    const xs = graph.nodes.map((n) => n.box[0]), ys = graph.nodes.flatMap((n) => [n.box[1] - n.box[3] / 2, n.box[1] + n.box[3] / 2]);
    const across = Math.max(...xs) - Math.min(...xs), card = Math.max(...boxes.map((b) => b.w));
    const scale = Math.min(SCALE, (height - 2 * ROOM) / (Math.max(...ys) - Math.min(...ys)));
    const stretch = across ? Math.min(2.1, Math.max(1, ((width - 90) / scale - card) / across)) : 1;
    const moved = model.get("moved");
    graph.nodes.forEach((node, i) => {
      Object.assign(boxes[i], { x: node.box[0] * stretch, y: node.box[1] });
    });
    home = bounds(boxes);
    graph.nodes.forEach((node, i) => { if (moved[node.name]) Object.assign(boxes[i], roaming(boxes[i], ...moved[node.name])); });
    zoom.firstChild.hidden = !Object.keys(moved).length;
    arrange();
  }

  // A card that is dragged stays on the stage, and no farther from the others than the picture is wide and high.
  function within(box, x, y) {
    const { x: left, y: top, scale } = view, w = box.w / 2 + 6, h = box.h / 2 + 6;
    const near = roaming(box, x, y);
    return {
      x: Math.max(w - left / scale, Math.min((width - left) / scale - w, near.x)),
      y: Math.max(h - top / scale, Math.min((height - top) / scale - h, near.y)),
    };
  }

  function roaming(box, x, y) {
    const across = 0.3 * (home.right - home.left), high = Math.max(60, 0.3 * (home.bottom - home.top));
    return {
      x: Math.max(home.left - across + box.w / 2, Math.min(home.right + across - box.w / 2, x)),
      y: Math.max(home.top - high + box.h / 2, Math.min(home.bottom + high - box.h / 2, y)),
    };
  }

  // Every node back to its place, and all of them in sight.
  function tidy() {
    if (Object.keys(model.get("moved")).length) {
      model.set("moved", {});
      model.save_changes();
    }
    spread();
    fit();
  }

  function moved_() {
    if (!width || drag) return;
    spread();
    redraw();
  }

  function arrange() {
    lanes = layLanes(graph, boxes);
    names = placeNames(graph, lanes, boxes);
  }

  function fit() {
    const b = bounds(boxes), room = ROOM, sides = 26;
    view.scale = Math.min(SCALE, (width - 2 * sides) / (b.right - b.left), (height - 2 * room) / (b.bottom - b.top));
    view.x = width / 2 - view.scale * (b.left + b.right) / 2;
    view.y = height / 2 - view.scale * (b.top + b.bottom) / 2;
    fitted_ = true;
    redraw();
  }

  // Some of the graph is always in sight.
  function keep() {
    const b = bounds(boxes), s = view.scale, edge = 60;
    view.x = Math.max(edge - b.right * s, Math.min(width - edge - b.left * s, view.x));
    view.y = Math.max(edge - b.bottom * s, Math.min(height - edge - b.top * s, view.y));
  }

  function redraw() {
    dirty = true;
    ask();
  }

  function zoomBy(factor, x = width / 2, y = height / 2) {
    const scale = Math.min(ZOOM[1], Math.max(ZOOM[0], view.scale * factor));
    view.x = x - (x - view.x) * scale / view.scale;
    view.y = y - (y - view.y) * scale / view.scale;
    view.scale = scale;
    fitted_ = false;
    keep();
    redraw();
  }

  function panBy(dx, dy) {
    view.x += dx;
    view.y += dy;
    fitted_ = false;
    keep();
    redraw();
  }

  function resize() {
    const w = stage.clientWidth;
    if (!w) return;
    const b = bounds(graph.nodes.map(({ box: [x, y, w, h] }) => ({ x, y, w, h })));
    const scale = Math.min(SCALE, (w - 52) / (b.right - b.left));
    // A small graph leaves the page its room: it grows beyond its own size only as far as a low stage lets it.
    const high = b.bottom - b.top, own = Math.min(1, scale) * high + 2 * ROOM;
    const h = Math.round(Math.min(HIGH, Math.max(LOW, own, Math.min(scale * high + 2 * ROOM, MODEST))));
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (w === width && h === height && ratio === dpr) return;
    if (!width) theme();
    [width, height, dpr] = [w, h, ratio];
    stage.style.height = h + "px";
    for (const canvas of [below, above]) {
      canvas.width = w * dpr;
      canvas.height = h * dpr;
    }
    spread();
    if (fitted_) fit();
    // At once and not at the next frame: an emptied canvas would flash.
    drawGraph();
    drawMotion();
    ask();
  }

  function theme() {
    const dark = darkTheme(el);
    el.classList.toggle("zlab-dark", dark);
    style = { ...(dark ? PALETTE.dark : PALETTE.light), page: getComputedStyle(stage).backgroundColor };
    drawLegend();
    redraw();
  }

  // ---- what a person does -----------------------------------------------------------------------------------

  function place(i) {
    const box = boxes[i], s = view.scale;
    return { left: view.x + (box.x - box.w / 2) * s, right: view.x + (box.x + box.w / 2) * s, top: view.y + (box.y - box.h / 2) * s };
  }

  function inspect(i) {
    inspector.show(graph, i, looks[i], live, figures, at, place(i), over);
  }

  function light(target) {
    if (hover?.node === target?.node && hover?.link === target?.link) return;
    hover = target;
    redraw();
  }

  function under(x, y) {
    const wx = (x - view.x) / view.scale, wy = (y - view.y) / view.scale;
    for (let i = boxes.length - 1; i >= 0; i--) {
      const b = boxes[i];
      if (Math.abs(wx - b.x) <= b.w / 2 && Math.abs(wy - b.y) <= b.h / 2) return { node: i };
    }
    let best = null, least = 8 / view.scale;
    lanes.forEach((lane, i) => {
      for (let k = 0; k <= 32; k++) {
        const d = Math.hypot(lane.points[2 * k] - wx, lane.points[2 * k + 1] - wy);
        if (d < Math.max(least, lane.length / 64 * (best ? 0 : 1))) {
          const near = Math.min(d, distance(lane.points, k, wx, wy));
          if (near < least) { least = near; best = { link: i }; }
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

  function tell(target, x, y) {
    tip.hidden = !target || (inspector.open && target.node === inspector.node.index);
    pointed = tip.hidden ? null : { target, x, y }; // its figures go on while the pointer rests
    if (tip.hidden) return;
    tip.replaceChildren(...(target.node !== undefined
      ? tellNode(graph.nodes[target.node], looks[target.node], figures, at)
      : tellLink(graph.links[target.link], live[target.link], figures?.links[target.link])));
    const w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = Math.max(4, x + 16 + w < width ? x + 16 : x - w - 12) + "px";
    tip.style.top = Math.max(4, Math.min(y + 14, height - h - 4)) + "px";
  }

  const fingers = new Map();
  let drag = null;
  const at_ = (event) => [event.offsetX, event.offsetY];

  above.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = at_(event);
    fingers.set(event.pointerId, [x, y]);
    above.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    const target = under(x, y);
    drag = { x, y, node: target?.node, far: false };
  });
  above.addEventListener("pointermove", (event) => {
    const [x, y] = at_(event);
    const last = fingers.get(event.pointerId);
    if (!last) {
      const target = under(x, y);
      light(target);
      tell(target, x, y);
      above.style.cursor = target?.node !== undefined ? "pointer" : "default";
      return;
    }
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      zoomBy(Math.hypot(x - other[0], y - other[1]) / Math.max(1, Math.hypot(last[0] - other[0], last[1] - other[1])), other[0], other[1]);
      drag = null;
    } else if (drag) {
      drag.far ||= Math.hypot(x - drag.x, y - drag.y) > 4;
      if (drag.far) {
        tell(null);
        above.style.cursor = "grabbing";
        if (drag.node === undefined) panBy(x - last[0], y - last[1]);
        else {
          const box = boxes[drag.node], [dx, dy] = drag.held ??= [box.x - (drag.x - view.x) / view.scale, box.y - (drag.y - view.y) / view.scale];
          Object.assign(box, within(box, (x - view.x) / view.scale + dx, (y - view.y) / view.scale + dy));
          arrange();
          fitted_ = false;
          redraw();
        }
      } else return;
    }
    fingers.set(event.pointerId, [x, y]);
  });
  function lift(event) {
    fingers.delete(event.pointerId);
    above.style.cursor = "default";
    if (drag && event.type === "pointerup") {
      if (!drag.far && drag.node !== undefined) { tell(null); inspect(drag.node); }
      else if (!drag.far && inspector.open) inspector.close();
      else if (drag.far && drag.node !== undefined) {
        const box = boxes[drag.node];
        model.set("moved", { ...model.get("moved"), [graph.nodes[drag.node].name]: [box.x, box.y] });
        model.save_changes();
        zoom.firstChild.hidden = false;
      }
    }
    drag = null;
  }
  above.addEventListener("pointerup", lift);
  above.addEventListener("pointercancel", lift);
  above.addEventListener("pointerleave", () => { tell(null); light(null); });
  above.addEventListener("dblclick", (event) => { if (!under(...at_(event))) tidy(); });
  let hinting = 0;
  above.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !stage.contains(document.activeElement)) { // the page scrolls on
      hint.hidden = false;
      clearTimeout(hinting);
      hinting = setTimeout(() => { hint.hidden = true; }, 1400);
      return;
    }
    event.preventDefault();
    zoomBy(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * (event.ctrlKey ? 0.01 : 0.004)), ...at_(event));
  }, { passive: false });

  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".zlab-inspector")) return;
    const acts = {
      ArrowLeft: () => panBy(60, 0), ArrowRight: () => panBy(-60, 0), ArrowUp: () => panBy(0, 60), ArrowDown: () => panBy(0, -60),
      "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit,
      Escape: () => (inspector.open ? inspector.close() : document.activeElement.blur()),
      " ": () => { if (!over && graph.steerable) wire.command(state === "paused" ? "resume" : "pause", {}, null); },
    };
    if (event.key === " " && event.target.closest("button:not(.zlab-node)")) return;
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });

  // ---- beginning and end ------------------------------------------------------------------------------------

  const sizes = new ResizeObserver(resize);
  sizes.observe(stage);
  const themes = new MutationObserver(theme);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  still.addEventListener("change", redraw);
  model.on("change:moved", moved_);

  return () => {
    wire.dispose();
    sizes.disconnect();
    themes.disconnect();
    charts?.();
    still.removeEventListener("change", redraw);
    model.off("change:moved", moved_);
    cancelAnimationFrame(frame);
  };
}

// The charts have no script of ours: whether they are on screen is seen from here.
function watchCharts(el, wire) {
  const holder = el.closest(".zlab-dashboard")?.querySelector(".zlab-charts");
  if (!holder) return () => {};
  let on = false, told = null;
  const tell = () => {
    const seen = on && !document.hidden;
    if (seen !== told) wire.send({ t: "charts", on: (told = seen) });
  };
  const observer = new IntersectionObserver((entries) => {
    on = entries[entries.length - 1].isIntersecting;
    tell();
  });
  observer.observe(holder);
  document.addEventListener("visibilitychange", tell);
  return () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", tell);
  };
}

export default { render };
