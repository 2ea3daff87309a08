// The loop behind everything that follows the image: one step in flight, the newest wish wins.

import { Refused, step } from "./api.js";
import { toast } from "./dom.js";
import { forget, keep } from "./maps.js";
import { atRest, nodeOf, set, shown, state } from "./state.js";

/** Maps that one step may ask for. */
const MOST = 96;

const wishes = [];
const waiting = [];
let measured = () => [];
let wanted = false;
let busy = false;
let planned = false;
let imageOfMaps = null;
const times = [];

/** Tell which maps are needed: `wish(model, left)` gives [{ node, channels, full? }]. */
export function wish(give) {
  wishes.push(give);
}

/** Tell of which nodes equivariance errors are shown: `give(model)` gives their ids. */
export function measure(give) {
  measured = give;
}

/** Ask for a new frame; many calls make one. */
export function refresh() {
  wanted = true;
  plan();
}

/** What the page asks for now, of each model that is shown: its maps and errors. */
export const requests = () => shown().map((model) => ({ maps: request(model).maps, errors: measured(model) }));

/** Resolves when all that was wanted has been drawn. */
export function settled() {
  return wanted || busy ? new Promise((done) => waiting.push(done)) : Promise.resolve();
}

/** Frames drawn a second while they follow each other, and the server's milliseconds. */
export function pace() {
  const recent = times.filter((t) => t > performance.now() - 1000);
  return { rate: recent.length, ms: Math.max(0, ...shown().map((m) => state.frames[m]?.ms ?? 0)) };
}

function plan() {
  if (planned || busy || !wanted || !state.image) return;
  planned = true;
  // A hidden page draws no frames, but what it requested shall be there when it is seen again.
  if (document.hidden) setTimeout(run, 50);
  else requestAnimationFrame(run);
}

async function run() {
  planned = false;
  wanted = false;
  busy = true;
  const { image } = state;
  const of = stamp();
  const models = shown();
  const ends = await Promise.allSettled(models.map((model) => step(request(model))));
  busy = false;
  const faults = ends.filter((end) => end.status === "rejected").map((end) => end.reason);
  for (const fault of faults) {
    if (!(fault instanceof Refused)) throw fault;
    // A state of a drawing may be gone when its step comes; the page looks at a later one.
    if (fault.status === 409 || image !== state.image) wanted = true;
    else toast(fault.message, "fault");
  }
  // The next step is on its way while this one is drawn.
  if (wanted && !faults.length && !document.hidden) run();
  else plan();
  show(image, of, models, ends.map((end) => end.value ?? null), faults.every((f) => f.status === 409) || image !== state.image);
  if (!wanted && !busy) for (const done of waiting.splice(0)) done();
}

/** What a frame is of: it may be drawn under this name alone. */
const stamp = () => `${state.image}|${JSON.stringify(state.motion)}`;

/** Frames of another image or motion are forgotten: when another model comes, or a step failed. */
export function dropStale() {
  const now = stamp();
  if (state.frames.some((frame) => frame && frame.of !== now)) {
    set({ frames: state.frames.map((frame) => (frame?.of === now ? frame : undefined)) });
  }
}

function show(image, of, models, answers, well) {
  if (imageOfMaps !== image || state.about.saved) forget();
  imageOfMaps = image;
  const frames = [...state.frames];
  models.forEach((model, i) => {
    if (answers[i]) {
      keep(model, answers[i]);
      frames[model] = { ...answers[i], of, errorOf: new Map((answers[i].errors ?? []).map((row) => [row.node, row])) };
    } else if (!well && frames[model]?.of !== of) frames[model] = undefined;
  });
  times.push(performance.now());
  if (times.length > 120) times.splice(0, 60);
  set({ frames });
}

function request(model) {
  const maps = [];
  let left = MOST;
  for (const give of wishes) {
    for (const one of give(model, left)) {
      const cost = costOf(model, one);
      if (cost > left) continue;
      left -= cost;
      maps.push(one);
    }
  }
  return {
    model,
    image: state.image,
    motion: state.motion,
    maps,
    cam: state.cam && camOf(model),
    errors: atRest() ? false : measured(model),
    top: 10,
  };
}

function camOf(model) {
  return { ...state.cam, layer: model === state.model ? state.cam.layer : null };
}

function costOf(model, { node, channels }) {
  const shape = nodeOf(model, node)?.shape ?? [1];
  if (shape.length === 1) return 1;
  const count = Array.isArray(channels) ? channels.length : Number(channels.split(":")[1]);
  return Math.min(count, shape[0]);
}
