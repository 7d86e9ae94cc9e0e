// What is on the stage: nodes and groups where they stand, the lanes between them, how they fare and what they carry.

class Scene {
  constructor(graph) {
    this.graph = graph;
    graph.nodes.forEach((node, i) => {
      node.index = i;
      node.types = [...new Set(node.sockets.map(described))].join(" · ");
    });
    this.looks = graph.nodes.map(() => ({ state: "starting", scores: {} }));
    this.live = graph.links.map(() => ({ queued: 0, rate: 0 }));
    this.capacities = [];
    this.faults = []; // that are on, and the nodes and links that they mark
    this.broken = new Set();
    this.cut = new Set();
    this.paused = new Set(); // the links that are paused by themselves
    this.boxes = [];
    this.lanes = [];
    this.names = []; // of endpoints, where they stand at the scale of `namedAt`
    this.namedAt = 0;
    this.stale = new Set(); // items whose card alone must be drawn again
  }

  // Nodes, and groups of nodes until they are opened.
  refold(opened) {
    this.fold = foldGraph(this.graph, opened);
    this.stale = new Set(this.fold.nodes.keys()); // what was stale has another number by now
    this.sum();
  }

  // ---- where things stand -----------------------------------------------------------------------------------

  // A picture wider than its graph stretches it; what a person put somewhere stays there.
  spread(camera, moved) {
    const { nodes, frames } = this.fold, own = this.own();
    const xs = nodes.map((item) => item.home.x), across = Math.max(...xs) - Math.min(...xs);
    const card = Math.max(...nodes.map((item) => item.home.w));
    const scale = Math.min(camera.most, (camera.low - 2 * ROOM) / (own.bottom - own.top));
    const stretch = across && !frames.length ? Math.min(2.1, Math.max(1, ((camera.width - 90) / scale - card) / across)) : 1;
    this.boxes = nodes.map(({ home: { x, y, w, h } }) => ({ x: x * stretch, y, w, h }));
    this.home = bounds([...this.boxes, ...frames]);
    nodes.forEach((item, i) => { if (moved[item.name]) Object.assign(this.boxes[i], this.roaming(this.boxes[i], ...moved[item.name])); });
    this.arrange();
  }

  arrange() {
    this.lanes = layLanes(this.fold, this.boxes);
    this.namedAt = 0;
  }

  nameEndpoints(style, scale) {
    if (this.namedAt === scale) return;
    this.namedAt = scale;
    this.names = scale < 0.5 ? [] : placeNames(this.fold, this.lanes, this.boxes, nameLetters(style, scale) / 10.5);
  }

  // What there is, as it was laid out and as it stands.
  own() { return bounds([...this.fold.nodes.map((item) => item.home), ...this.fold.frames]); }

  extent() {
    const { left, right, top, bottom } = bounds([...this.boxes, ...this.fold.frames]), lanes = this.lanes;
    const far = (side, pick, edge) => lanes.reduce((most, lane) => pick(most, lane[side]), edge); // some go round a card
    return { left: far("left", Math.min, left), right: far("right", Math.max, right), top: far("top", Math.min, top), bottom: far("bottom", Math.max, bottom) };
  }

  // Find how high the stage must be: as it was asked to be, and for names above and beneath it is higher, not smaller.
  fitNames(camera, style, fits) {
    camera.height = camera.low;
    if (fits) camera.fit(this.extent());
    const { top, bottom } = this.extent(), whole = this.whole(style, camera.scale);
    camera.height += Math.ceil(camera.scale * (top - whole.top + whole.bottom - bottom));
    if (fits) camera.fit(whole);
  }

  // What there is, with the names of endpoints above and beneath all else, as far as what is left free around it is too little.
  whole(style, scale) {
    this.nameEndpoints(style, scale);
    const all = this.extent(), spare = ROOM / scale - 0.7 * nameLetters(style, scale);
    for (const { y } of this.names) [all.top, all.bottom] = [Math.min(all.top, y + spare), Math.max(all.bottom, y - spare)];
    return all;
  }

  // A card that is dragged stays on the stage, and no farther from the others than the picture is wide and high.
  within(camera, box, x, y) {
    const { x: left, y: top, scale, width, height } = camera, w = box.w / 2 + 6, h = box.h / 2 + 6;
    const near = this.roaming(box, x, y);
    return {
      x: Math.max(w - left / scale, Math.min((width - left) / scale - w, near.x)),
      y: Math.max(h - top / scale, Math.min((height - top) / scale - h, near.y)),
    };
  }

