// The flow graph: what Python says becomes motion on the stage, and what a person does there moves the picture.

function render({ model, el, signal }) {
  const graph = structuredClone(model.get("graph"));
  if (!graph.nodes.length) {
    el.append(make("div.zlab-panel.zlab-waiting", {}, "No socket yet: each appears here as the program opens it and binds or connects it."));
    const wire = attach({ model, el, signal }, { message() {} });
    return () => wire.dispose();
  }
  const scene = new Scene(graph), camera = new Camera(), layers = new Layers(scene, camera), player = new Player(scene), announcer = new Announcer();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let figures = null, at = 0, kinds = [], over = false, pending = [], painted = false, charts = null, kept = null; // of a moment of the past: its ticks
  let hover = null, followed = null, pointed = null;

  const buttons = new Buttons(scene, { light, activate, sum, close: (name) => open(name, false), free: () => !inspector.open && !sums.open });
  const tip = new Tip();
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
    "aria-label": `${graph.name}: nodes and messages. Space pauses, full stop lets one message move, arrows move, plus and minus zoom, 0 fits, L enlarges, Tab goes to the nodes, Enter tells a node's figures or the sum of links, or opens a group, Escape closes it` },
    layers.canvas, buttons.root, tip.root);
  const frontage = make("div.zlab-flow", {}, stage, make("div.zlab-foot", {}, legend, note, zoom)); // panels may be higher than the stage
  el.append(frontage, announcer.region);

  const wire = attach({ model, el, signal }, {
    last: true,
    message(content, buffers) {
      // What a tick says but once is taken at once: only messages in the air may be dropped.
      if (content.kinds) { kinds = content.kinds; drawLegend(); }
      if (content.faults) breakUp(content.faults);
      if (content.paused) pauseLinks(content.paused);
      if (content.past) inspector.stands(null);
      for (const where of content.where ?? []) inspector.stands(where);
      if (content.last) inspector.passed(content.last);
      const batch = unpack(content, buffers[0], graph.nodes.length);
      take(content, batch);
      if (buffers[1]) {
        figures = json(buffers[1]);
        if (figures.capacities) scene.capacities = figures.capacities;
        at = content.at;
        if (inspector.open) inspect(inspector.node.index);
        if (sums.open) sum(sums.bundle);
        if (pointed) tell(pointed.target, pointed.x, pointed.y);
      }
      pending.push([content, batch]);
      if (pending.length > 4) pending.splice(0, pending.length - 4); // the latest win
      ask();
    },
    visible(on) {
      charts ??= watchCharts(el, wire);
      if (on) { player.rest(); redraw(); } else { FRAMES.forget(draw); pending = []; player.reset(); }
    },
    lost() {
      over = true;
      scene.end();
      el.classList.add("zlab-lost", "zlab-over");
      FRAMES.write(() => write(note, "the kernel is gone: this picture is the last"));
      announcer.lab("gone: the kernel has ended");
      redraw();
    },
  });
  const asking = new Asking(wire, scene);
  const inspector = new Inspector(frontage, graph.menu, {
    command: wire.command,
    look(link) { inspect(inspector.node.index, link); },
    open: openMessage,
    closed(node) {
      const item = scene.fold.itemOf[node.index];
      message.close();
      buttons.focus(item);
      want();
      asking.look("");
    },
  });
  const sums = new Sum(frontage, {
    choose(link) { inspect(graph.links[link].source, link); },
    closed(bundle) { buttons.focusSum(bundle); want(); },
  });
  // A message of what is inspected, over it; it is followed through all views.
  const message = new MessagePanel(frontage, openMessage, () => follow(el, undefined, { closer: true }), () => {
    follow(el, null);
    if (inspector.open) inspector.shut.focus({ preventScroll: true });
  });
  model.on("msg:custom", answered);

  function openMessage(number) {
    message.await("Message", false);
    wire.send({ t: "hop", number });
  }

  function answered(content, buffers) {
    if (content.t !== "looked" || content.v !== wire.id || !message.open) return;
    const told = json(buffers[0]);
    message.await(told.error ? "Message" : `Message ${count(told.message)}, hop ${told.hop}`, false);
    message.show(told);
    message.focus();
    if (!told.error) follow(el, told.way.map(({ from, to }) => [from, to]), { number: told.number });
  }

  // ---- what is drawn: nodes, and groups of nodes until they are opened -----------------------------------------

  function refold() {
    scene.refold(new Set(model.get("opened")));
    hover = null;
    buttons.refold();
  }

  function activate(i) {
    const item = scene.fold.nodes[i];
    if (item.group >= 0) open(item.name, true);
    else inspect(item.node, -1);
  }

  function open(name, on) {
    const rest = model.get("opened").filter((other) => other !== name);
    model.set("opened", on ? [...rest, name] : rest);
    model.save_changes();
    const group = graph.groups.find((one) => one.name === name);
    buttons.focus(scene.fold.itemOf[group.members[0]]);
  }

  function opened() {
    tell(null);
    sums.close();
    inspector.close();
    const { held } = buttons;
    refold();
    if (!camera.width) return;
    resize(true);
    if (held) buttons.focus(0);
  }

  // ---- what Python says -------------------------------------------------------------------------------------

  function take(content, batch) {
    batch.rates.forEach((rate, i) => { scene.live[i].rate = rate; });
    batch.queues.forEach((link, i) => { scene.live[link].queued = batch.queued[i]; });
    batch.states.forEach((number, i) => {
      const next = graph.states[number];
      if (scene.settle(i, next, content.past || content.t === "full")) announcer.node(graph.nodes[i].name, next);
    });
    if (batch.rates.length || batch.queues.length) {
      layers.queuesDirty = true;
      scene.sum();
      scene.fold.nodes.forEach((item, i) => { if (item.group >= 0) scene.stale.add(i); });
    }
  }

  function apply([content, batch]) {
    const before = player.state;
    player.take(content, batch);
    ({ at, kept } = content);
    if (content.state !== before || over !== (content.state === "stopped")) {
      if (content.state !== before) announcer.lab(content.state);
      over = content.state === "stopped";
      el.classList.toggle("zlab-over", over);
      layers.dirty = true;
    }
    el.dataset.batch = at; // for who watches over this page
    el.dataset.flying = player.flights.flying;
    FRAMES.write(remark);
  }

  function remark() {
    const { ratio } = player, [some, ticks] = kept ?? [];
    if (kept) write(note, `of ${count(ticks)} ticks here ${count(some)} ${some === 1 ? "is" : "are"} kept: the messages of the others have been let go`);
    else if (over) write(note, "stopped: the final picture");
    else if (still.matches) write(note, "motion is reduced: rates instead of messages");
    else write(note, ratio < 1.3 ? "" : `showing about 1 in ${count(ratio < 10 ? Number(ratio.toFixed(1)) : Math.round(ratio))} messages`);
  }

  function breakUp(faults) {
    scene.breakUp(faults);
    layers.queuesDirty = true;
    if (inspector.open) inspect(inspector.node.index);
    ask();
  }

  function pauseLinks(links) {
    scene.paused = new Set(links);
    layers.queuesDirty = true;
    if (inspector.open) inspect(inspector.node.index);
    ask();
  }

  function drawLegend() {
    legend.replaceChildren(...kinds.map((kind, i) => make("span", {}, mark(i), kind || "(empty)")));
  }

  // ---- drawing ----------------------------------------------------------------------------------------------

  function ask() {
    if (wire.shown()) FRAMES.ask(draw);
  }

  function draw(time) {
    if (!camera.width) return;
    if (pending.length) apply(pending.shift());
    player.advance(time);
    drawAll();
    player.settle();
    if (pending.length || player.moves || layers.behind) ask();
    else player.rest();
    if (!painted) {
      painted = true;
      requestAnimationFrame(() => wire.send({ t: "painted" }));
    }
  }

  function drawAll() {
    const { stale, fold } = scene, moved = layers.dirty;
    layers.calm = still.matches;
    layers.draw(hover ? scene.neighbours(hover) : followed && scene.touched(followed), player);
    if (moved) buttons.put(camera);
    for (const i of stale) buttons.label(i);
    if (stale.size && inspector.open && stale.has(fold.itemOf[inspector.node.index])) inspect(inspector.node.index);
    stale.clear();
  }

  // A message that is followed in another view.
  const unfollow = onFollow(el, (hops, _, own) => {
    if (hops === undefined) return; // it goes on
    if (!own) message.hide();
    followed = hops && linksOf(graph.links.map((link) => link.name.split(" → ")), hops);
    redraw();
  });

  // ---- where the picture is ---------------------------------------------------------------------------------

  function spread() {
    const moved = model.get("moved");
    scene.spread(camera, moved);
    zoom.firstChild.hidden = !Object.keys(moved).length;
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

  function moved() {
    if (!camera.width || hand.dragging) return;
    spread();
    redraw();
  }

  function fit() {
    camera.fit(scene.extent());
    camera.fit(scene.whole(layers.style, camera.scale));
    redraw();
  }

  function redraw() {
    layers.dirty = true;
    ask();
  }

  function zoomBy(factor, x, y) {
    camera.zoom(factor, scene.extent(), x, y);
    redraw();
  }

  function panBy(dx, dy) {
    camera.pan(dx, dy, scene.extent());
    redraw();
  }

  function resize(again) {
    const w = stage.clientWidth;
    if (!w) return;
    const low = camera.room(scene.own(), w, model.get("larger")), fits = camera.fitted || again === true;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (again !== true && w === camera.width && low === camera.low && ratio === layers.dpr) return;
    if (!layers.style) theme();
    [camera.width, camera.low] = [w, low];
    spread();
    scene.fitNames(camera, layers.style, fits);
    stage.style.height = camera.height + "px";
    layers.resize(w, camera.height, ratio);
    drawAll(); // at once and not at the next frame: an emptied canvas would flash
    ask();
  }

  function theme() {
    const dark = darkTheme(el), larger = model.get("larger");
    el.classList.toggle("zlab-dark", dark);
    layers.style = { ...(dark ? PALETTE.dark : PALETTE.light), page: getComputedStyle(stage).backgroundColor, least: larger ? 16 : 11 };
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

  // ---- what a person looks at -------------------------------------------------------------------------------

  // Several links that are drawn as one.
  function sum(bundle) {
    inspector.close();
    sums.show(scene, bundle, { figures, place: camera.place(scene.middle(bundle)) });
    want();
  }

  function inspect(i, link) {
    sums.close();
    const { fold, boxes } = scene;
    inspector.show(scene, i, { figures, at, place: camera.place(boxes[fold.itemOf[i]]), over }, link);
    asking.look(graph.nodes[i].name, inspector.link);
    want();
  }

  function light(target) {
    if (hover?.item === target?.item && hover?.bundle === target?.bundle) return;
    hover = target;
    redraw();
  }

  function tell(target, x, y) {
    const item = target?.item === undefined ? null : scene.fold.nodes[target.item];
    const mute = !target || (inspector.open && item?.node === inspector.node.index) || (sums.open && target.bundle === sums.bundle);
    pointed = mute ? null : { target, x, y }; // its figures go on while the pointer rests
    want();
    if (mute) return tip.hide();
    const parts = !item ? tellBundle(scene, target.bundle, figures)
      : item.group < 0 ? tellNode(graph.nodes[item.node], scene.looks[item.node], figures, at) : tellGroup(scene, target.item, figures);
    tip.show(parts, x, y, camera.width, camera.height);
  }

  function want() {
    asking.want(inspector.open ? inspector.node.index : -1, sums.open ? sums.bundle : -1, pointed?.target);
  }

  // ---- what a person does -----------------------------------------------------------------------------------

  const hand = gestures(layers.canvas, stage, {
    under(x, y) { return scene.under(...camera.world(x, y), camera.scale); },
    point(target, x, y) { if (target) light(target); else if (x !== undefined) light(null); tell(target, x, y); },
    leave() { tell(null); light(null); },
    click({ item, bundle }) {
      tell(null);
      if (item !== undefined) return activate(item);
      const { links: all } = scene.fold.links[bundle];
      if (all.length > 1) sum(bundle);
      else inspect(graph.links[all[0]].source, all[0]);
    },
    away() { sums.close(); inspector.close(); },
    hold(target, x, y) {
      const [wx, wy] = camera.world(x, y), box = scene.boxes[target.item];
      return { box, dx: box.x - wx, dy: box.y - wy };
    },
    drag({ box, dx, dy }, x, y) {
      const [wx, wy] = camera.world(x, y);
      Object.assign(box, scene.within(camera, box, wx + dx, wy + dy));
      scene.arrange();
      camera.fitted = false;
      redraw();
    },
    drop({ item }) {
      const { x, y } = scene.boxes[item];
      model.set("moved", { ...model.get("moved"), [scene.fold.nodes[item].name]: [x, y] });
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
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => panBy(60, 0), ArrowRight: () => panBy(-60, 0), ArrowUp: () => panBy(0, 60), ArrowDown: () => panBy(0, -60),
      "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit, l: enlarge, L: enlarge,
      Escape: () => (sums.open ? sums.close() : inspector.open ? inspector.close() : document.activeElement.blur()),
      " ": () => steer(player.state === "paused" ? "resume" : "pause"), ".": () => steer("step"),
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
  const traits = { moved, opened, larger: enlarged };
  for (const [name, act] of Object.entries(traits)) model.on(`change:${name}`, act);
  const first = requestAnimationFrame(enlarged); // by then it is in its dashboard

  return () => {
    wire.dispose();
    unfollow();
    model.off("msg:custom", answered);
    sizes.disconnect();
    themes.disconnect();
    charts?.();
    announcer.dispose();
    still.removeEventListener("change", redraw);
    for (const [name, act] of Object.entries(traits)) model.off(`change:${name}`, act);
    asking.dispose();
    cancelAnimationFrame(first);
    FRAMES.forget(draw);
  };
}

export default { render };
