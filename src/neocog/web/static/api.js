// Questions to the server. The interface: JSON, and one binary form for the frames of a step.

const page = [...crypto.getRandomValues(new Uint8Array(8))]
  .map((b) => b.toString(16).padStart(2, "0"))
  .join("");

/** What the server refused, with its own sentence. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch {
    if (options.signal?.aborted) throw new Refused("superseded", 409);
    throw new Refused("The explorer does not answer; its program may have been stopped.", 0);
  }
  if (answer.ok) return answer;
  let message = `The explorer answered ${answer.status}.`;
  try {
    message = (await answer.json()).error ?? message;
  } catch {
    // an answer without a sentence
  }
  throw new Refused(message, answer.status);
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
  const answer = await ask(search ? `${path}?${search}` : path, options);
  try {
    return await answer.json();
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
export const pictures = (values) => get("/api/pictures", values, newest("pictures"));
export const filters = (model, node, page = 0) => get("/api/filters", { model, node, page }, newest("filters"));
export const likes = (model, node, channel) => get("/api/likes", { model, node, channel }, newest("likes"));
export const audit = (model) => get("/api/audit", { model });
export const auditNow = async (model, n) => (await post("/api/audit", { model, n })).json();
export const unit = async (body) => (await post("/api/unit", body)).json();
export const exported = async (body) => (await post("/api/export", body)).blob();

/** The address of a picture as a model sees it. */
export const pictureAddress = (id, model) => `/api/picture?${query({ id, model })}`;

/** Hand over a picture, a blob: { id, width, height }. A drawing takes the place of its last state. */
export async function sendPicture(blob, { drawn = false } = {}) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const headers = { "Content-Type": type, ...(drawn ? { "X-Page": page } : {}) };
  return (await ask("/api/picture", { method: "POST", body: blob, headers })).json();
}

/** One step of a model: answer, picture, maps, Grad-CAM, errors. */
export async function step(body) {
  const headers = { "X-Page": `${page}-${body.model}` };
  return decode(await (await post("/api/step", body, headers)).arrayBuffer());
}

/** A frame: its header, with the bytes of each array beside its shape. */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = 4 + length;
  const cut = (part) => {
    const count = part.shape.reduce((a, b) => a * b, 1);
    return { ...part, bytes: new Uint8Array(buffer, start + part.offset, count) };
  };
  return {
    ...header,
    picture: cut(header.picture),
    maps: header.maps.map(cut),
    cam: header.cam ? cut(header.cam) : null,
  };
}
