"use strict";
// Turning, moving and zooming with mouse, touch and keys.

/**
 * One pointer turns; two pointers, or the right button, move; wheel and pinch zoom. The wheel only zooms once the view
 * has the focus, so that scrolling the page past it stays possible.
 */
function orbitWithPointer(canvas, scene, changed) {
  const {orbit} = scene;
  const pointers = new Map();
  const turn = (dx, dy) => {
    orbit.yaw += dx;
    orbit.pitch = Math.min(Math.max(orbit.pitch + dy, -1.4), 1.4);
    changed();
  };
  const zoomBy = (factor) => {
    orbit.zoom = Math.min(Math.max(orbit.zoom * factor, 0.5), 6);
    changed();
  };
  const move = (dx, dy) => {
    const scale = 2.6 / canvas.clientHeight / orbit.zoom;
    orbit.pan = [orbit.pan[0] + dx * scale, orbit.pan[1] - dy * scale];
    changed();
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({preventScroll: true});
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY, button: event.button});
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    const others = [...pointers.entries()].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const [, other] = others[0];
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (before > 0) zoomBy(after / before);
      move(dx / 2, dy / 2);
    } else if (last.button === 2 || event.shiftKey) {
      move(dx, dy);
    } else {
      const radiansPerPixel = 3.4 / canvas.clientHeight;
      turn(dx * radiansPerPixel, -dy * radiansPerPixel);
    }
    Object.assign(last, {x: event.clientX, y: event.clientY});
  });
  for (const type of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(type, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.04 : 0.0015)));
  }, {passive: false});
  canvas.addEventListener("keydown", (event) => {
    const step = 0.12;
    const action = {
      ArrowLeft: () => turn(-step, 0),
      ArrowRight: () => turn(step, 0),
      ArrowUp: () => turn(0, step),
      ArrowDown: () => turn(0, -step),
      "+": () => zoomBy(1.15),
      "=": () => zoomBy(1.15),
      "-": () => zoomBy(1 / 1.15),
    }[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
}
