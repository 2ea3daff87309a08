// Feature maps, images, series and vectors on a canvas, from the bytes of a frame.

import { inks, kindOf, pixels, scale } from "./colors.js";

const kept = [new Map(), new Map()];
const scratch = document.createElement("canvas");
const buffers = new Map();

/** Remember the maps of a frame until newer ones come. */
export function keep(model, frame) {
  for (const map of frame.maps) kept[model].set(`${map.node}:${map.channel}`, map);
}

/** The last known map of one channel of a node, or undefined. */
export function mapOf(model, node, channel) {
  return kept[model].get(`${node}:${channel}`);
}

/** All known maps belong to another image now. */
export function forget() {
  for (const maps of kept) maps.clear();
}

/** How the output of a node is drawn: "maps", "lines" or "numbers". */
export function formOf(node) {
  return { 3: "maps", 2: "lines" }[node.shape.length] ?? "numbers";
}

/** The number at a place of a map as it was sent, to the 255 steps of its scale. */
export function valueAt(map, row, col) {
  const byte = map.bytes[row * map.shape[map.shape.length - 1] + col];
  return map.lo + ((map.hi - map.lo) * byte) / 255;
}

/** Rows and columns of the array that was sent. */
export function extent(map) {
  return map.shape.length > 1 ? map.shape : [1, map.shape[0]];
}

/** The unit of a node, in its own rows and columns, that is furthest from zero. */
export function strongest(node, map) {
  if (!map) return null;
  const [height, width] = extent(map);
  let best = 0;
  let most = -1;
  for (let i = 0; i < map.bytes.length; i++) {
    const size = Math.abs(map.lo + ((map.hi - map.lo) * map.bytes[i]) / 255);
    if (size > most) [most, best] = [size, i];
  }
  const [rows, columns] = sides(node);
  return {
    row: Math.floor(((Math.floor(best / width) + 0.5) * rows) / height),
    col: Math.floor((((best % width) + 0.5) * columns) / width),
  };
}

/** Rows and columns of a node's output; a series has one row, a vector is one number per channel. */
export function sides(node) {
  if (node.shape.length === 3) return [node.shape[1], node.shape[2]];
  return [1, node.shape.length === 2 ? node.shape[1] : 1];
}

/** Draw the output of a node into a box, in the form that suits it. */
export function draw(ctx, node, map, x, y, width, height) {
  const form = formOf(node);
  if (form === "maps") drawMap(ctx, map, x, y, width, height);
  else if (form === "lines") drawLine(ctx, map, x, y, width, height);
  else drawNumbers(ctx, map, x, y, width, height);
}

