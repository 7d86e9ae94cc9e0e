// The arrows that the browser holds: columns of numbers, the oldest let go when there are too many.

const MOST = 200000; // arrows
const LET_GO = 50000; // at once, when there is no more room
const NOBODY = 0xffff;
const UNDER_WAY = 0, DELIVERED = 1; // as Python numbers fates
const COLUMNS = [["sent", Float64Array], ["received", Float64Array], ["message", Uint32Array], ["size", Uint32Array], ["hop", Uint16Array],
  ["sender", Uint16Array], ["receiver", Uint16Array], ["fate", Uint16Array], ["kind", Uint8Array], ["ambiguous", Uint8Array]];

class Arrows {
  constructor(most = MOST, letGo = LET_GO) {
    this.most = most;
    this.letGo = letGo;
    this.count = 0;
    this.end = 0; // the number that follows the last one
    this.dropped = 0; // that were let go here
    this.gaps = []; // {missing, time}: hops that have not come here, between others
    this.said = [];
    this.number = new Float64Array(most); // ascending
    this.found = new Uint8Array(most);
    for (const [name, type] of COLUMNS) this[name] = new type(most);
  }

  place(number) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.number[middle] < number) low = middle + 1;
      else high = middle;
    }
    return low < this.count && this.number[low] === number ? low : -1;
  }

  // Take a batch in; returns the place of the first that is new.
  add({ first, shown, again }, buffer, said) {
    const bytes = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
    const batch = {};
    let at = 0;
    for (const [name, type] of COLUMNS) {
      batch[name] = new type(bytes, at, shown);
      at += shown * type.BYTES_PER_ELEMENT;
    }
    if (again && this.gaps.length) this.clear(first); // what was passed over comes now
    if (shown && this.count && first > this.end) this.gaps.push({ missing: first - this.end, time: batch.sent[0] });
    let from = this.count;
    for (let k = 0; k < shown; k++) {
      const number = first + k;
      if (number < this.end) { // known, or let go long ago: only what has become of it is news
        const i = this.place(number);
        if (i < 0) continue;
        if (batch.fate[k] !== UNDER_WAY) for (const name of ["received", "fate", "receiver", "kind"]) this[name][i] = batch[name][k];
        this.said[i] ||= said[k];
        continue;
      }
      if (this.count === this.most) {
        this.forget(this.letGo);
        from = Math.max(0, from - this.letGo);
      }
      const i = this.count++;
      for (const [name] of COLUMNS) this[name][i] = batch[name][k];
      this.number[i] = number;
      this.said[i] = said[k];
      this.found[i] = 0;
      this.end = number + 1;
    }
    return from;
  }

  clear(end) {
    for (let i = 0; i < this.count && this.number[i] < end; i++) this.dropped++;
    this.count = this.said.length = 0;
    this.gaps = [];
    this.end = end;
  }

  forget(n) {
    for (const name of ["number", "found", ...COLUMNS.map(([column]) => column)]) this[name].copyWithin(0, n, this.count);
    this.said.splice(0, n);
    this.count -= n;
    this.dropped += n;
    for (const gap of this.gaps) if (gap.time < this.sent[0]) this.dropped += gap.missing;
    this.gaps = this.gaps.filter((gap) => gap.time >= this.sent[0]);
  }

  // What has become of arrows that were under way; returns when they arrived.
  change(changed, buffer) {
    const bytes = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
    const received = new Float64Array(bytes, 0, changed), number = new Uint32Array(bytes, 8 * changed, changed);
    const receiver = new Uint16Array(bytes, 12 * changed, changed), fate = new Uint16Array(bytes, 14 * changed, changed);
    const kind = new Uint8Array(bytes, 16 * changed, changed); // a ROUTER may send both requests and replies
    const arrivals = [];
    for (let k = 0; k < changed; k++) {
      const i = this.place(number[k]);
      if (i < 0) continue;
      this.received[i] = received[k];
      this.fate[i] = fate[k];
      this.kind[i] = kind[k];
      if (receiver[k] !== NOBODY) this.receiver[i] = receiver[k];
      if (received[k] === received[k]) arrivals.push(received[k]);
    }
    return arrivals;
  }

  // All hops of a message, in the order in which they were sent.
  journey(message) {
    const places = [];
    for (let i = 0; i < this.count; i++) if (this.message[i] === message) places.push(i);
    return places;
  }
}

// Moments in their order, without those that are the same: what stands at even distances is their rank.
class Moments {
  constructor() { this.times = new Float64Array(1024); this.count = 0; }

  add(values) {
    const fresh = Float64Array.from(values.filter((t) => t === t)).sort();
    if (!fresh.length) return;
    const from = this.rank(fresh[0]);
    const tail = new Float64Array(this.count - from + fresh.length);
    tail.set(this.times.subarray(from, this.count));
    tail.set(fresh, this.count - from);
    tail.sort(); // nearly all come at the end: the tail is short
    if (from + tail.length > this.times.length) {
      const more = new Float64Array(2 * (from + tail.length));
      more.set(this.times.subarray(0, from));
      this.times = more;
    }
    let n = from;
    for (const t of tail) if (n === from || t !== this.times[n - 1]) this.times[n++] = t;
    this.count = n;
  }

  // How many moments are before this one.
  rank(time) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(rank) {
    if (!this.count) return 0;
    const i = Math.floor(rank);
    if (i < 0) return this.times[0] + (i - 1) * 1e-9;
    return i < this.count ? this.times[i] : this.times[this.count - 1] + 1e-9 * (i - this.count + 1);
  }
}
