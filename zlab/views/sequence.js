// The sequence diagram: time downwards, a line for each node, an arrow for each message, from send to recv.

const KNOWN = 200; // messages of which the frames are kept here
const NEXT = 250; // milliseconds after which what is left is asked for

function render({ model, el, signal }) {
  const arrows = new Arrows(), labels = new Labels(), known = new Map();
  const still = matchMedia("(prefers-reduced-motion: reduce)"), stretch = new Stretch(arrows, still);
  const lab = { nodes: [], types: [], kinds: [], fates: ["under way", "delivered"], sockets: [], home: new Int16Array(0), events: stretch.events, lives: new Map() };
  let sampling = 1, rest = 0, gone = 0, unmarked = 0;
  let dpr = 1, saying = false, style = PALETTE.light, page = "#fff", cost = 0, drawnAt = 0, more = 0;
  let chosen = -1, journey = null, hovered = null, looking = 0, sought = -1, closely = false; // what another view follows
  let sight = { places: new Int32Array(DRAWN), count: 0, of: 0, newer: 0 };

  // ---- what it is made of -----------------------------------------------------------------------------------

  const button = (text, title, act, name = "button.zlab-button") => {
    const made = make(name, { type: "button", title, "aria-label": title.replace(/ \(.*/, "") }, text);
    made.addEventListener("click", act);
    return made;
  };
  const fold = make("button.zlab-button.zlab-quiet.zlab-unfolds", { type: "button" });
  const inTime = button("True time", "True time: distances are times (t)", () => setScale("time"));
  const inOrder = button("In order", "In order: even distances, not even times (t)", () => setScale("order"));
  const hold = button("Hold", "", () => setFollowing(!stretch.following), "button.zlab-button.zlab-hold");
  const zooms = make("span.zlab-zoom", {}, button("+", "Zoom in (+)", () => zoomBy(1.6)), button("−", "Zoom out (-)", () => zoomBy(1 / 1.6)), button("⤢", "Zoom automatically (0)", automatic));
  const spoken = make("div.zlab-spoken", { "aria-live": "polite" });
  const seeking = new Seeking(arrows, lab, spoken, { find: (text) => wire.send({ t: "find", text }), chosen: () => chosen, choose: (i) => choose(i, false),
    escape: () => stage.focus({ preventScroll: true }), redraw });
  const tools = make("div.zlab-tools", { role: "toolbar", "aria-label": "Sequence diagram" },
    hold, make("span.zlab-choice", { role: "group", "aria-label": "Scale" }, inTime, inOrder), seeking.box, seeking.hits, zooms);
  const canvas = make("canvas"), g = canvas.getContext("2d", { alpha: false });
  const tip = new Tip();
  const stage = make("div.zlab-stage", { tabIndex: 0, role: "application",
    "aria-label": "Sequence diagram: up and down go from message to message, left and right along a journey, Enter tells all of a message, slash searches, space holds the picture, t changes the scale, plus and minus zoom, 0 zooms automatically" }, canvas, tip.root);
  const legend = make("div.zlab-legend", { role: "group", "aria-label": "Colours of the messages" });
  const note = make("div.zlab-notes");
  const body = make("div.zlab-body", {}, tools, stage, make("div.zlab-foot", {}, legend, note), spoken);
  el.classList.add("zlab-view");
  el.append(make("div.zlab-panel.zlab-sequence", {}, make("div.zlab-heading", {}, fold), body));
  const panel = new MessagePanel(stage, (number) => choose(arrows.place(number), true), closer, () => {
    unchoose();
    stage.focus({ preventScroll: true });
  });

  const wire = attach({ model, el: body, signal }, {
    message: take,
    visible(on) {
      if (on) redraw();
      else { FRAMES.forget(draw); clearTimeout(more); more = 0; }
    },
    lost() { stretch.lost = true; el.classList.add("zlab-lost"); redraw(); },
  });
  model.on("msg:custom", answered);

  function setFolded() {
    const folded = model.get("folded");
    body.hidden = folded;
    fold.setAttribute("aria-expanded", String(!folded));
    write(fold, `${folded ? "▸" : "▾"} Sequence of the messages`);
  }
  fold.addEventListener("click", () => {
    model.set("folded", !model.get("folded"));
    model.save_changes();
  });

  // ---- what Python says -------------------------------------------------------------------------------------

  function take(content, buffers) {
    const words = json(buffers[2]), oldest = arrows.number[0], empty = !arrows.count, shown = chosen < 0 ? -1 : arrows.number[chosen];
    if (words.nodes) name(words);
    if (content.again) {
      lab.events.length = 0;
      lab.lives.clear();
      unmarked = content.unmarked;
      if (empty) gone = content.gone;
    }
    words.events.forEach(enter);
    const from = arrows.add(content, buffers[0], words.said);
    for (const number of words.found) seeking.hit(number);
    const arrived = arrows.change(content.changed, buffers[1]);
    const fresh = words.events.map(([t]) => t).concat(arrived);
    for (let i = from; i < arrows.count; i++) fresh.push(arrows.sent[i], arrows.received[i]);
    stretch.hear(fresh, content.again || arrows.number[0] !== oldest, content);
    if (arrows.number[0] !== oldest && !empty) moved(shown);
    seeking.look(from);
    if (sought >= 0 && chosen < 0) takeUp();
    if (journey) journey.places = arrows.journey(journey.message);
    ({ sampling, rest } = content);
    if (rest && !more) more = setTimeout(() => { more = 0; if (wire.shown()) wire.send({ t: "more" }); }, NEXT);
    redraw();
  }

  function name(words) {
    const { nodes, types, kinds, sockets, fates } = words;
    const place = new Map(nodes.map((node, i) => [node, i]));
    Object.assign(lab, { nodes, types, kinds, sockets, fates,
      home: Int16Array.from(sockets, (socket) => place.get(socket.slice(0, socket.lastIndexOf("."))) ?? -1) });
    stretch.nodes = nodes.length;
    drawLegend();
  }

  function drawLegend() {
    legend.replaceChildren(...lab.kinds.map((kind, i) => make("span", {}, mark(i), kind || "(empty)")));
  }

  function enter(event) {
    const [time, kind, node] = event;
    lab.events.push(event);
    if (ENDS.has(kind) || BEGINS.has(kind)) {
      if (!lab.lives.has(node)) lab.lives.set(node, []);
      lab.lives.get(node).push([time, BEGINS.has(kind)]);
    }
  }

  // Places have changed: old arrows made room.
  function moved(shown) {
    chosen = arrows.place(shown);
    if (chosen < 0 && journey) unchoose();
    hovered = null;
  }

  function answered(content, buffers) {
    if (content.v !== wire.id) return;
    const answer = json(buffers[0]);
    if (content.t === "looked") {
      known.set(answer.number, answer);
      if (known.size > KNOWN) known.delete(known.keys().next().value);
      if (panel.open && answer.number === arrows.number[chosen]) panel.show(answer);
      if (hovered && answer.number === arrows.number[hovered.place]) tell(hovered);
    } else if (content.t === "found") seeking.answered(answer);
  }

  // ---- time -------------------------------------------------------------------------------------------------

  function zoomBy(factor, y) {
    stretch.zoomBy(factor, y);
    redraw();
  }

  function automatic() {
    stretch.automatic();
    setFollowing(true);
  }

  function setFollowing(on) {
    stretch.follow(on);
    write(hold, on ? "Hold" : "Follow");
    hold.title = on ? "Hold the picture; the lab goes on (space)" : "Follow what happens now (space)";
    hold.setAttribute("aria-label", hold.title.replace(/ \(.*/, ""));
    redraw();
  }

  function setScale(to) {
    stretch.setScale(to);
    inTime.setAttribute("aria-pressed", String(to === "time"));
    inOrder.setAttribute("aria-pressed", String(to === "order"));
    redraw();
  }

  function panBy(dx, dy) {
    if (dy && stretch.following) setFollowing(false);
    stretch.panBy(dx, dy);
    redraw();
  }

  // The journey of the chosen message, from top to bottom.
  function closer() {
    if (!journey) return;
    let first = Infinity, last = 0;
    for (const i of journey.places) {
      first = Math.min(first, arrows.sent[i]);
      last = Math.max(last, arrows.sent[i], arrows.received[i] || 0);
    }
    setFollowing(false);
    stretch.show(first, last);
    redraw();
  }

  // ---- drawing ----------------------------------------------------------------------------------------------

  function redraw() {
    if (wire.shown()) FRAMES.ask(draw);
  }

  function draw(now) {
    if (!stretch.width) return resize();
    const { moves } = stretch;
    if (moves && now - drawnAt < 30) return redraw(); // 30 pictures a second are enough for what scrolls
    drawnAt = now;
    const began = performance.now();
    stretch.keepUp();
    const view = stretch.view();
    sight = inSight(sight, arrows, lab, view);
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    drawSequence(g, arrows, lab, view, sight, { style, page, chosen, hovered: hovered?.place ?? -1, journey, wanted: seeking.wanted, labels, gone: gone + arrows.dropped });
    cost = 0.8 * cost + 0.2 * (performance.now() - began);
    if (!saying) FRAMES.write(say);
    saying = true;
    if (moves && cost < 8) redraw();
  }

  function say() {
    saying = false;
    el.dataset.drawn = sight.count; // for who watches over this page
    write(note, remarks({ stretch, sight, arrows, sampling, rest, gone, unmarked }).join(" · "));
    seeking.tell();
  }

  function resize() {
    const w = stage.clientWidth;
    if (!w) return;
    const h = Math.round(Math.min(560, Math.max(300, 0.5 * window.innerHeight)));
    const ratio = Math.min(2.5, (window.devicePixelRatio || 1) * stage.getBoundingClientRect().width / w); // sharp where the page enlarges it
    if (w === stretch.width && h === stretch.height && ratio === dpr) return;
    if (!stretch.width) theme();
    stretch.resize(w, h);
    dpr = ratio;
    stage.style.height = h + "px";
    canvas.width = w * dpr;
    canvas.height = h * dpr;
    if (wire.shown()) { FRAMES.forget(draw); drawnAt = 0; draw(performance.now()); } // an emptied canvas would flash
  }

  function theme() {
    const dark = darkTheme(el);
    el.classList.toggle("zlab-dark", dark);
    body.classList.toggle("zlab-dark", dark);
    style = dark ? PALETTE.dark : PALETTE.light;
    page = getComputedStyle(stage).backgroundColor;
    drawLegend();
    redraw();
  }

  // ---- one message ------------------------------------------------------------------------------------------

  function linkOf(i) {
    const to = arrows.receiver[i];
    return [lab.sockets[arrows.sender[i]], to === NOBODY ? "" : lab.sockets[to]];
  }

  function describe(i) {
    const [from, to] = linkOf(i), came = arrows.received[i];
    return { link: `${from} → ${to || "?"}`, sent: arrows.sent[i], received: came === came ? came : null, fate: lab.fates[arrows.fate[i]] };
  }

  function choose(i, open) {
    if (i < 0 || i >= arrows.count) return;
    chosen = i;
    sought = -1;
    const number = arrows.number[i], message = arrows.message[i], places = arrows.journey(message);
    journey = { message, places };
    follow(el, places.map(linkOf), { number });
    const hop = describe(i), title = `Message ${count(message)}, hop ${arrows.hop[i]}`;
    write(spoken, `${title}: ${hop.link}, ${became(hop)}${arrows.said[i] ? ", " + arrows.said[i] : ""}`);
    if (open || panel.open) {
      const here = sight.segment?.(i);
      panel.await(title, here && (here.sx + here.ex) / 2 > stretch.width - 380 && (here.sx + here.ex) / 2 > stretch.width / 2);
      if (known.has(number)) panel.show(known.get(number));
      wire.send({ t: "look", number });
    }
    bring(i);
    redraw();
  }

  // Hold the picture where an arrow is in sight.
  function bring(i) {
    const y = stretch.y(arrows.sent[i]), seen = y > stretch.head + 4 && y < stretch.height - BOTTOM - 4;
    if (!seen || stretch.following) setFollowing(false);
    if (!seen) stretch.top = stretch.placeOf(arrows.sent[i]) - 0.4 * stretch.inside / stretch.zoom;
  }

  function unchoose() {
    chosen = sought = -1;
    journey = null;
    follow(el, null);
    redraw();
  }

  // A message that is followed in another view: it is shown here too, as far as it has come.
  const unfollow = onFollow(el, (hops, { number, closer: all }, own) => {
    if (own) return;
    panel.hide();
    if (!all) [sought, closely] = [hops ? number : -1, false];
    else {
      closely = true;
      if (model.get("folded")) fold.click();
      stage.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
    }
    takeUp();
  });

  function takeUp() {
    chosen = arrows.place(sought);
    journey = chosen < 0 ? null : { message: arrows.message[chosen], places: arrows.journey(arrows.message[chosen]) };
    if (chosen >= 0) bring(chosen);
    if (closely) closer();
    redraw();
  }

  function tell(target) {
    hovered = target;
    canvas.style.cursor = target ? "pointer" : "default";
    if (!target) tip.hide();
    else tip.show(target.event ? tellEvent(target.event) : tellHop(target.place), target.x, target.y, stretch.width, stretch.height);
  }

  function tellEvent([time, kind, node, socket, detail]) {
    return [make("strong", {}, kind), make("span.zlab-soft", {}, ` ${[node, socket].filter(Boolean).join(".")} ${time.toFixed(6)} s after the start`),
      make("div", {}, detail.trim().split("\n").pop())];
  }

  function tellHop(i) {
    const hop = describe(i), told = known.get(arrows.number[i]);
    return [make("strong", {}, hop.link), make("div.zlab-soft", {}, `message ${count(arrows.message[i])}, hop ${arrows.hop[i]}: ${became(hop)}, sent at ${hop.sent.toFixed(6)} s, ${bytes(arrows.size[i])}`),
      ...(told ? (told.error ? [make("div.zlab-soft", {}, told.error)] : tellFrames(told, true)) : [])];
  }

  // ---- what a person does -----------------------------------------------------------------------------------

  function step(way) {
    let i = chosen < 0 ? (way > 0 ? -1 : arrows.count) : chosen;
    if (chosen < 0 && sight.count) i = way > 0 ? sight.places[0] - 1 : sight.places[sight.count - 1] + 1;
    choose(i + way, false);
  }

  function along(way) {
    const places = journey?.places ?? [], next = places[places.indexOf(chosen) + way];
    if (next !== undefined) choose(next, false);
  }

  const pulling = pull(canvas, stage, body, {
    under: (x, y) => under(sight, x, y),
    point(target) {
      const before = hovered?.place;
      tell(target);
      if (target?.place === before) return;
      clearTimeout(looking);
      const number = arrows.number[target?.place ?? -1];
      if (target?.place >= 0 && !known.has(number)) looking = setTimeout(() => wire.send({ t: "look", number }), 120);
      redraw();
    },
    hide() { tell(null); },
    leave() { clearTimeout(looking); if (hovered) { tell(null); redraw(); } },
    click(target) {
      tell(null);
      if (target?.place >= 0) choose(target.place, true);
      else if (panel.open) panel.close();
      else if (journey) unchoose();
    },
    closer, pan: panBy, zoom: zoomBy,
  });

  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowUp: () => step(-1), ArrowDown: () => step(1), ArrowLeft: () => along(-1), ArrowRight: () => along(1),
      PageUp: () => panBy(0, 0.8 * stretch.inside), PageDown: () => panBy(0, -0.8 * stretch.inside),
      Enter: () => { if (chosen >= 0) { choose(chosen, true); panel.focus(); } },
      "/": () => seeking.box.focus(), n: () => seeking.next(1), N: () => seeking.next(-1), z: closer,
      t: () => setScale(stretch.scale === "time" ? "order" : "time"), " ": () => setFollowing(!stretch.following), End: () => setFollowing(true),
      "+": () => zoomBy(1.6), "=": () => zoomBy(1.6), "-": () => zoomBy(1 / 1.6), 0: automatic,
      Escape: () => (panel.open ? panel.close() : journey ? unchoose() : document.activeElement.blur()),
    };
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
  model.on("change:folded", setFolded);
  setFolded();
  setScale(stretch.scale);
  setFollowing(true);

  return () => {
    wire.dispose();
    sizes.disconnect();
    themes.disconnect();
    still.removeEventListener("change", redraw);
    model.off("msg:custom", answered);
    model.off("change:folded", setFolded);
    unfollow();
    if (journey) follow(el, null);
    FRAMES.forget(draw);
    seeking.dispose();
    pulling.dispose();
    for (const timer of [more, looking]) clearTimeout(timer);
  };
}

export default { render };
