// Where the picture is: which part of the graph the stage shows, and how large.

const ZOOM = [0.05, 4];
const ROOM = 16, SIDES = 26; // around the graph
const LOW = 212, MODEST = 252, HIGH = 540; // heights of a stage

class Camera {
  constructor() {
    this.scale = 1;
    this.x = this.y = 0;
    this.width = this.height = this.low = 0; // of the stage; `low` is without names above and beneath the graph
    this.most = 1.25; // of a graph that has room
    this.fitted = true; // until a person moves it
  }

  // From the graph's units to a canvas of so many pixels for each of the page's.
  apply(context, dpr) {
    const s = dpr * this.scale;
    context.setTransform(s, 0, 0, s, dpr * this.x, dpr * this.y);
  }

  world(x, y) { return [(x - this.x) / this.scale, (y - this.y) / this.scale]; }

  // A box as it lies on the stage.
  place({ x, y, w, h }) {
    const s = this.scale;
    return { left: this.x + (x - w / 2) * s, right: this.x + (x + w / 2) * s, top: this.y + (y - h / 2) * s, width: w * s, height: h * s };
  }

  // How high a stage of this width must be for a graph.
  //   larger: whether it is drawn for the last row.
  room(b, width, larger) {
    this.most = larger ? 1.9 : 1.25;
    const scale = Math.min(this.most, (width - 2 * SIDES) / (b.right - b.left)), tall = b.bottom - b.top;
    // A small graph leaves the page its room: it grows beyond its own size only as far as a low stage lets it.
    const own = Math.min(larger ? this.most : 1, scale) * tall + 2 * ROOM, most = larger ? Math.max(HIGH, 0.8 * window.innerHeight) : HIGH;
    return Math.round(Math.min(most, Math.max(LOW, own, Math.min(scale * tall + 2 * ROOM, MODEST))));
  }

  fit(b) {
    this.scale = Math.min(this.most, (this.width - 2 * SIDES) / (b.right - b.left), (this.height - 2 * ROOM) / (b.bottom - b.top));
    this.x = this.width / 2 - this.scale * (b.left + b.right) / 2;
    this.y = this.height / 2 - this.scale * (b.top + b.bottom) / 2;
    this.fitted = true;
  }

  zoom(factor, b, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(ZOOM[1], Math.max(ZOOM[0], this.scale * factor));
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.keep(b);
  }

  pan(dx, dy, b) {
    this.x += dx;
    this.y += dy;
    this.keep(b);
  }

  // Some of the graph is always in sight.
  keep(b) {
    const s = this.scale, edge = 60;
    this.fitted = false;
    this.x = Math.max(edge - b.right * s, Math.min(this.width - edge - b.left * s, this.x));
    this.y = Math.max(edge - b.bottom * s, Math.min(this.height - edge - b.top * s, this.y));
  }
}
