// Feature maps, pictures, series and vectors on a canvas, from the bytes of a frame.

import { inks, pixels } from "./colours.js";

const kept = [new Map(), new Map()];
const scratch = document.createElement("canvas");
const images = new Map();

/** Remember the maps of a frame until newer ones come. */
export function keep(model, frame) {
  for (const map of frame.maps) kept[model].set(`${map.node}:${map.channel}`, map);
}

/** The last known map of one channel of a node, or undefined. */
export function mapOf(model, node, channel) {
  return kept[model].get(`${node}:${channel}`);
}

/** All known maps belong to another picture now. */
export function forget() {
  for (const maps of kept) maps.clear();
}

/** How the output of a node is drawn: "maps", "lines" or "numbers". */
export function formOf(node) {
  return { 3: "maps", 2: "lines" }[node.shape.length] ?? "numbers";
}

/** The number at a place of a map as it came, to the 255 steps of its scale. */
export function valueAt(map, row, col) {
  const byte = map.bytes[row * map.shape[map.shape.length - 1] + col];
  return map.lo + ((map.hi - map.lo) * byte) / 255;
}

/** Rows and columns of the array that came. */
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

/** Rows and columns of a node's output; a series has one row, a vector is one number a channel. */
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

/** A map as colours: one hue from its lowest value, or two from zero when it goes below. */
export function drawMap(ctx, map, x, y, width, height) {
  const [h, w] = extent(map);
  const image = scratchImage(w, h);
  const colours = pixels(map.lo < 0 ? "both" : "amount");
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = colours[map.bytes[i]];
  place(ctx, image, x, y, width, height);
}

/** A picture of one or three planes; a series as one line a channel. */
export function drawPicture(ctx, picture, x, y, width, height) {
  if (picture.shape.length === 2) {
    const [channels, count] = picture.shape;
    const { card, link, warm, good } = inks();
    ctx.fillStyle = card;
    ctx.fillRect(x, y, width, height);
    for (let c = 0; c < channels; c++) {
      const bytes = picture.bytes.subarray(c * count, (c + 1) * count);
      trace(ctx, bytes, [link, warm, good][c % 3], x, y, width, height);
    }
    return;
  }
  const [channels, h, w] = picture.shape;
  const image = scratchImage(w, h);
  const { data } = image;
  const plane = h * w;
  const [second, third] = channels >= 3 ? [plane, 2 * plane] : [0, 0];
  for (let i = 0; i < plane; i++) {
    data[4 * i] = picture.bytes[i];
    data[4 * i + 1] = picture.bytes[i + second];
    data[4 * i + 2] = picture.bytes[i + third];
    data[4 * i + 3] = 255;
  }
  place(ctx, image, x, y, width, height);
}

/** A map laid over a picture: what speaks for is warm, what speaks against is cold. */
export function drawOverlay(ctx, map, x, y, width, height, strength = 0.85) {
  const [h, w] = extent(map);
  const image = scratchImage(w, h);
  const { data } = image;
  const most = Math.max(Math.abs(map.lo), Math.abs(map.hi)) || 1;
  for (let i = 0; i < map.bytes.length; i++) {
    const share = (map.lo + ((map.hi - map.lo) * map.bytes[i]) / 255) / most;
    const [r, g, b] = share < 0 ? [64, 138, 255] : [255, 112, 20];
    data[4 * i] = r;
    data[4 * i + 1] = g;
    data[4 * i + 2] = b;
    data[4 * i + 3] = 255 * strength * Math.abs(share) ** 0.8;
  }
  ctx.imageSmoothingEnabled = true;
  place(ctx, image, x, y, width, height);
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
  const colours = pixels(map.lo < 0 ? "both" : "amount");
  for (let i = 0; i < map.bytes.length; i++) {
    const value = colours[map.bytes[i]];
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

function trace(ctx, bytes, colour, x, y, width, height) {
  ctx.strokeStyle = colour;
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
function scratchImage(width, height) {
  const key = `${width}x${height}`;
  if (!images.has(key)) {
    if (images.size > 32) images.clear();
    images.set(key, scratch.getContext("2d", { willReadFrequently: true }).createImageData(width, height));
  }
  return images.get(key);
}

function place(ctx, image, x, y, width, height) {
  if (scratch.width < image.width || scratch.height < image.height) {
    scratch.width = Math.max(scratch.width, image.width);
    scratch.height = Math.max(scratch.height, image.height);
  }
  scratch.getContext("2d").putImageData(image, 0, 0);
  ctx.drawImage(scratch, 0, 0, image.width, image.height, x, y, width, height);
}
