// The layers of the picture: lanes, cards and queues, each drawn again when it has changed, above them what moves.

const LAYERS = ["lanes", "cards", "queues", "motion"];

class Layers {
  constructor(scene, camera) {
    this.scene = scene;
    this.camera = camera;
    this.canvases = LAYERS.map((name) => make(`canvas.zlab-${name}`));
    [this.onLanes, this.onCards, this.onQueues, this.onMotion] = this.canvases.map((canvas) => canvas.getContext("2d"));
    this.style = null;
    this.dpr = 1;
    this.dirty = this.queuesDirty = true;
    this.calm = false; // rates stand in the place of what would move
    this.drawn = null; // the dots, for a size and a page
    this.drawnKey = "";
  }

  get surface() { return this.canvases[3]; }

  resize(width, height, dpr) {
    this.dpr = dpr;
    for (const canvas of this.canvases) {
      canvas.width = width * dpr;
      canvas.height = height * dpr;
    }
    this.dirty = true;
  }

  clean(context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    this.camera.apply(context, this.dpr);
  }

  // All that does not move, as far as it has changed.
  //   lit: what is pointed at or followed, {links, nodes}, or null.
  drawStill(lit) {
    const { scene, camera: { scale }, style } = this, { fold, lanes, stale } = scene;
    if (this.dirty) {
      scene.nameEndpoints(style, scale);
      this.clean(this.onLanes);
      for (const frame of fold.frames) drawFrame(this.onLanes, frame, style);
      drawLanes(this.onLanes, fold, lanes, style, lit, scale);
      drawEndpoints(this.onLanes, scene.names, style, scale);
      this.drawCards(lit);
      this.dirty = false;
      this.queuesDirty = true;
    } else if (stale.size > 0.4 * fold.nodes.length) this.drawCards(lit);
    else for (const i of stale) this.drawAgain(i, lit);
    if (!this.queuesDirty) return;
    this.queuesDirty = false;
    this.drawQueues();
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

  // One card, within its edges; cards that a person put over each other are drawn together.
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
  }

  drawQueues() {
    const { onQueues, style, camera: { scale }, scene: { fold, lanes, sums, cut } } = this;
    this.clean(onQueues);
    lanes.forEach((lane, i) => {
      drawQueue(onQueues, lane, sums[i].queued, sums[i].capacity, style, scale);
      const { links } = fold.links[i];
      if (links.length > 1) drawSum(onQueues, lane, links.length, sums[i], style, scale);
      else if (this.calm && sums[i].rate > 0 && scale > 0.4) drawRate(onQueues, lane, sums[i].rate, style, scale);
      if (cut.size && links.some((one) => cut.has(one))) drawBolt(onQueues, lane.points[20], lane.points[21], 8, style);
    });
  }

  // What is in the air at this moment of the picture's clock; says how many there are.
  drawMotion({ flights, clock }) {
    const { onMotion, camera, dpr, style, scene } = this;
    if (this.calm) {
      flights.count = 0;
      flights.blank = false;
      this.clean(onMotion);
      return 0;
    }
    const radius = Math.max(3.6 * camera.scale, 0.24 * style.least) * dpr, key = radius.toFixed(1) + style.page;
    if (key !== this.drawnKey) {
      this.drawnKey = key;
      this.drawn = marks(style.kinds, style.page, radius);
      flights.blank = false;
    }
    return flights.draw(onMotion, clock, scene.lanes, scene.fold.bundleOf, this.drawn, { scale: dpr * camera.scale, x: dpr * camera.x, y: dpr * camera.y });
  }
}
