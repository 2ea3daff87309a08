// Questions to the server. The interface: JSON, and one binary form for the frames of a step.

import { Refused, decode } from "./frame.js";

export { Refused };

const page = [...crypto.getRandomValues(new Uint8Array(8))]
  .map((b) => b.toString(16).padStart(2, "0"))
  .join("");

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    if (options.signal?.aborted) throw new Refused("superseded", 409);
    throw new Refused("The explorer does not respond; it may have been stopped.", 0);
  }
  if (response.ok) return response;
  let message = `The explorer returned status ${response.status}.`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // a response without a sentence
  }
  throw new Refused(message, response.status);
}

const query = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, v]) => v !== null && v !== undefined));

const post = (path, body, headers = {}) =>
  ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });

const get = async (path, values = {}, options = {}) => {
  const search = query(values).toString();
  const response = await ask(search ? `${path}?${search}` : path, options);
  try {
    return await response.json();
  } catch (error) {
    if (options.signal?.aborted) throw new Refused("superseded", 409);
    throw error;
  }
};

/**
 * Slow questions, of which the newest of a kind counts: the one before is given up, here and, as
 * the server sees, there. `leave(kind)` gives up the last one too, when nobody looks any more.
 */
const asked = new Map();
const newest = (kind) => {
  leave(kind);
  asked.set(kind, new AbortController());
  return { headers: { "X-Page": page }, signal: asked.get(kind).signal };
};
export const leave = (kind) => asked.get(kind)?.abort();

export const about = () => get("/api/about");
export const graph = (model) => get("/api/graph", { model });
export const images = (values) => get("/api/images", values, newest("images"));
export const kernels = (model, node, page = 0) => get("/api/kernels", { model, node, page }, newest("kernels"));
export const topActivations = (model, node, channel) => get("/api/top-activations", { model, node, channel }, newest("top"));
export const neighbors = (model, id) => get("/api/neighbors", { model, id }, newest("neighbors"));
export const audit = (model) => get("/api/audit", { model });
export const auditNow = async (model, n) => (await post("/api/audit", { model, n })).json();
export const unit = async (body) => (await post("/api/unit", body)).json();
export const exported = async (body) => (await post("/api/export", body)).blob();

/** The address of an image as a model sees it. */
export const imageAddress = (id, model) => `/api/image?${query({ id, model })}`;

/** Hand over an image, a blob: { id, width, height }. A drawing takes the place of its last state. */
export async function sendImage(blob, { drawn = false } = {}) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const headers = { "Content-Type": type, ...(drawn ? { "X-Page": page } : {}) };
  return (await ask("/api/image", { method: "POST", body: blob, headers })).json();
}

/** One step of a model: prediction, image, feature maps, Grad-CAM, equivariance errors. */
export async function step(body) {
  const headers = { "X-Page": `${page}-${body.model}` };
  return decode(await (await post("/api/step", body, headers)).arrayBuffer());
}

/** The unit whose arithmetic can be requested: every one, as long as the program runs. */
export const nearest = (body) => body;
