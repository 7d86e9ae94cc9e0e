// Which stretch of time a sequence diagram shows: true time or order, followed or held, and how much of it.

const FITS = 40; // hops that the automatic zoom shows
const CALM = 0.4; // seconds that are in sight at least while the picture moves
const STEP = 22; // pixels from one moment to the next, in order
const SPANS = [1e-6, 600]; // seconds from top to bottom
const STEPS = [3, 80];

class Stretch {
  constructor(arrows, still) {
    this.arrows = arrows;
    this.still = still; // whether motion is reduced: {matches}
    this.moments = new Moments();
    this.events = []; // of the lab
    this.width = this.height = 0;
    this.nodes = 0;
    this.scale = "time";
    this.following = this.auto = true;
    this.perSecond = 100;
    this.perMoment = STEP;
    this.top = 0; // seconds, or moments
    this.panX = 0;
    this.at = this.heardAt = this.latest = 0;
    this.lag = 0.13;
    this.state = "";
    this.lost = false;
  }

  get head() { return headOf(this.nodes, this.width); }

  get inside() { return this.height - this.head - BOTTOM; }

  get zoom() { return this.scale === "time" ? this.perSecond : this.perMoment; }

  // Seconds from top to bottom.
  get seconds() { return this.inside / this.perSecond; }

  // Whether the playhead has been moved.
  get past() { return this.at < this.latest - 0.05; }

  // Whether it scrolls of itself.
  get moves() { return this.following && this.state === "running" && !this.past && !this.lost && this.scale === "time" && !this.still.matches; }

  get first() { return this.arrows.count ? this.arrows.sent[0] : 0; }

  placeOf(t) { return this.scale === "time" ? t : this.moments.rank(t); }

  momentOf(u) { return this.scale === "time" ? u : this.moments.at(u); }

  // Where a moment is on the stage, in pixels.
  y(t) { return this.head + (this.placeOf(t) - this.top) * this.zoom; }

  sortAll() {
    this.moments.count = 0;
    const all = this.events.map(([t]) => t), { arrows } = this;
    for (let i = 0; i < arrows.count; i++) all.push(arrows.sent[i], arrows.received[i]);
    this.moments.add(all);
  }

  // Take in when something happened.
  //   again: whether all is to be sorted again; content: what Python says of the lab.
  hear(fresh, again, content) {
    if (this.scale === "order") {
      const held = this.following ? null : [this.moments.at(this.top), this.top % 1]; // what comes late may come in above
      if (again) this.sortAll();
      else this.moments.add(fresh);
      if (held) this.top = this.moments.rank(held[0]) + held[1];
    }
    let newest = 0;
    for (const t of fresh) if (t > newest) newest = t;
    this.latest = Math.max(this.latest, newest);
    if (newest && content.shown && !content.again) this.lag = content.at - newest > 0.18 ? 0.36 : 0.13; // of what is traced in full, more is held back
    this.at = content.at;
    this.state = content.state;
    this.heardAt = performance.now();
  }

  // Where the picture ends while it follows.
  edge() {
    if (this.scale === "order") return this.past ? this.moments.rank(this.at) : this.moments.count + 0.5;
    if (this.past) return this.at;
    if (this.state !== "running" || this.lost) return this.latest + 0.04 * this.seconds;
    return this.at - this.lag + (this.still.matches ? 0 : Math.min(0.15, (performance.now() - this.heardAt) / 1000));
  }

  // The last messages, as many as can be told apart; in round steps, so that the picture is calm.
  fitLast() {
    const { arrows } = this;
    if (this.scale === "order" || !arrows.count) return;
    let i = arrows.count - 1, left = FITS, first = NaN;
    const end = this.past ? this.at : this.latest, live = this.following && this.state === "running" && !this.past && !this.lost;
    for (; i >= 0 && left; i--) if (arrows.sent[i] <= end) { first = arrows.sent[i]; left--; }
    if (first !== first) return;
    const needed = 1.08 * Math.max(live ? CALM : 2e-5, (live ? this.edge() : end) - first);
    if (this.seconds >= 0.75 * needed && this.seconds <= 2.8 * needed && live) return;
    const power = 10 ** Math.floor(Math.log10(needed));
    const span = live ? [1, 2, 5, 10].map((n) => n * power).find((s) => s >= needed * 0.999) : needed;
    this.perSecond = this.inside / Math.min(SPANS[1], span);
  }

  // Bring up to date what follows of itself.
  keepUp() {
    if (this.auto && (this.following || this.past)) this.fitLast();
    if (this.following) this.top = this.edge() - this.inside / this.zoom;
    this.panX = boundedPan(this.nodes, this.width, this.panX);
  }

  zoomBy(factor, y = this.following ? this.height - BOTTOM : this.head + this.inside / 2) {
    const u = this.top + (y - this.head) / this.zoom, { inside } = this;
    if (this.scale === "time") this.perSecond = Math.min(inside / SPANS[0], Math.max(inside / Math.max(1, 1.3 * (this.latest - this.first)), this.perSecond * factor));
    else this.perMoment = Math.min(STEPS[1], Math.max(STEPS[0], this.perMoment * factor));
    this.top = u - (y - this.head) / this.zoom;
    this.auto = false;
  }

  automatic() {
    this.auto = true;
    this.perMoment = STEP;
  }

  follow(on) {
    this.following = on;
    if (on || !this.auto || this.scale !== "time") return;
    this.fitLast();
    this.top = (this.past ? this.at : this.latest) - 0.96 * this.seconds;
  }

  setScale(to) {
    if (to === this.scale) return;
    const middle = this.momentOf(this.top + this.inside / 2 / this.zoom);
    this.scale = to;
    if (to === "order") this.sortAll();
    if (!this.following) this.top = this.placeOf(middle) - this.inside / 2 / this.zoom;
  }

  panBy(dx, dy) {
    if (dy) {
      const sight = this.inside / this.zoom, first = this.arrows.count ? this.placeOf(this.first) : 0;
      this.top = Math.min(this.edge() - 0.1 * sight, Math.max(first - 0.9 * sight, this.top - dy / this.zoom));
    }
    this.panX += dx;
  }

  // All of what happened from one moment to another, from top to bottom.
  show(first, last) {
    this.auto = false;
    const from = this.placeOf(first), span = 1.5 * Math.max(this.placeOf(last) - from, this.scale === "time" ? 20e-6 : 4);
    if (this.scale === "time") this.perSecond = this.inside / span;
    else this.perMoment = Math.min(STEPS[1], Math.max(STEPS[0], this.inside / span));
    this.top = from - 0.25 * this.inside / this.zoom;
  }

  resize(width, height) {
    const before = this.height && this.inside;
    [this.width, this.height] = [width, height];
    if (before) this.perSecond *= this.inside / before;
  }

  // As `inSight` and `drawSequence` are told it.
  view() {
    const { width, height, head, scale, zoom, top, panX, moments, inside } = this;
    return { width, height, head, scale, zoom, top, panX, moments, limit: this.past ? this.at : Infinity,
      from: this.momentOf(top - 20 / zoom), to: this.momentOf(top + (inside + BOTTOM) / zoom + 1), place: (t) => this.placeOf(t) };
  }
}
