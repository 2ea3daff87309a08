// A small map of the whole network under it, with a frame around the part that is seen; it is dragged to scroll.
// And the cue of everything that scrolls sideways: it fades where there is more.

import { inks } from "./colors.js";
import { el, sized } from "./dom.js";

const TALL = 30;

/** Fade a scrolling element at the sides where more of it is. */
export function cue(element) {
  const look = () => {
    const left = element.scrollLeft > 2;
    const right = element.scrollLeft + element.clientWidth < element.scrollWidth - 2;
    element.dataset.more = left && right ? "both" : left ? "left" : right ? "right" : "";
  };
  element.addEventListener("scroll", look, { passive: true });
  const observer = new ResizeObserver(look);
  observer.observe(element);
  for (const child of element.children) observer.observe(child);
  return look;
}

/** A region for a table that may be wider than the page: reached by the keyboard, with the cue. */
export function scrolling(label, ...children) {
  const element = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, ...children);
  cue(element);
  return element;
}

/** The map of a view whose cards lie in `scroll`; `draw(placed, marked)` after every layout. */
export function overview(scroll, name) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const frame = el("i", { "aria-hidden": "true" });
  const element = el("div", { class: "overview", tabindex: "0", role: "scrollbar", "aria-label": `Overview of ${name}`, "aria-controls": scroll.id, "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": 100, hidden: true }, canvas, frame);
  let last = null;
  let held = false;

  /** Where the frame stands now; the map is hidden where all is seen. */
  function follow() {
    const { scrollLeft, scrollWidth, clientWidth } = scroll;
    const hidden = scrollWidth <= clientWidth + 2;
    if (element.hidden !== hidden) {
      element.hidden = hidden;
      if (!hidden && last) draw(...last);
    }
    if (hidden) return;
    frame.style.left = `${(100 * scrollLeft) / scrollWidth}%`;
    frame.style.width = `${(100 * clientWidth) / scrollWidth}%`;
    element.setAttribute("aria-valuenow", Math.round((100 * scrollLeft) / Math.max(1, scrollWidth - clientWidth)));
  }

  function go(event) {
    const rect = element.getBoundingClientRect();
    scroll.scrollLeft = ((event.clientX - rect.left) / rect.width) * scroll.scrollWidth - scroll.clientWidth / 2;
  }

  element.addEventListener("pointerdown", (event) => {
    held = true;
    element.setPointerCapture(event.pointerId);
    go(event);
  });
  element.addEventListener("pointermove", (event) => held && go(event));
  for (const kind of ["pointerup", "pointercancel"]) element.addEventListener(kind, () => (held = false));
  element.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.25, ArrowRight: 0.25, PageUp: -0.9, PageDown: 0.9, Home: -1e3, End: 1e3 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    scroll.scrollLeft += by * scroll.clientWidth;
  });
  scroll.addEventListener("scroll", follow, { passive: true });

  /** Draw the cards; those of `chosen` and `worst` in colors of their own. */
  function draw(placed, { chosen = null, worst = null } = {}) {
    last = [placed, { chosen, worst }];
    if (element.hidden) return;
    const width = element.clientWidth || 300;
    const ctx = sized(canvas, width, TALL);
    const { line, link, warm, soft } = inks();
    const [sx, sy] = [width / placed.width, TALL / placed.height];
    ctx.clearRect(0, 0, width, TALL);
    ctx.fillStyle = line;
    for (const { from, to } of placed.edges) {
      const x = (from.x + from.w) * sx;
      ctx.fillRect(x, (from.y + from.h / 2) * sy, Math.max(1, to.x * sx - x), 1);
    }
    for (const item of placed.items) {
      ctx.fillStyle = item === chosen ? link : item.key === worst ? warm : soft;
      ctx.globalAlpha = item === chosen || item.key === worst ? 1 : 0.55;
      ctx.fillRect(item.x * sx, item.y * sy, Math.max(2, item.w * sx), Math.max(3, item.h * sy));
    }
    ctx.globalAlpha = 1;
  }

  return { element, follow, draw };
}
