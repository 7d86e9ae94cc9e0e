// The toolbar.

const SPEEDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const TOP_RATE = 6; // the slider goes from 1 to 10^6 messages per second, and then to no limit
const SIZES = [1, 7]; // 10 bytes to 10 MB
const MANY = 1000; // messages in one step
const CALM = 7000; // milliseconds that a word about a wrong entry, or a step without a message, stays

function render({ model, el, signal }) {
  let state = null, wanted = null;
  const pause = make("button.zlab-button.zlab-main", { type: "button", title: "Pause (space)" }, "Pause");
  const step = make("button.zlab-button", { type: "button", title: "Let so many messages move, then stand (. for one)", "aria-label": "Step" }, "Step");
  const many = make("input.zlab-number.zlab-many", { type: "number", min: 1, max: MANY, step: 1, value: 1, title: "How many messages move in a step", "aria-label": "Messages in a step" });
  const stop = make("button.zlab-button", { type: "button", title: "Stop the lab and close its sockets" }, "■ Stop");
  const badge = make("span.zlab-badge", { role: "status" });
  const told = make("span.zlab-soft"), failed = make("span.zlab-failed"), cost = make("span.zlab-soft");
  const why = make("span.zlab-why", { "aria-live": "polite" });
  const status = make("div.zlab-status", { role: "alert" });
  const speed = slider("Speed", { min: 0, max: SPEEDS.length - 1, step: 1 }, "How fast the lab runs: 1/10 is slow motion",
    (v) => { const s = SPEEDS[v]; return s === 1 ? "full" : "1/" + Math.round(1 / s); },
    (v) => {
      if (state?.state === "paused") wanted = SPEEDS[v]; // setting the speed would resume: it waits for that
      else run("resume", { speed: SPEEDS[v] }, speed);
    });
  const rates = slider("Rate", { min: 0, max: TOP_RATE + 0.1, step: 0.05 }, "Messages per second of each source",
    (v) => (v > TOP_RATE + 0.04 ? "no limit" : rate(rateOf(v))),
    (v) => run("tune", { rate: v > TOP_RATE + 0.04 ? "inf" : rateOf(v) }, rates),
    { min: 0, max: 10 ** TOP_RATE, step: "any", unit: "/s", at: (v) => (v > TOP_RATE + 0.04 ? "" : rateOf(v)), send: (v) => run("tune", { rate: v }, rates),
      word: "Rate: 0 to 1,000,000 messages per second; the slider's right end is no limit" });
  const sizes = slider("Size", { min: SIZES[0], max: SIZES[1], step: 0.05 }, "Bytes of each message",
    (v) => bytes(sizeOf(v)),
    (v) => run("tune", { size: sizeOf(v) }, sizes),
    { min: 1, max: 10 ** SIZES[1], step: 1, unit: "bytes", at: sizeOf, send: (v) => run("tune", { size: v }, sizes),
      word: "Size: whole bytes, 1 to 10,000,000 (10 MB)" });
  el.append(make("div.zlab-bar", { role: "toolbar", "aria-label": "Lab controls" },
    make("div.zlab-who", {}, make("div.zlab-title", {}, make("strong", { title: model.get("name") }, model.get("name")), badge), make("div.zlab-told", {}, told, failed), make("div.zlab-told", {}, cost, why)),
    make("div.zlab-sliders", {}, speed.box, rates.box, sizes.box), make("div.zlab-acts", {}, pause, make("div.zlab-step", {}, step, many), stop)), status);

  el.classList.add("zlab-controls");
  if (!model.get("steerable")) { // a program that is only watched
    for (const part of [speed.box, pause, step, many]) part.hidden = true;
    stop.title = "Stop watching; the program goes on";
  }

  const wire = attach({ model, el, signal }, {
    calm: true,
    message(_, buffers) {
      state = json(buffers[0]);
      show();
    },
    lost() {
      say("the kernel is gone: these figures are the last", true);
      write(badge, "gone");
      badge.className = "zlab-badge";
      disable();
    },
  });

  function rateOf(v) { return Number((10 ** v).toPrecision(2)); }
  function sizeOf(v) { return Math.round(Number((10 ** v).toPrecision(2))); }
  function bytes(n) { return n < 1000 ? n + " B" : n < 1e6 ? Number((n / 1e3).toPrecision(3)) + " kB" : Number((n / 1e6).toPrecision(3)) + " MB"; }

  let hushing = 0;
  function say(text, error = false) {
    clearTimeout(hushing);
    write(status, text);
    status.classList.toggle("zlab-error", error);
  }

  // A word that goes by itself.
  function mention(text) {
    say(text);
    hushing = setTimeout(say, CALM, "");
  }

  // Send a command and let its control tell what becomes of it.
  function run(name, given, control) {
    const box = control.box ?? control;
    wire.command(name, given, (stage, error) => {
      box.classList.toggle("zlab-queued", stage === "queued");
      if (stage === "queued") say("queued: the kernel is busy");
      if (stage === "heard") say("");
      if (stage === "done" || stage === "failed") {
        if (error?.startsWith("step: ")) mention(error); // nothing came to move: no error
        else say(error ?? "", Boolean(error));
        if (control.touched) setTimeout(() => { control.touched = false; show(); }, 400);
        show();
      }
    });
  }

  function slider(label, range, title, word, send, exact) {
    const input = make("input", { type: "range", ...range, title, "aria-label": label });
    const shown = exact ? make("input.zlab-number", { type: "number", min: exact.min, max: exact.max, step: exact.step, title: title + ", exactly", "aria-label": label + ", exactly" }) : null;
    const text = make("output.zlab-value", {}, exact?.unit ?? "");
    const box = make("label.zlab-slider", { title }, make("span.zlab-soft", {}, label), input, ...(shown ? [shown, text] : [text]));
    const control = { box, input, shown, text, touched: false, word, good: "" };
    let timer = 0, last = 0;
    const later = () => {
      clearTimeout(timer);
      const wait = Math.max(0, last + 150 - performance.now()); // no more than a few a second while it is dragged
      timer = setTimeout(() => { last = performance.now(); send(Number(input.value)); }, wait);
    };
    input.addEventListener("input", () => {
      control.touched = true;
      const value = Number(input.value);
      if (shown) shown.value = exact.at(value); // and the line keeps its width
      else write(text, word(value));
      input.setAttribute("aria-valuetext", word(value));
      later();
    });
    shown?.addEventListener("change", () => {
      const value = Number(shown.value);
      if (shown.value === "" || !(value >= exact.min && value <= exact.max) || (exact.step === 1 && !Number.isInteger(value))) {
        const wrong = shown.value;
        shown.value = control.good;
        mention(wrong === "" ? exact.word : `${wrong}? ${exact.word}`);
        return;
      }
      say("");
      control.good = value;
      control.touched = true;
      exact.send(value);
    });
    shown?.addEventListener("blur", () => { if (!control.touched) shown.value = control.good; });
    for (const element of [input, shown]) element?.addEventListener("keydown", (event) => event.stopPropagation());
    return control;
  }

  function set(control, value, text, exactly, instead = "") {
    if (control.touched) return;
    control.input.value = value;
    if (!control.shown) write(control.text, text);
    control.input.setAttribute("aria-valuetext", text);
    if (!control.shown) return;
    control.good = exactly;
    control.shown.placeholder = instead;
    if (document.activeElement !== control.shown) control.shown.value = exactly;
  }

  function knob(control, values, position) {
    control.box.hidden = values.length === 0;
    if (!values.length) return;
    const value = values[values.length - 1];
    const mixed = values.length > 1;
    const at = position(value), instead = mixed ? "mixed" : value === "inf" ? "no limit" : "";
    set(control, at, instead || control.word(at), instead ? "" : value, instead);
  }

  function show() {
    if (!state) return;
    const over = state.state === "stopped", paused = state.state === "paused";
    write(badge, state.state === "running" && !model.get("steerable") ? "watching" : state.state);
    badge.className = "zlab-badge zlab-is-" + state.state;
    write(pause, paused ? "▶ Resume" : "❚❚ Pause");
    pause.title = (paused ? "Resume" : "Pause") + " (space)";
    write(told, `${count(state.delivered)} delivered in ${clockTime(state.at)}`);
    write(cost, `${state.sampling > 1 ? `1 in ${count(state.sampling)} traced` : "all traced"}, ${Math.round(state.clock * 100)} % of a core`);
    if (cost.title !== state.cost) cost.title = state.cost;
    const because = over ? "" : state.why;
    cost.hidden = Boolean(because); // it has the place of the cost, so that nothing moves
    write(why, because);
    if (why.title !== because) why.title = because;
    write(failed, state.failed.length ? ` · ${state.failed.length > 2 ? state.failed.length + " nodes" : state.failed.join(", ")} failed` : "");
    let nearest = 0;
    SPEEDS.forEach((s, i) => { if (Math.abs(Math.log(s / state.speed)) < Math.abs(Math.log(SPEEDS[nearest] / state.speed))) nearest = i; });
    const exact = Math.abs(SPEEDS[nearest] / state.speed - 1) < 0.02;
    set(speed, nearest, exact ? speed.word(nearest) : String(Number(state.speed.toPrecision(2))));
    knob(rates, state.rates, (v) => (v === "inf" ? TOP_RATE + 0.1 : Math.log10(Math.max(1, v))));
    knob(sizes, state.sizes, (v) => Math.log10(Math.max(10, v)));
    if (over) disable();
  }

  function clockTime(s) { return s < 120 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`; }

  function disable() {
    el.classList.add("zlab-over");
    for (const control of [pause, step, many, stop, speed.input, rates.input, rates.shown, sizes.input, sizes.shown]) control.disabled = true;
    if (state?.state === "stopped") say("");
  }

  function toggle() {
    if (state?.state !== "paused") return run("pause", {}, pause);
    run("resume", wanted ? { speed: wanted } : {}, pause);
    wanted = null;
    speed.touched = false;
  }

  function move(n) {
    if (!Number.isInteger(n) || n < 1 || n > MANY) {
      mention(`${many.value || "How many"}? A step moves whole messages, 1 to ${count(MANY)}`);
      many.value = 1;
    } else run("step", { n }, step);
  }

  // What was asked for elsewhere in this dashboard, and could not be.
  function hear(event) {
    if (el.closest(".zlab-dashboard")?.contains(event.target)) mention(event.detail);
  }
  document.addEventListener("zlab-told", hear);

  pause.addEventListener("click", toggle);
  step.addEventListener("click", () => move(Number(many.value)));
  many.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") move(Number(many.value));
  });
  stop.addEventListener("click", () => run("stop", {}, stop));
  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    const act = { " ": event.target.closest("button") ? null : toggle, ".": () => move(1) }[event.key];
    if (!act) return;
    event.preventDefault();
    if (!pause.disabled && !pause.hidden) act();
  });
  return () => {
    document.removeEventListener("zlab-told", hear);
    wire.dispose();
  };
}

export default { render };
