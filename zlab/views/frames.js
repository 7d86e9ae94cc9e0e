// One clock for all views of a page: they draw in the same frame, take turns where that would be too much for one, and
// write their words together, for each time that a text changes the whole page is laid out.

const BUDGET = 7; // milliseconds of a frame that views may draw; at least one of them does
const READ = 250; // milliseconds between two changes of what is read: nobody reads faster

class Frames {
  constructor() {
    this.waiting = new Map(); // a view's own function to the time of the frame in which it last drew
    this.drawn = new WeakMap();
    this.words = new Set();
    this.written = 0;
    this.frame = 0;
    this.timer = 0;
  }

  // Have a function called in the next frame that has time for it, with the frame's time in milliseconds.
  ask(draw) {
    this.waiting.set(draw, this.drawn.get(draw) ?? 0);
    this.soon();
  }

  forget(draw) { this.waiting.delete(draw); }

  // Have words written, in the order in which they came, a few times a second.
  write(act) {
    this.words.add(act);
    if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; this.soon(); }, Math.max(0, this.written + READ - performance.now()));
  }

  soon() {
    this.frame ||= requestAnimationFrame((time) => this.run(time));
  }

  run(time) {
    this.frame = 0;
    const began = performance.now();
    if (!this.timer && this.words.size) this.writeAll(began);
    const turn = [...this.waiting].sort(([, a], [, b]) => a - b); // who has waited longest comes first
    for (const [draw] of turn) {
      this.waiting.delete(draw);
      this.drawn.set(draw, time);
      attempt(() => draw(time));
      if (performance.now() - began > BUDGET) break;
    }
    if (this.waiting.size) this.soon();
  }

  writeAll(now) {
    this.written = now;
    const { words } = this;
    this.words = new Set();
    for (const act of words) attempt(act);
  }
}

// A view that fails takes no other with it, and does not fail silently.
function attempt(act) {
  try {
    act();
  } catch (error) {
    reportError(error);
  }
}

// All views are modules of their own: they find the page's clock here.
const FRAMES = (globalThis.zlabFrames ??= new Frames());