/** A map as colors: orange above zero, blue below, zero neutral. */
export function drawMap(ctx, map, x, y, width, height) {
  const [h, w] = extent(map);
  const buffer = scratchBuffer(w, h);
  const colors = pixels(kindOf(map));
  const out = new Uint32Array(buffer.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = colors[map.bytes[i]];
  place(ctx, buffer, x, y, width, height);
}

/** An image of one or three planes; a series as one line per channel. */
export function drawInput(ctx, image, x, y, width, height) {
  if (image.shape.length === 2) {
    const [channels, count] = image.shape;
    const { card, link, warm, good } = inks();
    ctx.fillStyle = card;
    ctx.fillRect(x, y, width, height);
    for (let c = 0; c < channels; c++) {
      const bytes = image.bytes.subarray(c * count, (c + 1) * count);
      trace(ctx, bytes, [link, warm, good][c % 3], x, y, width, height);
    }
    return;
  }
  const [channels, h, w] = image.shape;
  const buffer = scratchBuffer(w, h);
  const { data } = buffer;
  const plane = h * w;
  const [second, third] = channels >= 3 ? [plane, 2 * plane] : [0, 0];
  for (let i = 0; i < plane; i++) {
    data[4 * i] = image.bytes[i];
    data[4 * i + 1] = image.bytes[i + second];
    data[4 * i + 2] = image.bytes[i + third];
    data[4 * i + 3] = 255;
  }
  place(ctx, buffer, x, y, width, height);
}

/** A map laid over an image, in the colors of all maps; what is near zero lets the image through. */
export function drawOverlay(ctx, map, x, y, width, height, strength = 0.85) {
  const [h, w] = extent(map);
  const buffer = scratchBuffer(w, h);
  const { data } = buffer;
  const colors = scale("overlay");
  const most = Math.max(Math.abs(map.lo), Math.abs(map.hi)) || 1;
  for (let i = 0; i < map.bytes.length; i++) {
    const share = (map.lo + ((map.hi - map.lo) * map.bytes[i]) / 255) / most;
    const [r, g, b] = colors[share < 0 ? 0 : 255];
    data[4 * i] = r;
    data[4 * i + 1] = g;
    data[4 * i + 2] = b;
    data[4 * i + 3] = 255 * strength * Math.abs(share) ** 0.8;
  }
  ctx.imageSmoothingEnabled = true;
  place(ctx, buffer, x, y, width, height);
  ctx.imageSmoothingEnabled = false;
}

/** A series as a line between its lowest and highest value, zero drawn where it is between. */
export function drawLine(ctx, map, x, y, width, height) {
  const { card, link, line } = inks();
  ctx.fillStyle = card;
  ctx.fillRect(x, y, width, height);
  if (map.lo < 0 && map.hi > 0) {
    const zero = y + 2 + (height - 4) * (map.hi / (map.hi - map.lo));
    ctx.strokeStyle = line;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x, zero);
    ctx.lineTo(x + width, zero);
    ctx.stroke();
  }
  trace(ctx, map.bytes, link, x, y, width, height);
}

/** A vector as squares, row after row. */
export function drawNumbers(ctx, map, x, y, width, height) {
  const { columns, size } = squares(map.bytes.length, width, height);
  const colors = pixels(kindOf(map));
  for (let i = 0; i < map.bytes.length; i++) {
    const value = colors[map.bytes[i]];
    ctx.fillStyle = `rgb(${value & 255} ${(value >> 8) & 255} ${(value >> 16) & 255})`;
    const gap = size > 4 ? 1 : 0;
    ctx.fillRect(
      x + (i % columns) * size, y + Math.floor(i / columns) * size, size - gap, size - gap,
    );
  }
}

/** How many squares stand in a row, and their side, for so many numbers in a box. */
export function squares(count, width, height) {
  let size = Math.min(14, Math.sqrt((width * height) / count));
  let columns = Math.max(1, Math.floor(width / size));
  while (Math.ceil(count / columns) * size > height && size > 1) {
    size *= 0.96;
    columns = Math.max(1, Math.floor(width / size));
  }
  return { columns, size };
}

/** Which number of a vector is at a point of its box, or null. */
export function squareAt(count, width, height, px, py) {
  const { columns, size } = squares(count, width, height);
  const col = Math.floor(px / size);
  const index = Math.floor(py / size) * columns + col;
  return col < columns && index >= 0 && index < count ? index : null;
}

function trace(ctx, bytes, color, x, y, width, height) {
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.25;
  ctx.lineJoin = "round";
  ctx.beginPath();
  for (let i = 0; i < bytes.length; i++) {
    const px = x + ((i + 0.5) / bytes.length) * width;
    const py = y + 2 + (height - 4) * (1 - bytes[i] / 255);
    if (i === 0) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
  }
  ctx.stroke();
}

/** Room for the pixels of one map, made once a size: a hundred maps are drawn a step. */
function scratchBuffer(width, height) {
  const key = `${width}x${height}`;
  if (!buffers.has(key)) {
    if (buffers.size > 32) buffers.clear();
    buffers.set(key, scratch.getContext("2d", { willReadFrequently: true }).createImageData(width, height));
  }
  return buffers.get(key);
}

function place(ctx, buffer, x, y, width, height) {
  if (scratch.width < buffer.width || scratch.height < buffer.height) {
    scratch.width = Math.max(scratch.width, buffer.width);
    scratch.height = Math.max(scratch.height, buffer.height);
  }
  scratch.getContext("2d").putImageData(buffer, 0, 0);
  ctx.drawImage(scratch, 0, 0, buffer.width, buffer.height, x, y, width, height);
}
