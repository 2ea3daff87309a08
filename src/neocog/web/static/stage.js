// The image, large: dragged to move it, with Grad-CAM and the receptive field drawn over it.

import { inks } from "./colors.js";
import { byId, say, sized } from "./dom.js";
import { refresh } from "./live.js";
import { drawOverlay, drawInput } from "./maps.js";
import { REST, atRest, isSeries, nodeOf, on, set, state } from "./state.js";

let scale = 1; // CSS pixels a pixel of the image
let drag = null;

/** Draw the image whenever it changes, and let it be moved. */
export function start() {
  const canvas = byId("stage");
  on("frames field cam model", paint);
  on("motion", refresh);
  addEventListener("neocog-theme", paint);
  new ResizeObserver(paint).observe(byId("stage-box"));
  canvas.addEventListener("pointerdown", grab);
  canvas.addEventListener("pointermove", pull);
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (drag = null));
  canvas.addEventListener("keydown", nudge);
  byId("rest").addEventListener("click", rest);
}

/** The image back as it was. */
export function rest() {
  set({ motion: { ...REST, padding: state.motion.padding } });
  say("The transformation is reset.");
}

/** Move by so many pixels right and down. */
export function move(dx, dy) {
  const { motion } = state;
  set({ motion: { ...motion, dx: motion.dx + dx, dy: isSeries() ? 0 : motion.dy + dy } });
}

function grab(event) {
  if (event.button !== 0) return;
  event.currentTarget.setPointerCapture(event.pointerId);
  event.currentTarget.focus();
  drag = { x: event.clientX, y: event.clientY, dx: state.motion.dx, dy: state.motion.dy };
}

function pull(event) {
  if (!drag) return;
  const dx = drag.dx + Math.round((event.clientX - drag.x) / scale);
  const dy = isSeries() ? 0 : drag.dy + Math.round((event.clientY - drag.y) / scale);
  if (dx !== state.motion.dx || dy !== state.motion.dy) set({ motion: { ...state.motion, dx, dy } });
}

function nudge(event) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!steps || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const size = event.shiftKey ? 4 : 1;
  move(steps[0] * size, steps[1] * size);
  const { dx, dy } = state.motion;
  say(`Shifted by ${dx} right, ${dy} down.`);
}

function paint() {
  const frame = state.frames[state.model];
  const canvas = byId("stage");
  if (!frame) {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    return;
  }
  const series = frame.image.shape.length === 2;
  const [h, w] = series ? [1, frame.image.shape[1]] : frame.image.shape.slice(1);
  const room = byId("stage-box").clientWidth || 240;
  const tallest = Math.min(room, Math.max(168, innerHeight * 0.24));
  const width = series ? room : Math.min(room, (tallest * w) / h);
  const height = series ? 150 : (width * h) / w;
  scale = width / w;
  const ctx = sized(canvas, width, height);
  ctx.imageSmoothingEnabled = scale < 1;
  drawInput(ctx, frame.image, 0, 0, width, height);
  if (state.cam && frame.cam) drawOverlay(ctx, frame.cam, 0, 0, width, height);
  if (state.field) drawField(ctx, state.field, [series ? height : scale, scale], [width, height]);
  canvas.setAttribute("aria-label", label(w, h, series));
  if (!performance.getEntriesByName("first-image").length) performance.mark("first-image");
}

function label(w, h, series) {
  const { motion, imageName } = state;
  const moved = atRest() ? "" : `, shifted by ${motion.dx} right and ${motion.dy} down, rotated by ${motion.angle} degrees, scaled by ${motion.scale.toFixed(2)}`;
  return `${series ? "Series" : "Image"} ${imageName}, ${series ? w : `${h} by ${w} pixels`}${moved}`;
}

/** What lies outside the field is veiled; its frame is drawn where it is inside the image. */
function drawField(ctx, field, [rowScale, scaleX], [width, height]) {
  const { page, mark } = inks();
  const rows = spans(field.r0, field.r1, Math.round(height / rowScale), field.wraps);
  const columns = spans(field.c0, field.c1, Math.round(width / scaleX), field.wraps);
  const parts = rows.flatMap(([r0, r1]) => columns.map(([c0, c1]) => [c0 * scaleX, r0 * rowScale, (c1 - c0) * scaleX, (r1 - r0) * rowScale]));
  ctx.save();
  ctx.globalAlpha = 0.6;
  ctx.fillStyle = page;
  ctx.beginPath();
  ctx.rect(0, 0, width, height);
  for (const [x, y, w, h] of parts) ctx.rect(x, y, w, h);
  ctx.fill("evenodd");
  ctx.globalAlpha = 1;
  ctx.strokeStyle = mark;
  ctx.lineWidth = 2;
  for (const [x, y, w, h] of parts) ctx.strokeRect(x + 1, y + 1, Math.max(1, w - 2), Math.max(1, h - 2));
  ctx.restore();
}

/**
 * The parts of first … last that lie within 0 … count; what lies beyond comes in on the other side
 * where the borders are circular.
 */
export function spans(first, last, count, wraps) {
  if (!wraps) {
    const [from, to] = [Math.max(0, first), Math.min(count, last)];
    return to > from ? [[from, to]] : [];
  }
  if (last - first >= count) return [[0, count]];
  const from = ((first % count) + count) % count;
  const to = from + last - first;
  return to <= count ? [[from, to]] : [[from, count], [0, to - count]];
}

/** How large the field is, in words; null where it is not known. */
export function fieldWords(field, model = state.model) {
  if (!field) return null;
  const input = state.graphs[model]?.nodes.find((n) => n.kind === "input") ?? nodeOf(model, 0);
  const [h, w] = input?.shape.length === 3 ? input.shape.slice(1) : [1, input?.shape.at(-1) ?? 0];
  const [rows, columns] = [field.r1 - field.r0, field.c1 - field.c0];
  const beyond = Math.max(0, -field.r0, -field.c0, field.r1 - h, field.c1 - w);
  const size = h === 1 ? `${columns} samples` : `${rows} × ${columns} pixels`;
  const there = field.wraps ? "wrapping around the border" : `up to ${beyond} of them in the padding`;
  return `covers ${size}${beyond > 0 ? `, ${there}` : ""}`;
}