  roaming(box, x, y) {
    const { left, right, top, bottom } = this.home, across = 0.3 * (right - left), high = Math.max(60, 0.3 * (bottom - top));
    return {
      x: Math.max(left - across + box.w / 2, Math.min(right + across - box.w / 2, x)),
      y: Math.max(top - high + box.h / 2, Math.min(bottom + high - box.h / 2, y)),
    };
  }

  // ---- what is where ----------------------------------------------------------------------------------------

  // The item or the bundle at a place: {item} or {bundle}, or null.
  under(x, y, scale) {
    for (let i = this.boxes.length - 1; i >= 0; i--) {
      const b = this.boxes[i];
      if (Math.abs(x - b.x) <= b.w / 2 && Math.abs(y - b.y) <= b.h / 2) return { item: i };
    }
    const bundle = nearestLane(this.lanes, x, y, 8 / scale);
    return bundle < 0 ? null : { bundle };
  }

  // The bundles of several links that a group which is closed has: those that the keyboard goes to.
  sumsAt() {
    const { links, nodes } = this.fold, stands = (i) => !nodes[i].frame;
    return links.flatMap((link, b) => (link.links.length > 1 && stands(link.source) && stands(link.target) ? [b] : []));
  }

  // The middle of a lane, as a box.
  middle(bundle) {
    const { points } = this.lanes[bundle];
    return { x: points[32], y: points[33], w: 0, h: 0 };
  }

  // What is next to one of some boxes in a direction, by its place among them, or -1.
  next(boxes, from, [dx, dy]) {
    let best = -1, least = Infinity;
    boxes.forEach((box, i) => {
      const x = box.x - boxes[from].x, y = box.y - boxes[from].y, ahead = x * dx + y * dy;
      const cost = ahead + 2.5 * Math.abs(x * dy + y * dx);
      if (i !== from && ahead > 5 && cost < least) { least = cost; best = i; }
    });
    return best;
  }

  // What links have to do with: {links, nodes} as bundles and items.
  touched(links) {
    const { links: all, bundleOf } = this.fold, bundles = new Set([...links].map((i) => bundleOf[i]));
    return { links: bundles, nodes: new Set([...bundles].flatMap((b) => [all[b].source, all[b].target])) };
  }

  neighbours({ item, bundle }) {
    const links = new Set(), near = new Set();
    this.fold.links.forEach((other, i) => {
      if (i === bundle || other.source === item || other.target === item) {
        links.add(i);
        near.add(other.source).add(other.target);
      }
    });
    if (item !== undefined) near.add(item);
    return { links, nodes: near };
  }

  // ---- how it fares -----------------------------------------------------------------------------------------

  sum() { this.sums = sumUp(this.fold, this.live, this.capacities); }

  // What an item sends and receives, all of its links together.
  traffic(i) {
    const total = { in: 0, out: 0, queued: 0 }, { endsOf, links } = this.fold;
    for (const b of endsOf[i]) {
      const { source, target } = links[b], { rate, queued } = this.sums[b];
      if (source === i) total.out += rate;
      if (target === i) { total.in += rate; total.queued += queued; }
    }
    return total;
  }

  states(item) { return statesOf(item.members, this.looks); }

  // What a sample of a busy thread says flickers: such a state is shown once it holds. Says whether it is news.
  settle(i, next, now) {
    const look = this.looks[i], volatile = (s) => s === "running" || s.startsWith("blocked");
    const show = () => {
      if (look.state === next) return;
      look.state = next;
      this.stale.add(this.fold.itemOf[i]);
    };
    if (now || !volatile(next) || !volatile(look.state)) {
      const news = look.state !== next && !now && !volatile(next);
      if (look.state !== next) {
        show();
        look.scores = { [next]: 3 };
      }
      return news;
    }
    for (const s in look.scores) look.scores[s] *= 0.8;
    look.scores[next] = (look.scores[next] ?? 0) + 1;
    if (look.scores[next] > 1.4 * (look.scores[look.state] ?? 0)) show();
    return false;
  }

  // Every node that has not ended of itself has ended with the lab.
  end() {
    for (const look of this.looks) if (!DEAD.has(look.state)) look.state = "stopped";
  }

  breakUp(faults) {
    const before = this.broken;
    this.faults = faults;
    this.broken = new Set(faults.flatMap(([, , , nodes]) => nodes));
    this.cut = new Set(faults.flatMap(([, , , , links]) => links));
    for (const i of [...before, ...this.broken]) this.stale.add(this.fold.itemOf[i]);
  }
}
