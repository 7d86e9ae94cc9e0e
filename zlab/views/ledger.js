// The ledger: a row for each link; only what has changed is written.

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

function render({ model, el, signal }) {
  const body = make("tbody");
  const rows = model.get("links").map(([sender, receiver]) => {
    const name = make("th.zlab-link", { scope: "row", title: `${sender} → ${receiver}` }, make("span.zlab-kinds"), ...half(sender), make("i", {}, "→"), ...half(receiver));
    const cells = COLUMNS.slice(1).map(() => make("td"));
    body.append(make("tr", {}, name, ...cells));
    return Object.assign(cells, { dots: name.firstChild, kinds: "" });
  });
  const head = make("tr", {}, ...COLUMNS.map(([name, title]) => make("th", { scope: "col", title }, name)));
  const table = make("table", { "aria-label": "Ledger" }, make("thead", {}, head), body);
  // Where the nodes alone tell the links apart, a narrow ledger leaves the sockets' names out.
  const pairs = new Set(model.get("links").map((ends) => ends.map((end) => end.slice(0, end.lastIndexOf("."))).join(" ")));
  table.classList.toggle("zlab-plain", pairs.size === rows.length);
  el.append(make("div.zlab-panel.zlab-ledger", {}, table));

  function half(socket) {
    const dot = socket.lastIndexOf(".");
    return [socket.slice(0, dot), make("span.zlab-soft", {}, socket.slice(dot))];
  }

  // A column that has once been wide stays so: figures that come and go do not push the others about.
  const wide = COLUMNS.map(() => 0);
  function hold() {
    wide.forEach((most, i) => {
      const longest = i ? Math.max(0, ...rows.map((cells) => cells[i - 1].textContent.length)) : 0;
      if (longest > Math.max(most, 5)) {
        wide[i] = longest;
        head.children[i].style.minWidth = 1.06 * longest + "ch"; // its letters are smaller than the figures
      }
    });
  }

  function put(cell, text, look = "", title = "") {
    write(cell, text);
    if (cell.className !== look) cell.className = look;
    if (cell.title !== title) cell.title = title;
  }

  const sum = (why) => Object.values(why).reduce((a, b) => a + b, 0);
  const wire = attach({ model, el, signal }, {
    message(content, buffers) {
      json(buffers[0]).forEach((row, i) => {
        const [expected, delivered, queued, dropped, lost, unaccounted, flow, p50, p99, uncertain, capacity, filtered, kinds] = row;
        const cells = rows[i];
        if (cells.kinds !== String(kinds)) { // the colours that its messages have in the other views
          cells.kinds = String(kinds);
          cells.dots.replaceChildren(...kinds.slice(0, 4).map((kind) => mark(kind)));
          cells.dots.title = kinds.map((kind) => content.kinds[kind] || "(empty)").join(", ");
        }
        const about = uncertain ? ` ±${count(uncertain)}` : "";
        put(cells[0], count(expected) + about, "", filtered ? `and ${count(filtered)} filtered: not subscribed to` : "");
        put(cells[1], count(delivered));
        put(cells[2], count(queued), capacity && queued >= 0.95 * capacity ? "zlab-warm" : queued ? "" : "zlab-calm",
          capacity ? `of ${count(capacity)}` : "no limit");
        put(cells[3], sum(dropped) ? `${count(sum(dropped))}` : "0", sum(dropped) ? "zlab-warm" : "zlab-calm", reasons(dropped));
        put(cells[4], sum(lost) ? `${count(sum(lost))}` : "0", sum(lost) ? "zlab-warm" : "zlab-calm", reasons(lost));
        put(cells[5], unaccounted ? count(unaccounted) : "0 ✓", unaccounted ? "zlab-loud" : "zlab-good");
        put(cells[6], rate(flow), flow ? "" : "zlab-calm");
        put(cells[7], p50 === null ? "–" : seconds(p50), p50 === null ? "zlab-calm" : "");
        put(cells[8], p99 === null ? "–" : seconds(p99), p99 === null ? "zlab-calm" : "");
      });
      hold();
    },
    lost() { el.classList.add("zlab-lost"); },
  });
  return () => wire.dispose();
}

export default { render };
