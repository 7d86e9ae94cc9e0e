// The flow graph in layers: lanes, cards, queues, each redrawn when it changes, and above them the messages that move.

const LOW = 212, MODEST = 252, HIGH = 540; // heights of a stage
const LAYERS = ["lanes", "cards", "queues", "motion"];

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
  const looks = graph.nodes.map(() => ({ state: "starting", scores: {} }));
  const live = graph.links.map(() => ({ queued: 0, rate: 0 }));
  const flights = new Flights(graph), camera = new Camera(), announcer = new Announcer();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let fold = null, boxes = [], lanes = [], names = [], namedAt = 0, sums = [], capacities = [];
  let style = null, figures = null, state = "running", at = 0, speed = 1, kinds = [], held = false;
  let home = null, dpr = 1, dirty = true, queuesDirty = true, frame = 0, pending = [], painted = false, hover = null, followed = null, over = false, pointed = null;
  const stale = new Set(); // items whose card alone must be drawn again
  let faults = [], broken = new Set(), cut = new Set(); // the faults that are on, and the nodes and links that they mark
  let clock = 0, before = 0, stepping = false, batchAt = null, shown = 0, passed = 0, charts = null, drawn = null, drawnKey = "", asking = 0, asked = "", looked = "";

  const canvases = LAYERS.map((name) => make(`canvas.zlab-${name}`));
  const [onLanes, onCards, onQueues, onMotion] = canvases.map((canvas) => canvas.getContext("2d"));
  const surface = canvases[3];
  const nodes = make("div.zlab-nodes", { role: "group", "aria-label": "Nodes" });
  const tip = make("div.zlab-tip", { hidden: true, role: "tooltip" });
  const zoom = make("div.zlab-zoom", {},
    ...[["↺", "Put the nodes back", tidy], ["A", "Larger, for the last row (L)", enlarge], ["+", "Zoom in (+)", () => zoomBy(1.3)], ["−", "Zoom out (-)", () => zoomBy(1 / 1.3)], ["⤢", "Fit (0)", fit]]
      .map(([text, title, act]) => {
        const button = make("button.zlab-button", { type: "button", title, "aria-label": title }, text);
        button.addEventListener("click", act);
        return button;
      }));
  const legend = make("div.zlab-legend", { role: "group", "aria-label": "Colours of the messages" });
  const note = make("div.zlab-note");
  const stage = make("div.zlab-stage", { tabIndex: 0, role: "application",
    "aria-label": `${graph.name}: nodes and messages. Space pauses, full stop lets one message move, arrows move, plus and minus zoom, 0 fits, L enlarges, Tab goes to the nodes, Enter tells a node's figures or opens a group, Escape closes it` },
    ...canvases, nodes, tip);
  el.append(make("div.zlab-flow", {}, stage, make("div.zlab-foot", {}, legend, note, zoom)), announcer.region);

  const wire = attach({ model, el, signal }, {
    last: true,
    message(content, buffers) {
      // What a tick says but once is taken at once: only messages in the air may be dropped.
      if (content.kinds) { kinds = content.kinds; drawLegend(); }
      if (content.faults) breakUp(content.faults);
      if (content.past) inspector.stands(null);
      for (const where of content.where ?? []) inspector.stands(where);
      const batch = unpack(content, buffers[0]);
      take(content, batch);
      if (buffers[1]) {
        figures = json(buffers[1]);
        if (figures.capacities) capacities = figures.capacities;
        at = content.at;
        if (inspector.open) inspect(inspector.node.index);
        if (pointed) tell(pointed.target, pointed.x, pointed.y);
      }
      pending.push([content, batch]);
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
      announcer.lab("gone: the kernel has ended");
      redraw();
    },
  });
  const inspector = new Inspector(stage, graph.menu, (name, given, control) => wire.command(name, given, control), (node) => {
    const item = fold.itemOf[node.index];
    if (fold.nodes[item].node >= 0) nodes.children[item].focus({ preventScroll: true });
    want();
    look("");
  });

  // ---- what is drawn: nodes, and groups of nodes until they are opened -----------------------------------------

  function refold() {
    fold = foldGraph(graph, new Set(model.get("opened")));
    sums = sumUp(fold, live, capacities);
    hover = null;
    // A button for each card, for the keyboard and for screen readers; the pointer goes through to the canvas.
    nodes.replaceChildren(...fold.nodes.map((item, i) => {
      const button = make("button.zlab-node", { type: "button", tabIndex: i ? -1 : 0 });
      if (item.group >= 0) button.setAttribute("aria-expanded", "false");
      button.addEventListener("focus", () => { light({ item: i }); for (const b of nodes.children) b.tabIndex = b === button ? 0 : -1; });
      button.addEventListener("blur", () => light(null));
      button.addEventListener("click", () => activate(i));
      button.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && item.frame && !inspector.open) {
          event.preventDefault();
          event.stopPropagation();
          open(item.frame.name, false);
          return;
        }
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!way) return;
        event.preventDefault();
        event.stopPropagation();
        const next = nearest(i, way);
        if (next >= 0) nodes.children[next].focus({ preventScroll: true });
      });
      return button;
    }), ...fold.frames.map((frame) => {
      const button = make("button.zlab-button.zlab-fold", { type: "button", title: "Close this group (Esc)", "aria-expanded": "true",
        "aria-label": `${frame.name}, open: close this group` }, `${frame.name}  ✕`);
      button.addEventListener("click", () => open(frame.name, false));
      return button;
    }));
  }

  function activate(i) {
    const item = fold.nodes[i];
    if (item.group >= 0) open(item.name, true);
    else inspect(item.node);
  }

  function open(name, on) {
    const rest = model.get("opened").filter((other) => other !== name);
    model.set("opened", on ? [...rest, name] : rest);
    model.save_changes();
    const group = graph.groups.find((one) => one.name === name);
    nodes.children[fold.itemOf[group.members[0]]].focus({ preventScroll: true });
  }

  function opened() {
    tell(null);
    inspector.close();
    const held = nodes.contains(document.activeElement);
    refold();
    if (!camera.width) return;
    resize(true);
    if (held) nodes.children[0].focus({ preventScroll: true });
  }

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

  function unpack(content, { buffer, byteOffset, byteLength }) {
    const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
    const { rates: R, queues: Q, shown: F } = content;
    let from = 0;
    const next = (type, n) => {
      const array = new type(bytes, from, n);
      from += array.byteLength;
      return array;
    };
    return {
      rates: next(Float32Array, R), queued: next(Uint32Array, Q), sent: next(Float32Array, F), received: next(Float32Array, F),
      queues: next(Uint16Array, Q), link: next(Uint16Array, F), kind: next(Uint8Array, F), states: next(Uint8Array, graph.nodes.length),
    };
  }

  function take(content, batch) {
    batch.rates.forEach((rate, i) => { live[i].rate = rate; });
    batch.queues.forEach((link, i) => { live[link].queued = batch.queued[i]; });
    batch.states.forEach((number, i) => settle(i, graph.states[number], content.past || content.t === "full"));
    if (batch.rates.length || batch.queues.length) {
      queuesDirty = true;
      sums = sumUp(fold, live, capacities);
      fold.nodes.forEach((item, i) => { if (item.group >= 0) stale.add(i); });
    }
  }

  function apply([content, { sent, received, link, kind }]) {
    const F = content.shown, past = Boolean(content.past), full = past || content.t === "full", pace = content.pace || 1;
    held = past && !content.pace; // a moment of the past that stands: its messages stand where they were seen
    const span = full || batchAt === null ? 0.1 : Math.min(1, Math.max(0, (content.at - batchAt) / pace));
    if (pace !== 1) for (let i = 0; i < F; i++) { sent[i] /= pace; received[i] /= pace; }
    if (batchAt !== null && !full) flights.shift((content.at - batchAt) / pace);
    if (full) flights.reset();
    batchAt = at = content.at;
    if (content.state === "paused" && state === "paused" && F) stepping = true;
    speed = content.speed;
    if (content.state !== state || over !== (content.state === "stopped")) {
      if (content.state !== state) announcer.lab(content.state);
      state = content.state;
      over = state === "stopped";
      el.classList.toggle("zlab-over", over);
      dirty = true;
    }
    const seen = !F ? 0
      : past ? flights.add(clock - content.covers, content.covers, sent, received, link, kind, speed, false, fold.bundleOf)
        : flights.add(clock, span, sent, received, link, kind, speed, content.of > 1.3 * F + 2, fold.bundleOf);
    el.dataset.batch = content.at; // for who watches over this page
    // How many of the messages are shown, over the last seconds.
    shown = 0.9 * shown + seen;
    passed = 0.9 * passed + content.of;
    const ratio = shown > 0.5 ? Math.max(1, passed / shown) : 1;
    if (over) write(note, "stopped: the final picture");
    else if (still.matches) write(note, "motion is reduced: rates instead of messages");
    else write(note, ratio < 1.3 ? "" : `showing about 1 in ${count(ratio < 10 ? Number(ratio.toFixed(1)) : Math.round(ratio))} messages`);
  }

  // What a sample of a busy thread says flickers: such a state is shown once it holds.
  function settle(i, next, now) {
    const look = looks[i], volatile = (s) => s === "running" || s.startsWith("blocked");
    const show = () => {
      if (look.state === next) return;
      look.state = next;
      stale.add(fold.itemOf[i]);
    };
    if (now || !volatile(next) || !volatile(look.state)) {
      if (look.state !== next) {
        if (!now && !volatile(next)) announcer.node(graph.nodes[i].name, next);
        show();
        look.scores = { [next]: 3 };
      }
      return;
    }
    for (const s in look.scores) look.scores[s] *= 0.8;
    look.scores[next] = (look.scores[next] ?? 0) + 1;
    if (look.scores[next] > 1.4 * (look.scores[look.state] ?? 0)) show();
  }

  function breakUp(on) {
    faults = on;
    const before = broken;
    broken = new Set(on.flatMap(([, , , nodes]) => nodes));
    cut = new Set(on.flatMap(([, , , , links]) => links));
    for (const i of [...before, ...broken]) stale.add(fold.itemOf[i]);
    queuesDirty = true;
    if (inspector.open) inspect(inspector.node.index);
    ask();
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
    if (!camera.width) return;
    const step = before ? Math.min(0.1, (time - before) / 1000) : 0;
    before = time;
    if (pending.length) apply(pending.shift());
    if (!held && (state !== "paused" || stepping)) clock += step;
    drawStill();
    drawMotion();
    if (stepping && !flights.count) stepping = false;
    if (pending.length || (flights.count && !held && (state !== "paused" || stepping))) ask();
    else before = 0;
    if (!painted) {
      painted = true;
      requestAnimationFrame(() => wire.send({ t: "painted" }));
    }
  }

  function clean(context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    camera.apply(context, dpr);
  }

  function drawStill() {
    const lit = hover ? neighbours(hover) : followed && touched(followed);
    if (dirty) {
      if (namedAt !== camera.scale) nameEndpoints();
      clean(onLanes);
      for (const frame of fold.frames) drawFrame(onLanes, frame, style);
      drawLanes(onLanes, fold, lanes, style, lit, camera.scale);
      drawEndpoints(onLanes, names, style, camera.scale);
      clean(onCards);
      fold.nodes.forEach((_, i) => drawItem(i, lit));
      drawPorts(onCards, fold, lanes, style, camera.scale);
      putButtons();
      dirty = false;
      queuesDirty = true;
    } else if (stale.size > 0.4 * fold.nodes.length) {
      clean(onCards);
      fold.nodes.forEach((_, i) => drawItem(i, lit));
      drawPorts(onCards, fold, lanes, style, camera.scale);
    } else for (const i of stale) drawAgain(i, lit);
    for (const i of stale) label(i);
    if (stale.size && inspector.open && stale.has(fold.itemOf[inspector.node.index])) inspect(inspector.node.index);
    stale.clear();
    if (queuesDirty) {
      queuesDirty = false;
      drawQueues();
    }
  }

  function drawItem(i, lit) {
    const item = fold.nodes[i];
    if (item.group < 0) drawCard(onCards, item, i, boxes[i], looks[item.node], style, camera.scale, lit);
    else drawGroup(onCards, item, i, boxes[i], statesOf(item.members, looks), traffic(i), style, camera.scale, lit);
    if (item.members.some((one) => broken.has(one))) drawBolt(onCards, boxes[i].x + boxes[i].w / 2 - 12, boxes[i].y - boxes[i].h / 2 + 12, 8, style);
  }

  // One card, within its edges; cards that a person put over each other are drawn together.
  function drawAgain(i, lit) {
    const { x, y, w, h } = boxes[i], m = 2.5;
    onCards.save();
    onCards.beginPath();
    onCards.rect(x - w / 2 - m, y - h / 2 - m, w + 2 * m, h + 2 * m);
    onCards.clip();
    onCards.clearRect(x - w / 2 - m, y - h / 2 - m, w + 2 * m, h + 2 * m);
    boxes.forEach((b, j) => {
      if (Math.abs(b.x - x) < (b.w + w) / 2 + m && Math.abs(b.y - y) < (b.h + h) / 2 + m) {
        drawItem(j, lit);
        drawPorts(onCards, fold, lanes, style, camera.scale, j);
      }
    });
    onCards.restore();
  }

  function traffic(i) {
    const total = { in: 0, out: 0, queued: 0 };
    for (const b of fold.endsOf[i]) {
      const { source, target } = fold.links[b];
      if (source === i) total.out += sums[b].rate;
      if (target === i) { total.in += sums[b].rate; total.queued += sums[b].queued; }
    }
    return total;
  }

  function drawQueues() {
    clean(onQueues);
    lanes.forEach((lane, i) => {
      drawQueue(onQueues, lane, sums[i].queued, sums[i].capacity, style, camera.scale);
      const links = fold.links[i].links.length;
      if (links > 1) drawSum(onQueues, lane, links, sums[i], style, camera.scale);
      else if (still.matches && sums[i].rate > 0 && camera.scale > 0.4) drawRate(lane, sums[i].rate);
      if (cut.size && fold.links[i].links.some((one) => cut.has(one))) drawBolt(onQueues, lane.points[20], lane.points[21], 8, style);
    });
  }

  // Where nothing moves, what would have moved is told.
  function drawRate(lane, flow) {
    onQueues.font = `600 ${letters(10.5, style, camera.scale)}px ${FONT}`;
    onQueues.textAlign = "center";
    onQueues.textBaseline = "middle";
    onQueues.lineWidth = 4;
    onQueues.strokeStyle = style.page;
    onQueues.fillStyle = style.ink;
    onQueues.strokeText(rate(flow), lane.points[32], lane.points[33]);
    onQueues.fillText(rate(flow), lane.points[32], lane.points[33]);
  }

  function putButtons() {
    [...boxes, ...fold.frames].forEach((box, i) => {
      const { left, top, width, height } = camera.place(box), button = nodes.children[i];
      button.style.transform = `translate(${left}px, ${top}px)`;
      if (i >= boxes.length) return;
      button.style.width = width + "px";
      button.style.height = height + "px";
      label(i);
    });
  }

  function label(i) {
    const item = fold.nodes[i], button = nodes.children[i];
    const told = item.group < 0 ? `${item.name}, ${item.types}, ${looks[item.node].state}${broken.has(item.node) ? ", disturbed by a fault" : ""}`
      : `${item.name}, group of ${item.members.length} nodes, ${statesOf(item.members, looks).map(([state, n]) => `${n} ${state}`).join(", ")}`;
    if (button.getAttribute("aria-label") !== told) button.setAttribute("aria-label", told);
  }

  // A message that is followed in another view.
  const unfollow = onFollow(el, (hops) => {
    followed = hops && linksOf(graph.links.map((link) => link.name.split(" → ")), hops);
    redraw();
  });

  function touched(links) {
    const bundles = new Set([...links].map((i) => fold.bundleOf[i])), ends = [...bundles].map((b) => fold.links[b]);
    return { links: bundles, nodes: new Set(ends.flatMap(({ source, target }) => [source, target])) };
  }

  function neighbours({ item, bundle }) {
    const links = new Set(), near = new Set();
    fold.links.forEach((other, i) => {
      if (i === bundle || other.source === item || other.target === item) {
        links.add(i);
        near.add(other.source).add(other.target);
      }
    });
    if (item !== undefined) near.add(item);
    return { links, nodes: near };
  }

  function drawMotion() {
    if (still.matches) {
      flights.count = 0;
      flights.blank = false;
      clean(onMotion);
      return;
    }
    const radius = Math.max(3.6 * camera.scale, 0.24 * style.least) * dpr, key = radius.toFixed(1) + style.page;
    if (key !== drawnKey) { drawnKey = key; drawn = marks(style.kinds, style.page, radius); flights.blank = false; }
    const flying = flights.draw(onMotion, clock, lanes, fold.bundleOf, drawn, { scale: dpr * camera.scale, x: dpr * camera.x, y: dpr * camera.y });
    if (flying) el.dataset.flying = flying;
  }

  // ---- where the picture is ---------------------------------------------------------------------------------

  // A picture wider than its graph stretches it; what a person put somewhere stays there.
  function spread() {
    const own = bounds([...fold.nodes.map((item) => item.home), ...fold.frames]);
    const xs = fold.nodes.map((item) => item.home.x), across = Math.max(...xs) - Math.min(...xs);
    const card = Math.max(...fold.nodes.map((item) => item.home.w));
    const scale = Math.min(camera.most, (camera.height - 2 * ROOM) / (own.bottom - own.top));
    const stretch = across && !fold.frames.length ? Math.min(2.1, Math.max(1, ((camera.width - 90) / scale - card) / across)) : 1;
    const moved = model.get("moved");
    boxes = fold.nodes.map(({ home: { x, y, w, h } }) => ({ x: x * stretch, y, w, h }));
    home = bounds([...boxes, ...fold.frames]);
    fold.nodes.forEach((item, i) => { if (moved[item.name]) Object.assign(boxes[i], roaming(boxes[i], ...moved[item.name])); });
    zoom.firstChild.hidden = !Object.keys(moved).length;
    arrange();
  }

  // A card that is dragged stays on the stage, and no farther from the others than the picture is wide and high.
  function within(box, x, y) {
    const { x: left, y: top, scale, width, height } = camera, w = box.w / 2 + 6, h = box.h / 2 + 6;
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
    if (!camera.width || hand.dragging) return;
    spread();
    redraw();
  }

  function arrange() {
    lanes = layLanes(fold, boxes);
    namedAt = 0;
  }

  function nameEndpoints() {
    namedAt = camera.scale;
    names = camera.scale < 0.5 ? [] : placeNames(fold, lanes, boxes, nameLetters(style, camera.scale) / 10.5);
  }

  function extent() { return bounds([...boxes, ...fold.frames]); }

  function fit() {
    camera.fit(extent());
    redraw();
  }

  function redraw() {
    dirty = true;
    ask();
  }

  function zoomBy(factor, x, y) {
    camera.zoom(factor, extent(), x, y);
    redraw();
  }

  function panBy(dx, dy) {
    camera.pan(dx, dy, extent());
    redraw();
  }

  function resize(again) {
    const w = stage.clientWidth;
    if (!w) return;
    const larger = model.get("larger"), high = larger ? Math.max(HIGH, 0.8 * window.innerHeight) : HIGH;
    camera.most = larger ? 1.9 : 1.25;
    const b = bounds([...fold.nodes.map((item) => item.home), ...fold.frames]);
    const scale = Math.min(camera.most, (w - 2 * SIDES) / (b.right - b.left));
    // A small graph leaves the page its room: it grows beyond its own size only as far as a low stage lets it.
    const tall = b.bottom - b.top, own = Math.min(larger ? camera.most : 1, scale) * tall + 2 * ROOM;
    const h = Math.round(Math.min(high, Math.max(LOW, own, Math.min(scale * tall + 2 * ROOM, MODEST))));
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (again !== true && w === camera.width && h === camera.height && ratio === dpr) return;
    if (!style) theme();
    [camera.width, camera.height, dpr] = [w, h, ratio];
    stage.style.height = h + "px";
    for (const canvas of canvases) {
      canvas.width = w * dpr;
      canvas.height = h * dpr;
    }
    spread();
    if (camera.fitted || again === true) camera.fit(extent());
    // At once and not at the next frame: an emptied canvas would flash.
    dirty = true;
    drawStill();
    drawMotion();
    ask();
  }

  function theme() {
    const dark = darkTheme(el), larger = model.get("larger");
    el.classList.toggle("zlab-dark", dark);
    style = { ...(dark ? PALETTE.dark : PALETTE.light), page: getComputedStyle(stage).backgroundColor, least: larger ? 16 : 11 };
    drawLegend();
    redraw();
  }

  function enlarge() {
    model.set("larger", !model.get("larger"));
    model.save_changes();
  }

  function enlarged() {
    const on = model.get("larger");
    (el.closest(".zlab-dashboard") ?? el).classList.toggle("zlab-larger", on);
    zoom.children[1].setAttribute("aria-pressed", String(on));
    if (!camera.width) return;
    theme();
    resize(true);
  }

  // ---- what a person does -----------------------------------------------------------------------------------

  // Where a node stands in its source is asked while it is open, and not before.
  function look(node) {
    if (node === looked) return;
    looked = node;
    wire.send({ t: "look", node });
  }

  function inspect(i, link = -1) {
    inspector.show(graph, i, looks[i], live, figures, at, camera.place(boxes[fold.itemOf[i]]), over, faults, link);
    look(graph.nodes[i].name);
    want();
  }

  function light(target) {
    if (hover?.item === target?.item && hover?.bundle === target?.bundle) return;
    hover = target;
    redraw();
  }

  function under(x, y) {
    const [wx, wy] = camera.world(x, y);
    for (let i = boxes.length - 1; i >= 0; i--) {
      const b = boxes[i];
      if (Math.abs(wx - b.x) <= b.w / 2 && Math.abs(wy - b.y) <= b.h / 2) return { item: i };
    }
    let best = null, least = 8 / camera.scale;
    lanes.forEach((lane, i) => {
      if (wx < lane.left - least || wx > lane.right + least || wy < lane.top - least || wy > lane.bottom + least) return;
      for (let k = 0; k <= 32; k++) {
        const d = Math.hypot(lane.points[2 * k] - wx, lane.points[2 * k + 1] - wy);
        if (d < Math.max(least, lane.length / 64 * (best ? 0 : 1))) {
          const near = Math.min(d, distance(lane.points, k, wx, wy));
          if (near < least) { least = near; best = { bundle: i }; }
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
    const item = target?.item === undefined ? null : fold.nodes[target.item];
    tip.hidden = !target || (inspector.open && item?.node === inspector.node.index);
    pointed = tip.hidden ? null : { target, x, y }; // its figures go on while the pointer rests
    want();
    if (tip.hidden) return;
    tip.replaceChildren(...(item
      ? item.group < 0 ? tellNode(graph.nodes[item.node], looks[item.node], figures, at) : tellGroup(item, target.item)
      : tellBundle(target.bundle)));
    const w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = Math.max(4, x + 16 + w < camera.width ? x + 16 : x - w - 12) + "px";
    tip.style.top = Math.max(4, Math.min(y + 14, camera.height - h - 4)) + "px";
  }

  function tellBundle(b) {
    const { name, endpoint, links } = fold.links[b];
    const told = figures && addUp(links.map((i) => figures.links[i]));
    const parts = tellLink({ name, endpoint }, sums[b], told);
    return links.length > 1 ? [parts[0], make("span.zlab-soft", {}, ` ${count(links.length)} links over ${endpoint}`), ...parts.slice(2)] : parts;
  }

  function tellGroup(item, i) {
    const ends = (side) => fold.endsOf[i].filter((b) => fold.links[b][side] === i).flatMap((b) => fold.links[b].links);
    const rows = statesOf(item.members, looks).map(([state, n]) => [state, count(n)]), { in: into, out, queued } = traffic(i);
    const received = figures && addUp(ends("target").map((l) => figures.links[l])), sent = figures && addUp(ends("source").map((l) => figures.links[l]));
    for (const [way, flow, told] of [["in", into, received], ["out", out, sent]]) {
      if (!told) continue;
      rows.push([way, `${rate(flow)}, ${count(told.delivered)} delivered`], [`${way}: dropped`, reasons(told.dropped)], [`${way}: lost`, reasons(told.lost)],
        [`${way}: unaccounted`, told.unaccounted ? count(told.unaccounted) : "0 ✓", told.unaccounted !== 0]);
    }
    rows.push(["queued", count(queued)]);
    return [make("strong", {}, item.name), make("span.zlab-soft", {}, ` ${count(item.members.length)} nodes · ${item.types}; click to open`), definition(rows)];
  }

  // In a large lab Python tells the figures of what somebody looks at.
  function want() {
    if (!graph.sparse) return;
    const sought = new Set(), links = new Set();
    if (inspector.open) sought.add(inspector.node.index);
    const { item, bundle } = pointed?.target ?? {};
    if (item !== undefined) for (const i of fold.nodes[item].members) sought.add(i);
    if (bundle !== undefined) for (const i of fold.links[bundle].links) links.add(i);
    graph.links.forEach((link, i) => { if (sought.has(link.source) || sought.has(link.target)) links.add(i); });
    const content = { t: "ask", nodes: sought.size > 1 ? [] : [...sought], links: [...links] }; // a group's figures are those of its links
    if (JSON.stringify(content) === asked) return;
    clearTimeout(asking);
    asking = setTimeout(() => { asked = JSON.stringify(content); wire.send(content); }, 120);
  }

  const hand = gestures(surface, stage, {
    under,
    point(target, x, y) { if (target) light(target); else if (x !== undefined) light(null); tell(target, x, y); },
    leave() { tell(null); light(null); },
    click({ item, bundle }) {
      tell(null);
      if (item !== undefined) return activate(item);
      const { source, links } = fold.links[bundle];
      if (links.length > 1 || fold.nodes[source].group >= 0) inspector.close(); // of several links none is meant
      else inspect(fold.nodes[source].node, links[0]);
    },
    away() { inspector.close(); },
    hold(target, x, y) {
      const [wx, wy] = camera.world(x, y), box = boxes[target.item];
      return { box, dx: box.x - wx, dy: box.y - wy };
    },
    drag({ box, dx, dy }, x, y) {
      const [wx, wy] = camera.world(x, y);
      Object.assign(box, within(box, wx + dx, wy + dy));
      arrange();
      camera.fitted = false;
      redraw();
    },
    drop({ item }) {
      const { x, y } = boxes[item];
      model.set("moved", { ...model.get("moved"), [fold.nodes[item].name]: [x, y] });
      model.save_changes();
      zoom.firstChild.hidden = false;
    },
    pan: panBy,
    zoom: zoomBy,
    tidy,
  });

  // What cannot be is told where all such words are.
  function steer(name) {
    if (over || !graph.steerable) return;
    wire.command(name, {}, (step, error) => {
      if (step === "failed") stage.dispatchEvent(new CustomEvent("zlab-told", { bubbles: true, detail: error }));
    });
  }

  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".zlab-inspector")) return;
    const acts = {
      ArrowLeft: () => panBy(60, 0), ArrowRight: () => panBy(-60, 0), ArrowUp: () => panBy(0, 60), ArrowDown: () => panBy(0, -60),
      "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit, l: enlarge, L: enlarge,
      Escape: () => (inspector.open ? inspector.close() : document.activeElement.blur()),
      " ": () => steer(state === "paused" ? "resume" : "pause"), ".": () => steer("step"),
    };
    if (event.key === " " && event.target.closest("button:not(.zlab-node)")) return;
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });

  // ---- beginning and end ------------------------------------------------------------------------------------

  refold();
  const sizes = new ResizeObserver(resize);
  sizes.observe(stage);
  const themes = new MutationObserver(theme);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  still.addEventListener("change", redraw);
  const traits = { moved: moved_, opened, larger: enlarged };
  for (const [name, act] of Object.entries(traits)) model.on(`change:${name}`, act);
  const first = requestAnimationFrame(enlarged); // by then it is in its dashboard

  return () => {
    wire.dispose();
    unfollow();
    sizes.disconnect();
    themes.disconnect();
    charts?.();
    announcer.dispose();
    still.removeEventListener("change", redraw);
    for (const [name, act] of Object.entries(traits)) model.off(`change:${name}`, act);
    clearTimeout(asking);
    cancelAnimationFrame(first);
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
