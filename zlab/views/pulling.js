// What a hand does on the sequence diagram: point, click, pull it about, turn the wheel.

//   act: {under(x, y), point(target), hide(), leave(), click(target), closer(), pan(dx, dy), zoom(factor, y)}; a target is
//     what `under` gives, with x and y where the hand is, or null.
function pull(canvas, stage, body, act) {
  const hint = make("div.zlab-hint", { hidden: true }, "Ctrl + wheel zooms; after a click, the wheel alone goes through time");
  canvas.after(hint); // beneath what is told
  let drag = null, hinting = 0;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    drag = { x: event.offsetX, y: event.offsetY, far: false };
  });

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    if (!drag) {
      const target = act.under(x, y);
      return act.point(target && { ...target, x, y });
    }
    drag.far ||= Math.hypot(x - drag.x, y - drag.y) > 4;
    if (!drag.far) return;
    act.hide();
    canvas.style.cursor = "grabbing";
    act.pan(x - drag.x, y - drag.y);
    Object.assign(drag, { x, y });
  });

  function lift(event) {
    if (drag && !drag.far && event.type === "pointerup") act.click(act.under(drag.x, drag.y));
    drag = null;
    canvas.style.cursor = "default";
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => act.leave());
  canvas.addEventListener("dblclick", () => act.closer());

  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !body.contains(document.activeElement)) { // the page scrolls on
      hint.hidden = false;
      clearTimeout(hinting);
      hinting = setTimeout(() => { hint.hidden = true; }, 1400);
      return;
    }
    event.preventDefault();
    act.hide();
    if (event.ctrlKey || event.metaKey) act.zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * 0.01), event.offsetY);
    else act.pan(event.shiftKey ? -event.deltaY : -event.deltaX, event.shiftKey ? 0 : -event.deltaY);
  }, { passive: false });

  return { dispose() { clearTimeout(hinting); } };
}
