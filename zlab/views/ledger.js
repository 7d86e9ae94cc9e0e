// The ledger: a row for each link, or for many until their group is opened; only what has changed is written.

const COLUMNS = [
  ["link", "Sender and receiver"],
  ["expected", "Deliveries that the socket type promises for what was sent"],
  ["delivered", "The receiver's recv returned it"],
  ["queued", "Accepted, not yet received, both ends alive"],
  ["dropped", "Thrown away by ZeroMQ, with the reason"],
  ["lost", "Gone with a killed peer or a cut link"],
  ["unaccounted", "expected − delivered − queued − dropped − lost"],
  ["rate", "Messages per second, over the last second"],
  ["p50", "Half of the latencies are below"],
  ["p99", "All but one in a hundred latencies are below"],
];

const SHORT = 8; // rows up to which all of them are shown; of more, those of links that carry nothing take too much room
const SOON = 3000; // milliseconds in which a link may yet carry its first message
const SELDOM = 4; // one set of figures in so many is written into a row that is out of sight

function render({ model, el, signal }) {
  const body = make("tbody");
  const known = new Map(); // rows by what they are of, so that one that stays keeps its place, its figures and the keyboard
  let rows = [], lit = null, kindsNow = [], turn = 0;
  const head = make("tr", {}, ...COLUMNS.map(([name, title]) => make("th", { scope: "col", title }, name)));
  const rest = make("button.zlab-unfold", { type: "button", "aria-expanded": "false", title: "Nothing has been sent by them so far" }, make("b", { "aria-hidden": "true" }, "▸"), make("span.zlab-soft"));
  const foot = make("tfoot", { hidden: true }, make("tr", {}, make("th.zlab-link", { colSpan: COLUMNS.length, scope: "row" }, rest)));
  const table = make("table", { "aria-label": "Ledger" }, make("thead", {}, head), body, foot);
  const panel = make("div.zlab-panel.zlab-ledger", {}, table);
  el.append(panel);
  const sight = new Sight(panel, table, body, show);

  // A row is a link, or many of them until their group is opened, here or in the graph.
  function lay(told) {
    rows = told.map((row) => {
      const key = `${row.sender} ${row.receiver} ${row.part}`, cells = known.get(key) ?? fresh(row);
      known.set(key, cells);
      cells.links = row.links;
      cells.groups = row.groups;
      if (cells.unfolds) {
        cells.unfolds.setAttribute("aria-expanded", String(row.opened));
        write(cells.unfolds.firstChild, row.opened ? "▾" : "▸");
      }
      return cells;
    });
    seen = [];
    fold();
    // Where the nodes alone tell the links apart, a narrow ledger leaves the sockets' names out.
    const pairs = new Set(told.map(({ sender, receiver, part }) => `${node(sender)} ${node(receiver)} ${part}`));
    table.classList.toggle("zlab-plain", pairs.size === rows.length);
    light();
  }

  function fresh({ sender, receiver, links, groups, part }) {
    const cells = COLUMNS.slice(1).map(() => make("td")), dots = make("span.zlab-kinds");
    const name = [...half(sender), make("i", {}, "→"), ...half(receiver)];
    const th = make(`th.zlab-link${part ? ".zlab-part" : ""}`, { scope: "row", title: `${sender} → ${receiver}` });
    let unfolds = null;
    if (groups.length) {
      th.title += `: ${count(links.length)} links; click for each`;
      unfolds = make("button.zlab-unfold", { type: "button" }, make("b", { "aria-hidden": "true" }), dots, ...name, make("span.zlab-soft", {}, ` · ${count(links.length)}`));
      unfolds.addEventListener("click", () => toggle(cells));
      th.append(unfolds);
    } else th.append(dots, ...name);
    const row = make("tr", {}, th, ...cells);
    return Object.assign(cells, { row, dots, unfolds, stays: unfolds !== null, kinds: "", figures: null, carried: false });
  }

  // Rows of links that have carried nothing so far are one line, which opens.
  let soon = true, seen = [], silent = 0;
  const waiting = setTimeout(() => { soon = false; fold(); }, SOON);
  function fold() {
    const none = soon || rows.length <= SHORT ? [] : rows.filter((cells) => !cells.carried), all = none.length === rows.length;
    const open = rest.getAttribute("aria-expanded") === "true" || all || none.length < 2;
    const shown = open ? rows : rows.filter((cells) => cells.carried);
    if (shown.length !== seen.length || shown.some((cells, i) => cells !== seen[i])) {
      seen = shown;
      sight.lay(seen);
    }
    silent = all || none.length < 2 ? 0 : none.length;
    if (foot.hidden !== !silent) foot.hidden = !silent;
    write(rest.lastChild, `${count(silent)} links have carried nothing so far`);
  }
  rest.addEventListener("click", () => {
    const open = rest.getAttribute("aria-expanded") === "false";
    rest.setAttribute("aria-expanded", String(open));
    write(rest.firstChild, open ? "▾" : "▸");
    fold();
    for (const cells of sight.seen()) show(cells);
  });

  function toggle({ groups, unfolds }) {
    const on = unfolds.getAttribute("aria-expanded") === "false", others = model.get("opened").filter((name) => !groups.includes(name));
    model.set("opened", on ? [...others, ...groups] : others);
    model.save_changes();
  }

  // The journey of a message that is followed: the links by which it went.
  function light() {
    let first = -1;
    rows.forEach((cells) => {
      const { row, links } = cells, on = Boolean(lit && links.some((link) => lit.has(link)));
      row.classList.toggle("zlab-lit", on);
      if (on) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      if (on && first < 0) first = seen.indexOf(cells);
    });
    if (first >= 0) sight.reveal(first);
  }
  const unfollow = onFollow(el, (hops) => {
    if (hops === undefined) return; // it goes on
    lit = hops && linksOf(model.get("links"), hops);
    light();
  });

  function node(socket) { return socket.slice(0, socket.lastIndexOf(".")); }

  function half(socket) {
    const dot = socket.lastIndexOf(".");
    return [socket.slice(0, dot), make("span.zlab-soft", {}, socket.slice(dot))];
  }

  // A column that has once been wide stays so: figures that come and go do not push the others about.
  const wide = COLUMNS.map(() => 5);
  function put(cells, i, text, look = "", title = "") {
    const cell = cells[i];
    write(cell, text);
    if (cell.className !== look) cell.className = look;
    if (cell.title !== title) cell.title = title;
    if (text.length <= wide[i]) return;
    wide[i] = text.length;
    head.children[i + 1].style.minWidth = 1.06 * text.length + "ch"; // its letters are smaller than the figures
  }

  // Whether anything has been sent, or should have been: what has once been shown stays.
  function carries([expected, delivered, queued, dropped, lost, unaccounted]) {
    return Boolean(expected || delivered || queued || unaccounted || sum(dropped) || sum(lost));
  }
  const single = ({ links }) => (links.length > 1 ? "of several links it does not add up: open them" : "");
  const sum = (why) => Object.values(why).reduce((a, b) => a + b, 0);
  function show(cells) {
    if (!cells.figures) return;
    const [expected, delivered, queued, dropped, lost, unaccounted, flow, p50, p99, uncertain, capacity, filtered, kinds, proxied] = cells.figures;
    cells.figures = null;
    if (cells.kinds !== String(kinds)) { // the colours that its messages have in the other views
      cells.kinds = String(kinds);
      cells.dots.replaceChildren(...kinds.slice(0, 4).map((kind) => mark(kind)));
      cells.dots.title = kinds.map((kind) => kindsNow[kind] || "(empty)").join(", ");
    }
    const about = uncertain ? ` ±${count(uncertain)}` : "", never = sum(dropped), gone = sum(lost), latency = (p) => (p !== null ? seconds(p) : proxied ? "proxy" : "–");
    const why = proxied && p50 === null ? "zmq.proxy passes them on unseen: latency from end to end is told by lab.latency()" : single(cells);
    put(cells, 0, count(expected) + about, "", filtered ? `and ${count(filtered)} filtered: not subscribed to` : "");
    put(cells, 1, count(delivered));
    put(cells, 2, count(queued), capacity && queued >= 0.95 * capacity ? "zlab-warm" : queued ? "" : "zlab-calm",
      capacity ? `of ${count(capacity)}` : "no limit");
    put(cells, 3, count(never), never ? "zlab-warm" : "zlab-calm", reasons(dropped));
    put(cells, 4, count(gone), gone ? "zlab-warm" : "zlab-calm", reasons(lost));
    put(cells, 5, unaccounted ? count(unaccounted) : "0 ✓", unaccounted ? "zlab-loud" : "zlab-good");
    put(cells, 6, rate(flow), flow ? "" : "zlab-calm");
    put(cells, 7, latency(p50), p50 === null ? "zlab-calm" : "", why);
    put(cells, 8, latency(p99), p99 === null ? "zlab-calm" : "", why);
  }

  const wire = attach({ model, el, signal }, {
    calm: true,
    message(content, buffers) {
      if (buffers[1]) lay(json(buffers[1]));
      kindsNow = content.kinds;
      if (content.at > SOON / 1000) soon = false;
      let first = false;
      json(buffers[0]).forEach((figures, i) => {
        rows[i].figures = figures;
        if (!rows[i].carried && carries(figures)) { rows[i].carried = true; first = true; }
      });
      if (first || content.t === "full") fold();
      // Each text that changes costs a layout: a row out of sight is written now and then, and one that is not on the
      // page once it comes there.
      for (const cells of sight.seen()) show(cells);
      const share = content.t === "full" ? rows.length : Math.ceil(rows.length / SELDOM);
      for (let k = 0; k < share; k++) {
        turn = (turn + 1) % rows.length;
        if (rows[turn].row.isConnected) show(rows[turn]);
      }
    },
    lost() { el.classList.add("zlab-lost"); },
  });
  return () => {
    clearTimeout(waiting);
    unfollow();
    sight.dispose();
    wire.dispose();
  };
}

export default { render };
