// The timeline: a slider from the oldest moment that is kept to now; Escape is live.

const TOP = 1000; // the slider's right end: now
const OLDER = 0.35; // of its length, at the most, for the time of which only some ticks are kept
const SIGNS = { kill: "✕", restart: "↻", error: "!", fault: "◆", pause: "‖", breakpoint: "●", finish: "✓", stop: "■", "handshake failed": "⊘" };
const GRAVE = ["error", "kill", "handshake failed", "breakpoint", "fault", "stop", "restart", "finish", "pause"]; // what is told first where there is room for one
const BESIDE = 12; // pixels that a sign takes
const LISTED = 8; // of what stands under one sign
const PACES = [["0.1", "1/10 ×"], ["0.25", "1/4 ×"], ["1", "1 ×"], ["4", "4 ×"]];
const OFTEN = 100; // milliseconds between two messages while it is dragged
const BUSY = 500; // milliseconds after a hand was on it for which the slider stands where the hand put it

function render({ model, el, signal }) {
  let told = null, marks = [], timer = 0, last = 0, touched = -Infinity;
  const lab = model.get("steerable") ? "lab" : "program";
  const button = (text, title, act) => {
    const made = make("button.zlab-button", { type: "button", title, "aria-label": title }, text);
    made.addEventListener("click", act);
    return made;
  };
  const back = button("◂", "A tick back (left arrow)", () => step(-1));
  const play = button("▶", "Play the past", () => (told?.pace ? wire.send({ t: "stand" }) : wire.send({ t: "play", pace: Number(pace.value) })));
  const on = button("▸", "A tick on (right arrow)", () => step(1));
  const pace = make("select.zlab-pace", { title: "How fast the past is played", "aria-label": "Pace of playing" },
    ...PACES.map(([value, text]) => make("option", { value, selected: value === "1" }, text)));
  const slider = make("input", { type: "range", min: 0, max: TOP, step: "any", value: TOP, "aria-label": "Time",
    title: "Drag to go back in time; arrows go a tick, Home to the oldest, End and Escape to live" });
  const signs = make("div.zlab-signs", { role: "group", "aria-label": "What happened" });
  const gone = make("span.zlab-gone"), thin = make("i.zlab-thin", { hidden: true });
  const text = make("output.zlab-when", {});
  const live = button("Live", "Show the present (Escape)", () => goLive());
  live.classList.add("zlab-live");
  el.classList.add("zlab-timeline");
  el.append(make("div.zlab-time", { role: "group", "aria-label": "Timeline" },
    make("div.zlab-steps", {}, back, play, on, pace), make("div.zlab-track", {}, signs, slider, thin, gone), text, live));

  const wire = attach({ model, el, signal }, {
    calm: true,
    message(content) {
      told = content;
      if (content.again) marks = [];
      marks.push(...content.marks);
      marks = marks.filter(([at]) => at >= content.begin).slice(-200);
      show();
    },
    lost() {
      told = null;
      for (const control of [back, play, on, pace, slider, live]) control.disabled = true;
      write(text, "the kernel is gone, and the past with it");
    },
  });

  // What is kept tick by tick has most of the room; of before, only some ticks are.
  function share() {
    const older = told.dense - told.begin;
    return older > 0 ? Math.min(OLDER, older / (told.now - told.begin)) : 0;
  }

  function place(at) {
    const part = share();
    if (at < told.dense) return TOP * part * Math.max(0, at - told.begin) / (told.dense - told.begin);
    return TOP * (part + (1 - part) * Math.min(1, (at - told.dense) / Math.max(0.001, told.now - told.dense)));
  }

  function time(value) {
    const part = share(), where = value / TOP;
    if (where < part) return told.begin + (told.dense - told.begin) * where / part;
    return told.dense + (told.now - told.dense) * (where - part) / (1 - part);
  }

  function span(s) { return s < 100 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`; }

  function words(at) {
    if (at === null) return `${told.state === "stopped" ? "the end; " : ""}${span(told.now - told.begin)} kept`;
    if (told.state === "stopped") return `${span(told.now - at)} before the end`;
    return `${span(told.now - at)} ago; the ${lab} ${told.state === "paused" ? "stands" : "runs on"}`;
  }

  function show() {
    if (!told) return;
    const past = told.at !== null;
    if (performance.now() - touched > BUSY) slider.value = past ? place(told.at) : TOP;
    write(text, words(told.at));
    slider.setAttribute("aria-valuetext", past ? `${words(told.at)}; ${span(told.at)} after the start` : "live");
    el.classList.toggle("zlab-back", past);
    el.closest(".zlab-dashboard")?.classList.toggle("zlab-past", past);
    live.setAttribute("aria-pressed", String(!past));
    live.disabled = !past;
    write(play, told.pace ? "❚❚" : "▶");
    play.title = told.pace ? "Stand here" : past ? "Play on from here" : "Play all that is kept";
    play.setAttribute("aria-label", play.title);
    thin.hidden = share() === 0;
    thin.style.width = 100 * share() + "%";
    thin.title = `Before ${span(told.dense)} only some moments are kept: one a second, then one in ten seconds`;
    el.classList.toggle("zlab-let-go", !told.whole);
    write(gone, told.whole ? "" : `before ${span(told.begin)} let go`);
    draw();
  }

  // What would stand on one another is one sign: the gravest of its kinds, and a second one beside it.
  let drawn = [];
  function draw() {
    const groups = [], width = signs.clientWidth / TOP;
    for (const mark of marks) {
      const last = groups[groups.length - 1];
      if (last && (place(mark[0]) - place(last[0][0])) * width < BESIDE) last.push(mark);
      else groups.push([mark]);
    }
    if (drawn.length !== groups.length || drawn.some((group, i) => group.length !== groups[i].length || group[0] !== groups[i][0])) {
      drawn = groups;
      signs.replaceChildren(...groups.map(sign));
    }
    groups.forEach(([[at]], i) => { signs.children[i].style.left = place(at) / TOP * 100 + "%"; });
  }

  function sign(group) {
    const name = group.slice(0, LISTED).map(([at, kind, where, detail]) => `${span(at)}: ${kind} ${where}${detail ? ", " + detail : ""}`).join("\n")
      + (group.length > LISTED ? `\nand ${group.length - LISTED} more` : "");
    const kinds = [...new Set(group.map(([, kind]) => kind))].sort((a, b) => GRAVE.indexOf(a) - GRAVE.indexOf(b));
    const button = make("button.zlab-sign", { type: "button", tabIndex: -1, title: name, "aria-label": name },
      ...kinds.slice(0, 2).map((kind) => make(`span.zlab-sign-${kind.replace(" ", "-")}`, {}, SIGNS[kind] ?? "•")));
    button.addEventListener("click", () => wire.send({ t: "after", at: group[group.length - 1][0] }));
    return button;
  }

  // ---- what a hand does ---------------------------------------------------------------------------------------

  function go(at) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = performance.now();
      wire.send({ t: "go", at });
    }, Math.max(0, last + OFTEN - performance.now()));
  }

  function goLive() {
    clearTimeout(timer);
    touched = -Infinity;
    if (told) slider.value = TOP;
    wire.send({ t: "live" });
  }

  function step(by) {
    touched = -Infinity;
    wire.send({ t: "step", by });
  }

  slider.addEventListener("input", () => {
    if (!told) return;
    touched = performance.now();
    const value = Number(slider.value);
    if (value >= TOP) return goLive();
    const at = time(value);
    write(text, words(at));
    slider.setAttribute("aria-valuetext", words(at));
    go(at);
  });
  slider.addEventListener("change", () => { touched = performance.now(); setTimeout(show, BUSY + 20); });

  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey || !told) return;
    const arrows = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const acts = { Home: () => go(told.begin), End: goLive, Escape: goLive };
    if (event.target === pace && event.key !== "Escape") return; // its own keys
    const act = acts[event.key] ?? (event.key in arrows ? () => step(arrows[event.key]) : null);
    if (!act) return;
    event.preventDefault();
    act();
  });
  return () => {
    clearTimeout(timer);
    wire.dispose();
  };
}

export default { render };
