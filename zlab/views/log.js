// The event log, the newest first.

const KEPT = 300;

function render({ model, el, signal }) {
  const list = make("ol.zlab-events", { "aria-label": "Events, the newest first", tabIndex: 0 });
  el.append(make("div.zlab-panel.zlab-log", {}, make("div.zlab-heading", {}, "Events"), list));

  function entry([at, kind, where, detail]) {
    const error = kind === "error";
    const lines = detail.trim().split("\n");
    const row = make(error ? "li.zlab-error" : "li", {},
      make("time", {}, at.toFixed(2)), make("b", {}, kind), make("span", {}, where));
    if (lines.length > 1) row.append(make("details", {}, make("summary", {}, lines[lines.length - 1]), make("pre", {}, detail.trim())));
    else row.append(make("span.zlab-soft", { title: detail }, detail));
    return row;
  }

  const wire = attach({ model, el, signal }, {
    calm: true,
    message(content, buffers) {
      const rows = json(buffers[0]).map(entry);
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
