// A saved page has no program to ask: the same questions, answered from what the file holds.

import { Refused, decode } from "./frame.js";

export { Refused };

const NOT_HERE = "This saved page does not contain that. Run neocog explore for everything.";

const file = (async () => {
  const text = atob(document.getElementById("neocog-data").textContent);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const whole = await new Response(stream).arrayBuffer();
  const end = whole.byteLength - 4;
  const size = new DataView(whole).getUint32(end, true);
  return { whole, ...JSON.parse(new TextDecoder().decode(new Uint8Array(whole, end - size, size))) };
})();

let units = null;
let ready = null;

const missing = () => {
  throw new Refused(NOT_HERE, 404);
};
const known = async (table, key) => (await file)[table][key] ?? missing();
const place = ({ model, node, channel, row, col }) => [model, node, channel, row, col].join(":");
const motionOf = ({ motions }, motion) => motions.findIndex((one) => JSON.stringify(one) === JSON.stringify(motion));

export async function about() {
  ready = await file;
  return { ...ready.about, motions: ready.motions };
}
export const graph = async (model) => (await file).graphs[model];
export const kernels = (model, node, page = 0) => known("kernels", `${model}:${node}:${page}`);
export const topActivations = (model, node, channel) => known("top", `${model}:${node}:${channel}`);
export const audit = (model) => known("audits", model);
export const leave = () => {};
export const images = missing;
export const neighbors = missing;
export const auditNow = missing;
export const exported = missing;
export const sendImage = missing;

/** The address of an image that the file holds; of none for others. */
export const imageAddress = (id, model) => (ready?.images[`${model}:${id}`] ? `data:image/png;base64,${ready.images[`${model}:${id}`]}` : "data:,");

/** One step: the frame of a model and a motion, its image at the size that the model takes. */
export async function step({ model, motion }) {
  const held = await file;
  const [from, length] = held.frames[`${model}:${motionOf(held, motion)}`] ?? missing();
  const frame = decode(held.whole.slice(from, from + length));
  return { ...frame, image: enlarged(frame.image, held.about.models[model].size) };
}

/** Bytes of an image that was stored smaller, each repeated. */
function enlarged(image, size) {
  if (image.shape.length < 3 || image.shape[1] === size[0]) return image;
  const [channels, h, w] = image.shape;
  const [rows, columns] = size;
  const bytes = new Uint8Array(channels * rows * columns);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < rows; i++) {
      const row = (c * h + Math.floor((i * h) / rows)) * w;
      for (let j = 0; j < columns; j++) bytes[(c * rows + i) * columns + j] = image.bytes[row + Math.floor((j * w) / columns)];
    }
  }
  return { ...image, shape: [channels, rows, columns], bytes };
}

/** The arithmetic of a unit; products are patch × kernel. */
export async function unit(body) {
  const held = await file;
  const found = unitsOf(held).get(motionOf(held, body.motion))?.get(place(body));
  if (!found) throw new Refused("This saved page does not contain the arithmetic of this layer for this transform. Reset the transform, or run neocog explore.", 404);
  return { ...found, inputs: found.inputs.map((one) => (Number.isInteger(one.kernel) ? multiplied(one, held.kernels_of_units[one.kernel]) : one)) };
}

const multiplied = (one, kernel) => ({ ...one, kernel, products: one.patch.map((row, i) => row.map((v, j) => (v === null ? null : v * kernel[i][j]))) });

/** The unit that is held and nearest to the wanted one, in the same layer and motion. */
export function nearest(body) {
  const held = ready && unitsOf(ready).get(motionOf(ready, body.motion));
  if (!held || held.has(place(body))) return body;
  let best = body;
  let least = Infinity;
  for (const one of held.values()) {
    if (one.model !== body.model || one.node !== body.node) continue;
    const far = (one.channel === body.channel ? 0 : 1e4 + Math.abs(one.channel - body.channel)) + Math.abs(one.row - body.row) + Math.abs(one.col - body.col);
    if (far < least) [least, best] = [far, { ...body, channel: one.channel, row: one.row, col: one.col }];
  }
  return best;
}

function unitsOf(held) {
  if (!units) {
    units = new Map();
    for (const one of held.units) {
      if (!units.has(one.motion)) units.set(one.motion, new Map());
      units.get(one.motion).set(place(one), one);
    }
  }
  return units;
}
