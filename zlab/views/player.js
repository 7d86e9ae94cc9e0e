// Plays the batches: the picture's own clock, and which messages are on their way by it.

class Player {
  constructor(scene) {
    this.scene = scene;
    this.flights = new Flights(scene.graph);
    this.state = "running"; // of the lab
    this.clock = 0; // seconds
    this.before = 0; // when the last frame was, while something moves
    this.batchAt = null; // the lab's time of the last batch
    this.held = false;
    this.stepping = false;
    this.shown = this.passed = 0; // messages, over the last seconds
  }

  // Whether there is something to animate.
  get moves() { return this.flights.count > 0 && !this.held && (this.state !== "paused" || this.stepping); }

  // How many messages have passed for one that is shown.
  get ratio() { return this.shown > 0.5 ? Math.max(1, this.passed / this.shown) : 1; }

  reset() {
    this.flights.reset();
    this.batchAt = null;
    this.before = 0;
  }

  rest() { this.before = 0; }

  // Take one batch in, as `unpack` gives it.
  take(content, { sent, received, link, kind }) {
    const { flights, clock, batchAt } = this, { bundleOf } = this.scene.fold;
    const { at, of, shown: F, speed } = content, past = Boolean(content.past), full = past || content.t === "full", pace = content.pace || 1;
    this.held = past && !content.pace; // a moment of the past that stands: its messages stand where they were seen
    const span = full || batchAt === null ? 0.1 : Math.min(1, Math.max(0, (at - batchAt) / pace));
    if (pace !== 1) for (let i = 0; i < F; i++) { sent[i] /= pace; received[i] /= pace; }
    if (batchAt !== null && !full) flights.shift((at - batchAt) / pace);
    if (full) flights.reset();
    this.batchAt = at;
    if (content.state === "paused" && this.state === "paused" && F) this.stepping = true;
    this.state = content.state;
    const seen = !F ? 0
      : past ? flights.add(clock - content.covers, content.covers, sent, received, link, kind, speed, false, bundleOf)
        : flights.add(clock, span, sent, received, link, kind, speed, of > 1.3 * F + 2, bundleOf);
    this.shown = 0.9 * this.shown + seen;
    this.passed = 0.9 * this.passed + of;
  }

  // Go on to the time of a frame, in milliseconds.
  advance(time) {
    const step = this.before ? Math.min(0.1, (time - this.before) / 1000) : 0;
    this.before = time;
    if (!this.held && (this.state !== "paused" || this.stepping)) this.clock += step;
  }

  // Once it is drawn: a step is over when all has arrived.
  settle() {
    if (this.stepping && !this.flights.count) this.stepping = false;
  }
}
