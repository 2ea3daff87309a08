// A link reopens a view: model, image, layer, view, channel, unit, transformation and Grad-CAM stand in its hash.
// A hash may come from anybody: only what is known here, and within its bounds, is taken from it.

import { byId, toast } from "./dom.js";
import { sides } from "./maps.js";
import { REST, nodeOf, on, set, state } from "./state.js";

const SIDES = ["A", "B"];
const TABS = ["maps", "unit", "top", "kernels"];
let written = null;
let timer = 0;

/** Keep the address of the page that of the view, and follow an address that is entered. */
export function start() {
  on("model both image node tab channel unit motion cam", () => {
    clearTimeout(timer);
    timer = setTimeout(write, 250);
  });
  addEventListener("hashchange", () => {
    if (location.hash.slice(1) !== written) set(decode(location.hash.slice(1)));
  });
  byId("link").addEventListener("click", copy);
}

/** Copy the address of this view. */
export async function copy() {
  write();
  try {
    await navigator.clipboard.writeText(location.href);
    toast(state.about.saved ? "The link to this view of the file is copied." : "The link is copied. It reopens this view as long as this explorer runs.");
  } catch {
    toast(location.href);
  }
}

function write() {
  clearTimeout(timer);
  const text = encode();
  if (text === written) return;
  written = text;
  try {
    history.replaceState(null, "", `#${text}`);
  } catch {
    location.replace(`#${text}`); // some browsers, for files
  }
}

/** The view as text. */
export function encode() {
  const parts = new URLSearchParams();
  const put = (name, value, wanted = true) => wanted && parts.set(name, value);
  const { motion, cam, unit } = state;
  const several = state.about.models.length > 1;
  put("models", state.both ? "both" : SIDES[state.model], several);
  put("image", state.image, state.image !== null);
  const node = nodeOf(state.model, state.node);
  if (node) {
    put("side", SIDES[state.model], state.both && state.model > 0);
    put("layer", named(node) ?? `${node.id}`);
    put("view", state.tab);
    put("channel", state.channel);
    put("unit", unit && `${unit.row},${unit.col}`, unit && state.tab === "unit");
  }
  put("shift", `${motion.dx},${motion.dy}`, motion.dx || motion.dy);
  put("rotation", motion.angle, motion.angle);
  put("scale", motion.scale.toFixed(4), motion.scale !== 1);
  put("elastic", `${motion.elastic.amount.toFixed(3)},${motion.elastic.seed}`, motion.elastic.amount);
  put("padding", motion.padding, motion.padding !== REST.padding);
  put("cam", cam && `${cam.target ?? "predicted"}${cam.layer ? `,${cam.layer}` : ""}`, cam);
  return parts.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** A node's name where it is a name of no other, and no number. */
function named(node) {
  const alone = state.graphs[state.model].nodes.filter((n) => n.name === node.name).length === 1;
  return node.name && alone && !/^\d+$/.test(node.name) ? node.name : null;
}

/** What a hash asks for, as far as it is known here. */
export function decode(text) {
  const parts = new URLSearchParams(text);
  const get = (name) => parts.get(name) ?? "";
  const found = {};
  const { models, data } = state.about;
  if (models.length > 1 && parts.has("models")) {
    found.both = get("models") === "both";
    found.model = Math.max(0, SIDES.indexOf(found.both ? get("side") : get("models")));
  }
  const image = get("image");
  const [split, index] = image.split(":");
  const inData = /^\d{1,9}$/.test(index ?? "") && Number(index) < (data?.splits?.[split] ?? 0);
  if (inData || /^own:[0-9a-f]{16}$/.test(image)) Object.assign(found, { image, imageName: image });
  Object.assign(found, ofLayer(found.model ?? state.model, get), { motion: ofMotion(get), cam: ofCam(get) });
  return found;
}

function ofLayer(model, get) {
  const graph = state.graphs[model];
  const layer = get("layer");
  const node = graph?.nodes.find((n) => n.name === layer && layer) ?? (/^\d{1,9}$/.test(layer) ? nodeOf(model, Number(layer)) : null);
  if (!node) return {};
  const [rows, columns] = sides(node);
  const [row, col] = get("unit").split(",").map((v) => whole(v, -1));
  const channel = whole(get("channel"), 0);
  return {
    node: node.id, tab: TABS.includes(get("view")) ? get("view") : "maps",
    channel: channel < (node.shape[0] ?? 1) ? channel : 0,
    unit: row >= 0 && row < rows && col >= 0 && col < columns ? { row, col } : null,
  };
}

const whole = (text, otherwise) => (/^\d{1,9}$/.test(text ?? "") ? Number(text) : otherwise);

/** A number of a hash within bounds. */
function real(text, low, high, otherwise) {
  const value = Number(text);
  return text !== "" && text !== undefined && Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
}

function ofMotion(get) {
  const [dx, dy] = get("shift").split(",");
  const [amount, seed] = get("elastic").split(",");
  const size = Math.max(...state.about.models[0].size);
  return {
    padding: get("padding") === "zeros" ? "zeros" : REST.padding,
    dx: Math.round(real(dx, -size, size, 0)), dy: Math.round(real(dy, -size, size, 0)),
    angle: real(get("rotation"), -180, 180, 0), scale: real(get("scale"), 0.5, 2, 1),
    elastic: { amount: real(amount, 0, size, 0), seed: whole(seed, 0) },
  };
}

function ofCam(get) {
  if (!get("cam")) return null;
  const [target, ...layer] = get("cam").split(",");
  return { target: /^\d{1,6}$/.test(target) ? Number(target) : null, layer: layer.join(",") || null, method: "grad_cam" };
}
