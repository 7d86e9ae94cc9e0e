// Of a long table, the rows near those in sight: each row on the page costs with every figure that changes in any other.

const WHOLE = 120; // rows of a table that is on the page as a whole
const AHEAD = 12; // rows above and below those in sight

class Sight {
  // The rows are told by `lay`: {row, stays}, where one that stays is always on the page, as what the keyboard goes to.
  // `show` hears of each one that has come onto the page.
  constructor(panel, table, body, show) {
    Object.assign(this, { panel, table, body, show });
    this.rows = [];
    this.first = this.last = 0; // which are on the page: from the first to before the last
    this.scrolled = 0;
    this.high = 330;
    this.each = 26; // pixels
    this.move = this.move.bind(this);
    panel.addEventListener("scroll", () => { this.scrolled = panel.scrollTop; FRAMES.ask(this.move); }, { passive: true });
    // To ask for these at any other time would cost a layout.
    this.sizes = new ResizeObserver(() => {
      const row = body.querySelector("tr:not(.zlab-gap)");
      this.high = panel.clientHeight;
      this.each = row?.getBoundingClientRect().height || this.each;
      FRAMES.ask(this.move);
    });
    for (const element of [panel, table]) this.sizes.observe(element);
  }

  lay(rows) {
    this.rows = rows;
    const part = rows.length > WHOLE;
    if (part) this.table.setAttribute("aria-rowcount", rows.length + 1);
    else this.table.removeAttribute("aria-rowcount");
    rows.forEach(({ row }, i) => {
      if (part) row.setAttribute("aria-rowindex", i + 2);
      else row.removeAttribute("aria-rowindex");
    });
    this.gap = 0; // all is laid anew
    this.put();
  }

  // Those in sight, and so many around them: from, to.
  near(around) {
    const { rows: { length }, scrolled, high, each } = this;
    return [Math.max(0, Math.floor(scrolled / each) - around), Math.min(length, Math.ceil((scrolled + high) / each) + around)];
  }

  seen() {
    const [from, to] = this.near(1);
    return this.rows.slice(from, to);
  }

  move() {
    const [from, to] = this.near(2);
    if (this.rows.length > WHOLE && (from < this.first || to > this.last || this.gap !== this.each)) this.put();
    for (const one of this.seen()) this.show(one);
  }

  put() {
    const { rows, body, each } = this, held = document.activeElement, whole = rows.length <= WHOLE;
    [this.first, this.last] = whole ? [0, rows.length] : this.near(AHEAD);
    this.gap = each;
    const laid = [];
    let away = 0;
    const leave = () => {
      if (away) laid.push(make("tr.zlab-gap", { "aria-hidden": "true" }, make("td", { colSpan: this.table.rows[0].cells.length, style: `height: ${away * each}px` })));
      away = 0;
    };
    rows.forEach(({ row, stays }, i) => {
      if ((i < this.first || i >= this.last) && !stays && !row.contains(held)) return void away++;
      leave();
      laid.push(row);
    });
    leave();
    body.replaceChildren(...laid);
    if (held !== document.activeElement && body.contains(held)) held.focus({ preventScroll: true });
  }

  // Scroll the table, not the page, until a row is in sight.
  reveal(i) {
    const { panel, each, scrolled, high } = this, top = i * each;
    if (top < scrolled || top + 2 * each > scrolled + high) panel.scrollTop = top - 8; // the head lies over the first
  }

  dispose() {
    this.sizes.disconnect();
    FRAMES.forget(this.move);
  }
}
