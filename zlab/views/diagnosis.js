// The diagnosis: a line that opens to a list.

const SAID_AFTER = 1500; // milliseconds: what goes at once is not said

function render({ model, el, signal }) {
  const id = `zlab-found-${Math.random().toString(36).slice(2)}`;
  const sign = make("span.zlab-found-sign", { "aria-hidden": "true" });
  const number = make("span.zlab-found-number"), name = make("b"), where = make("span"), words = make("span.zlab-found-words");
  const remedy = make("span.zlab-found-remedy"), arrow = make("span.zlab-soft", { "aria-hidden": "true" });
  const line = make("button.zlab-found-line", { type: "button", "aria-expanded": "false", "aria-controls": id },
    sign, number, make("span.zlab-found-worst", {}, name, where), words, remedy, arrow);
  const list = make("ol.zlab-found-list", { id, hidden: true, "aria-label": "Mistakes that are seen, the worst first" });
  const spoken = make("div.zlab-spoken", { role: "status", "aria-live": "polite" });
  el.classList.add("zlab-diagnosis");
  el.append(make("section.zlab-found", { "aria-label": "Diagnosis" }, line, list, spoken));

  let open = false, told = "", known = "", coming = "", timer = 0;

  const wire = attach({ model, el, signal }, {
    message({ found, past }) {
      show(found);
      say(found, past);
    },
  });

  function show(found) {
    const any = found.length > 0;
    if (!any) open = false;
    el.classList.toggle("zlab-well", !any);
    line.disabled = !any;
    line.setAttribute("aria-expanded", String(open));
    list.hidden = !open;
    write(sign, any ? "▲" : "✓");
    write(number, any ? (found.length === 1 ? "1 mistake" : `${found.length} mistakes`) : "No mistake is seen");
    write(arrow, any ? (open ? "▴" : "▾") : "");
    const [mistake, certain, sockets, seen, cure] = found[0] ?? ["", true, [], "", ""];
    write(name, any ? mistake + (certain ? "" : " (likely)") : "");
    write(where, any ? ` at ${place(sockets)}` : "");
    write(words, any ? seen : "");
    write(remedy, any ? short(cure) : "");
    const whole = any ? `${seen}. ${cure}.` : "";
    if (line.title !== whole) line.title = whole;
    const text = JSON.stringify(found);
    if (text !== told) list.replaceChildren(...found.map(entry));
    told = text;
  }

  function entry([mistake, certain, , seen, cure, guide]) {
    return make("li", {},
      make("b", {}, mistake), certain ? "" : make("span.zlab-soft", {}, " (likely)"),
      make("p", {}, seen + "."), make("p", {}, cure + ". ", make("span.zlab-soft", {}, `ZeroMQ Guide, ${guide}.`)));
  }

  function place(sockets) { return sockets.slice(0, 2).join(", ") + (sockets.length > 2 ? ", …" : ""); }

  // What there is room for in the line: the first thing to do.
  function short(cure) { return cure.split(/[;:] /)[0]; }

  function say(found, past) {
    const now = found.map(([mistake, , sockets]) => mistake + sockets).sort().join();
    if (now === coming) return;
    coming = now;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (past || now === known) return;
      known = now;
      const [mistake, , , seen, cure] = found[0] ?? [];
      write(spoken, found.length ? `${number.textContent}; ${mistake}: ${seen}. ${short(cure)}.` : "No mistake is seen any more");
    }, SAID_AFTER);
  }

  line.addEventListener("click", () => {
    open = !open;
    line.setAttribute("aria-expanded", String(open));
    list.hidden = !open;
    write(arrow, open ? "▴" : "▾");
  });
  el.addEventListener("keydown", (event) => {
    event.stopPropagation(); // JupyterLab's own keys
    if (event.key === "Escape" && open) {
      line.click();
      line.focus();
    }
  });
  return () => {
    clearTimeout(timer);
    wire.dispose();
  };
}

export default { render };
