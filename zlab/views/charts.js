// The charts have no script of ours: whether they are on screen is seen from the flow graph of their dashboard.

function watchCharts(el, wire) {
  const holder = el.closest(".zlab-dashboard")?.querySelector(".zlab-charts");
  if (!holder) return () => {};
  let on = false, told = null;
  const tell = () => {
    const seen = on && !document.hidden;
    if (seen !== told) wire.send({ t: "charts", on: (told = seen) });
  };
  const observer = new IntersectionObserver((entries) => {
    on = entries[entries.length - 1].isIntersecting;
    tell();
  });
  observer.observe(holder);
  document.addEventListener("visibilitychange", tell);
  return () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", tell);
  };
}
