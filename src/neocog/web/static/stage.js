// The picture, large: dragged to move it, with Grad-CAM and the receptive field drawn over it.

import { inks } from "./colours.js";
import { byId, say, sized } from "./dom.js";
import { refresh } from "./live.js";
import { drawOverlay, drawPicture } from "./maps.js";
import { REST, atRest, isSeries, nodeOf, on, set, state } from "./state.js";

let scale = 1; // CSS pixels a pixel of the picture
let drag = null;

/** Draw the picture whenever it changes, and let it be moved. */
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

/** The picture back as it was. */
export function rest() {
  set({ motion: { ...REST, kind: state.motion.kind } });
  say("The picture is back in its place.");
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
  say(`Moved ${dx} right, ${dy} down.`);
}

function paint() {
  const frame = state.frames[state.model];
  const canvas = byId("stage");
  if (!frame) return;
  const series = frame.picture.shape.length === 2;
  const [h, w] = series ? [1, frame.picture.shape[1]] : frame.picture.shape.slice(1);
  const room = byId("stage-box").clientWidth || 240;
  const tallest = Math.min(room, Math.max(180, innerHeight * 0.42));
  const width = series ? room : Math.min(room, (tallest * w) / h);
  const height = series ? 150 : (width * h) / w;
  scale = width / w;
  const ctx = sized(canvas, width, height);
  ctx.imageSmoothingEnabled = scale < 1;
  drawPicture(ctx, frame.picture, 0, 0, width, height);
  if (state.cam && frame.cam) drawOverlay(ctx, frame.cam, 0, 0, width, height);
  if (state.field) drawField(ctx, state.field, [series ? height : scale, scale], [width, height]);
  canvas.setAttribute("aria-label", label(w, h, series));
  if (!performance.getEntriesByName("first-picture").length) performance.mark("first-picture");
}

function label(w, h, series) {
  const { motion, pictureName } = state;
  const moved = atRest() ? "" : `, moved ${motion.dx} right and ${motion.dy} down, turned ${motion.angle} degrees, scaled ${motion.scale.toFixed(2)}`;
  return `${series ? "Series" : "Picture"} ${pictureName}, ${series ? w : `${h} by ${w} pixels`}${moved}`;
}

/** What lies outside the field is veiled; its frame is drawn where it is inside the picture. */
function drawField(ctx, field, [rowScale, scaleX], [width, height]) {
  const { page, warm } = inks();
  const x0 = field.c0 * scaleX;
  const x1 = field.c1 * scaleX;
  const y0 = field.r0 * rowScale;
  const y1 = field.r1 * rowScale;
  ctx.save();
  ctx.globalAlpha = 0.6;
  ctx.fillStyle = page;
  ctx.beginPath();
  ctx.rect(0, 0, width, height);
  const [cx0, cy0] = [Math.max(0, x0), Math.max(0, y0)];
  const [cx1, cy1] = [Math.min(width, x1), Math.min(height, y1)];
  ctx.rect(cx0, cy0, Math.max(0, cx1 - cx0), Math.max(0, cy1 - cy0));
  ctx.fill("evenodd");
  ctx.globalAlpha = 1;
  ctx.strokeStyle = warm;
  ctx.lineWidth = 2;
  ctx.strokeRect(x0 + 1, y0 + 1, Math.max(1, x1 - x0 - 2), Math.max(1, y1 - y0 - 2));
  ctx.restore();
}

/** How large the field is, in words; null where it is not known. */
export function fieldWords(field, model = state.model) {
  if (!field) return null;
  const input = state.graphs[model]?.nodes.find((n) => n.kind === "input") ?? nodeOf(model, 0);
  const [h, w] = input?.shape.length === 3 ? input.shape.slice(1) : [1, input?.shape.at(-1) ?? 0];
  const [rows, columns] = [field.r1 - field.r0, field.c1 - field.c0];
  const beyond = Math.max(0, -field.r0, -field.c0, field.r1 - h, field.c1 - w);
  const size = h === 1 ? `${columns} samples` : `${rows} × ${columns} pixels`;
  return `sees ${size}${beyond > 0 ? `, up to ${beyond} beyond the border` : ""}`;
}
