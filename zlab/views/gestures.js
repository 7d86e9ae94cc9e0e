// What a hand does on the stage: point, click, drag, pinch, turn the wheel.

//   act: {under(x, y), point(target, x, y), leave(), click(target), away(), hold(target, x, y), drag(held, x, y), drop(target),
//     pan(dx, dy), zoom(factor, x, y), tidy()}; a target is what `under` gives, or null.
function gestures(surface, stage, act) {
  const fingers = new Map();
  const hint = make("div.zlab-hint", { hidden: true }, "Ctrl + wheel zooms; so does the wheel after a click");
  stage.append(hint);
  let drag = null, hinting = 0;
  const at = (event) => [event.offsetX, event.offsetY];

  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = at(event);
    fingers.set(event.pointerId, [x, y]);
    surface.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    drag = { x, y, target: act.under(x, y), far: false, held: null };
  });

  surface.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    const last = fingers.get(event.pointerId);
    if (!last) {
      const target = act.under(x, y);
      act.point(target, x, y);
      surface.style.cursor = target ? "pointer" : "default";
      return;
    }
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      act.zoom(Math.hypot(x - other[0], y - other[1]) / Math.max(1, Math.hypot(last[0] - other[0], last[1] - other[1])), other[0], other[1]);
      drag = null;
    } else if (drag) {
      drag.far ||= Math.hypot(x - drag.x, y - drag.y) > 4;
      if (!drag.far) return;
      act.point(null);
      surface.style.cursor = "grabbing";
      if (drag.target?.item === undefined) act.pan(x - last[0], y - last[1]);
      else act.drag((drag.held ??= act.hold(drag.target, drag.x, drag.y)), x, y);
    }
    fingers.set(event.pointerId, [x, y]);
  });

  function lift(event) {
    fingers.delete(event.pointerId);
    surface.style.cursor = "default";
    const done = drag;
    drag = null;
    if (!done || event.type !== "pointerup") return;
    const item = done.target?.item !== undefined;
    if (!done.far) (done.target ? act.click : act.away)(done.target);
    else if (item) act.drop(done.target);
  }
  surface.addEventListener("pointerup", lift);
  surface.addEventListener("pointercancel", lift);
  surface.addEventListener("pointerleave", () => act.leave());
  surface.addEventListener("dblclick", (event) => { if (!act.under(...at(event))) act.tidy(); });

  surface.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !stage.contains(document.activeElement)) { // the page scrolls on
      hint.hidden = false;
      clearTimeout(hinting);
      hinting = setTimeout(() => { hint.hidden = true; }, 1400);
      return;
    }
    event.preventDefault();
    act.zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * (event.ctrlKey ? 0.01 : 0.004)), ...at(event));
  }, { passive: false });

  return { get dragging() { return drag !== null; } };
}
