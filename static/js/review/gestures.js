/** Hands on a pane: dragging, the wheel, two fingers. */

/**
 * What dragging does is asked of `tool()`: change the window, move the picture, or draw a box. Shift and the other button move it
 * always. `touched()` is told before anything is done to this pane.
 */
export function watchGestures(viewer, { tool, touched }) {
  const { canvas } = viewer;
  const fingers = new Map();
  const ratio = () => canvas.width / canvas.clientWidth;
  const at = (event) => [(event.clientX - canvas.getBoundingClientRect().left) * ratio(), (event.clientY - canvas.getBoundingClientRect().top) * ratio()];

  canvas.addEventListener("focus", touched);
  canvas.addEventListener("pointerdown", (event) => {
    touched();
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (fingers.size === 2) pinch(event, before);
    else drag(dx, dy, event.shiftKey || event.buttons & 6);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => viewer.fit());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    touched();
    if (viewer.count > 1 && !event.ctrlKey) viewer.show(viewer.place + Math.sign(event.deltaY));
    else viewer.zoom(Math.exp(-event.deltaY * 0.0015), ...at(event));
  }, { passive: false });

  function pinch(event, before) {
    const other = Array.from(fingers.entries()).find(([id]) => id !== event.pointerId)[1];
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    viewer.zoom(apart([event.clientX, event.clientY]) / Math.max(1, apart(before)), ...at(event));
  }

  /** Drag by so many CSS pixels. */
  function drag(dx, dy, moves = false) {
    if (moves || tool() === "pan") viewer.pan(dx * ratio(), dy * ratio());
    else if (tool() === "window") viewer.level(dx, dy);
  }
  return drag;
}
