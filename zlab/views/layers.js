// The picture in layers: lanes and cards are drawn again when they change, queues are laid over them, and what moves is
// written into a copy of all that. The page gets one picture: a browser that draws in software copies every canvas that
// it shows, for every frame.

const PATCHES = 24; // places in which the ground is mended; where there are more, it is laid anew
const SEEN = 3; // figures of a lane that are drawn: queue, capacity, rate

class Layers {
  constructor(scene, camera) {
    this.scene = scene;
    this.camera = camera;
    this.canvas = make("canvas.zlab-picture");
    this.onPicture = this.canvas.getContext("2d", { alpha: false });
    // These are read, and never shown.
    const hidden = (alpha) => make("canvas").getContext("2d", { alpha, willReadFrequently: true });
    [this.onLanes, this.onCards, this.onGround] = [hidden(true), hidden(true), hidden(false)];
    this.style = null;
    this.dpr = 1;
    this.dirty = this.queuesDirty = true;
    this.stale = new Set(); // the items whose cards tell what is no longer so
    this.laid = -Infinity; // when all of the ground was laid anew, in milliseconds, if that was the last that was done
    this.calm = false; // rates stand in the place of what would move
    this.told = new Float64Array(0); // what the ground shows of each lane
    this.places = new Int32Array(0); // and where: left, top, right and bottom, in pixels
    this.cut = this.paused = null; // the links that are marked so
    this.drawn = null; // the dots, for a size and a page
    this.drawnKey = "";
    this.moved = false; // whether the picture shows something that moves
  }

  resize(width, height, dpr) {
    this.dpr = dpr;
    for (const { canvas } of [this.onPicture, this.onLanes, this.onCards, this.onGround]) {
      canvas.width = width * dpr;
      canvas.height = height * dpr;
    }
    this.image = new ImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.ground = new Uint32Array(this.pixels.length);
    this.dirty = true;
  }

  // Draw all at a moment of the player's clock; says how many messages are in the air.
  //   lit: what is pointed at or followed, {links, nodes}, or null.
  draw(lit, { flights, clock }) {
    const fresh = this.drawStill(lit), { scene, style, camera, dpr, canvas: { width, height } } = this;
    if (this.calm) flights.count = 0;
    if (!fresh && !this.moved && !flights.count) return 0;
    const radius = Math.max(3.6 * camera.scale, 0.24 * style.least) * dpr, key = radius.toFixed(1) + style.page;
    if (key !== this.drawnKey) {
      this.drawnKey = key;
      this.drawn = marks(style.kinds, style.page, radius);
    }
    this.pixels.set(this.ground);
    const flying = flights.count ? flights.draw(this.pixels, width, height, clock, this.tracks, scene.fold.bundleOf, this.drawn) : 0;
    this.onPicture.putImageData(this.image, 0, 0);
    this.moved = flying > 0;
    return flying;
  }

  // ---- what does not move -----------------------------------------------------------------------------------

  // Whether the ground tells what is no longer so.
  get behind() { return this.dirty || this.queuesDirty || this.stale.size > 0; }

  // Bring the ground up to date; says whether it has changed. Where that takes all of it, it is no more often than one
  // reads: what moves goes on meanwhile.
  drawStill(lit) {
    const { scene, camera, dpr, style, stale } = this, { fold, lanes } = scene, { scale } = camera;
    for (const i of scene.stale) stale.add(i);
    const now = performance.now();
    if (!this.behind || (!this.dirty && now - this.laid < READ)) return false;
    let patches = [];
    if (this.dirty) {
      scene.nameEndpoints(style, scale);
      this.clean(this.onLanes);
      for (const frame of fold.frames) drawFrame(this.onLanes, frame, style);
      drawLanes(this.onLanes, fold, lanes, style, lit, scale);
      drawEndpoints(this.onLanes, scene.names, style, scale);
      this.tracks = tracksOf(lanes, dpr * scale, dpr * camera.x, dpr * camera.y);
    }
    if (this.dirty || stale.size > PATCHES) {
      this.drawCards(lit);
      patches = null;
    } else for (const i of stale) patches.push(this.pixelsOf(this.drawAgain(i, lit)));
    if (this.dirty || this.cut !== scene.cut || this.paused !== scene.paused) {
      [this.cut, this.paused] = [scene.cut, scene.paused];
      this.told = new Float64Array(SEEN * lanes.length).fill(NaN);
      this.places = new Int32Array(lanes.flatMap((lane, i) => this.pixelsOf(queueBox(lane, style, scale, this.isTold(i), this.isCut(i), this.isPaused(i)))));
      patches = null;
    }
    const changed = this.changed();
    if (patches && patches.length + changed.length <= PATCHES) {
      for (const i of changed) patches.push(this.places.subarray(4 * i, 4 * i + 4));
      for (const patch of patches) this.lay(patch);
      this.laid = -Infinity;
    } else {
      this.lay([0, 0, this.canvas.width, this.canvas.height]);
      this.laid = this.dirty ? -Infinity : now; // what a hand does is seen at once
    }
    this.dirty = this.queuesDirty = false;
    stale.clear();
    return !patches || patches.length > 0;
  }

  clean(context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    this.camera.apply(context, this.dpr);
  }

