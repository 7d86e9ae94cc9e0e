// The event log, the newest first. How connections come about is many events, of which none matters where all is well:
// those of a moment are one line, which opens.

const KEPT = 300;
const CONNECTING = new Set(["bind", "connect", "accept", "handshake", "subscribe", "disconnect"]);
const FEW = 3; // of a moment, that have a line each
const MOMENT = 1; // seconds

function render({ model, el, signal }) {
  const list = make("ol.zlab-events", { "aria-label": "Events, the newest first", tabIndex: 0 });
  el.append(make("div.zlab-panel.zlab-log", {}, make("div.zlab-heading", {}, "Events"), list));

  function entry([at, kind, where, detail]) {
    const error = kind === "error";
    const lines = detail.trim().split("\n");
    const row = make(error ? "li.zlab-error" : "li", {},
      make("time", {}, at.toFixed(2)), make(`b.zlab-sign-${kind.replace(" ", "-")}`, {}, kind), make("span", {}, where));
    if (lines.length > 1) row.append(make("details", {}, make("summary", {}, lines[lines.length - 1]), make("pre", {}, detail.trim())));
    else row.append(make("span.zlab-soft", { title: detail }, detail));
    return row;
  }

  function entries(events) {
    const lines = [];
    let run = [];
    const close = () => {
      lines.push(...(run.length > FEW ? [together(run)] : run.map(entry)));
      run = [];
    };
    for (const event of events) {
      const joins = CONNECTING.has(event[1]);
      if (run.length && !(joins && event[0] - run[0][0] < MOMENT)) close();
      if (joins) run.push(event);
      else lines.push(entry(event));
    }
    close();
    return lines;
  }

  function together(run) {
    const counts = {};
    for (const [, kind] of run) counts[kind] = (counts[kind] ?? 0) + 1;
    const all = make("ol.zlab-events", {}, ...run.map(entry).reverse());
    return make("li.zlab-run", {}, make("time", {}, run[run.length - 1][0].toFixed(2)), make("b", {}, "connections"),
      make("details", {}, make("summary", {}, make("span.zlab-soft", {}, reasons(counts))), all));
  }

  const wire = attach({ model, el, signal }, {
    calm: true,
    message(content, buffers) {
      const rows = entries(json(buffers[0]));
      if (content.left) rows.unshift(make("li.zlab-soft", {}, make("time"), `${count(content.left)} more events than are shown`));
      rows.reverse();
      const top = list.scrollTop < 8;
      if (content.again) list.replaceChildren(...rows);
      else list.prepend(...rows);
      while (list.children.length > KEPT) list.lastChild.remove();
      if (top) list.scrollTop = 0;
    },
  });
  return () => wire.dispose();
}

export default { render };