  drawCards(lit) {
    const { fold, lanes } = this.scene;
    this.clean(this.onCards);
    fold.nodes.forEach((_, i) => this.drawItem(i, lit));
    drawPorts(this.onCards, fold, lanes, this.style, this.camera.scale);
  }

  drawItem(i, lit) {
    const { onCards, scene, style, camera: { scale } } = this, item = scene.fold.nodes[i], box = scene.boxes[i];
    if (item.group < 0) drawCard(onCards, item, i, box, scene.looks[item.node], style, scale, lit);
    else drawGroup(onCards, item, i, box, scene.states(item), scene.traffic(i), style, scale, lit);
    if (item.members.some((one) => scene.broken.has(one))) drawBolt(onCards, box.x + box.w / 2 - 12, box.y - box.h / 2 + 12, 8, style);
  }

  // One card, within its edges; cards that a person put over each other are drawn together. Says where that is.
  drawAgain(i, lit) {
    const { onCards, scene: { boxes, fold, lanes } } = this, { x, y, w, h } = boxes[i], m = 2.5;
    onCards.save();
    onCards.beginPath();
    onCards.rect(x - w / 2 - m, y - h / 2 - m, w + 2 * m, h + 2 * m);
    onCards.clip();
    onCards.clearRect(x - w / 2 - m, y - h / 2 - m, w + 2 * m, h + 2 * m);
    boxes.forEach((b, j) => {
      if (Math.abs(b.x - x) < (b.w + w) / 2 + m && Math.abs(b.y - y) < (b.h + h) / 2 + m) {
        this.drawItem(j, lit);
        drawPorts(onCards, fold, lanes, this.style, this.camera.scale, j);
      }
    });
    onCards.restore();
    return [x - w / 2 - m, y - h / 2 - m, x + w / 2 + m, y + h / 2 + m];
  }

  // ---- the ground: lanes, cards and queues together, as pixels -------------------------------------------------

  // Whether more than its queue is told of a lane, on the lane itself.
  isTold(i) { return this.calm || this.scene.fold.links[i].links.length > 1; }

  isPaused(i) { return this.paused.size > 0 && this.scene.fold.links[i].links.some((one) => this.paused.has(one)); }

  isCut(i) { return this.cut.size > 0 && this.scene.fold.links[i].links.some((one) => this.cut.has(one)); }

  // The lanes of which the ground shows something else than there is now.
  changed() {
    const { told, scene: { sums } } = this, lanes = [];
    sums.forEach(({ queued, capacity, rate }, i) => {
      const flow = this.isTold(i) ? rate : 0, k = SEEN * i;
      if (told[k] === queued && told[k + 1] === capacity && told[k + 2] === flow) return;
      told[k] = queued;
      told[k + 1] = capacity;
      told[k + 2] = flow;
      lanes.push(i);
    });
    return lanes;
  }

  // From the graph's units to whole pixels of the picture.
  pixelsOf([left, top, right, bottom]) {
    const { dpr, camera: { scale, x, y }, canvas: { width, height } } = this;
    return [Math.max(0, Math.floor(dpr * (x + left * scale))), Math.max(0, Math.floor(dpr * (y + top * scale))),
      Math.min(width, Math.ceil(dpr * (x + right * scale))), Math.min(height, Math.ceil(dpr * (y + bottom * scale)))];
  }

  // Lay a part of the ground anew.
  lay([x, y, right, bottom]) {
    const w = right - x, h = bottom - y;
    if (w <= 0 || h <= 0) return;
    const { onGround: g, canvas: { width, height }, ground } = this, all = w === width && h === height;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.save();
    if (!all) {
      g.beginPath();
      g.rect(x, y, w, h);
      g.clip();
    }
    g.fillStyle = this.style.page;
    g.fillRect(x, y, w, h);
    for (const { canvas } of [this.onLanes, this.onCards]) g.drawImage(canvas, x, y, w, h, x, y, w, h);
    this.camera.apply(g, this.dpr);
    this.drawQueues(g, x, y, right, bottom);
    g.restore();
    const drawn = new Uint32Array(g.getImageData(x, y, w, h).data.buffer);
    if (all) ground.set(drawn);
    else for (let row = 0; row < h; row++) ground.set(drawn.subarray(row * w, (row + 1) * w), (y + row) * width + x);
  }

  // The queues in a part of it, and what is told on the lanes there.
  drawQueues(g, left, top, right, bottom) {
    const { places, style, camera: { scale }, scene: { fold, lanes, sums } } = this;
    lanes.forEach((lane, i) => {
      const k = 4 * i;
      if (places[k] >= right || places[k + 1] >= bottom || places[k + 2] <= left || places[k + 3] <= top) return;
      drawQueue(g, lane, sums[i].queued, sums[i].capacity, style, scale);
      const { links } = fold.links[i];
      if (links.length > 1) drawSum(g, lane, links.length, sums[i], style, scale);
      else if (this.calm && sums[i].rate > 0 && scale > 0.4) drawRate(g, lane, sums[i].rate, style, scale);
      if (this.isPaused(i)) drawPause(g, lane.points[40], lane.points[41], 8, style);
      if (this.isCut(i)) drawBolt(g, lane.points[20], lane.points[21], 8, style);
    });
  }
}
