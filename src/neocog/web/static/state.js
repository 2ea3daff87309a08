// What is being looked at: one object, and functions that are told when parts of it change.

/** No motion at all. */
export const REST = Object.freeze({
  padding: "circular", dx: 0, dy: 0, angle: 0, scale: 1, elastic: Object.freeze({ amount: 0, seed: 0 }),
});

export const state = {
  about: null, // what /api/about gives
  graphs: [], // what /api/graph gives, one a model
  both: false, // two models are shown
  model: 0, // the one that is inspected
  image: null, // id of an image
  imageName: "",
  motion: REST,
  cam: null, // { target, layer, method } while Grad-CAM is on
  frames: [], // the last step, one a model
  node: null, // id of the node that is inspected
  channel: 0,
  unit: null, // { row, col }
  tab: "maps",
  field: null, // receptive field of the unit, drawn on the image
};

const listeners = [];

/** Call `tell(state)` after any of these keys changed. */
export function on(keys, tell) {
  listeners.push({ keys: keys.split(" "), tell });
}

/** Change some keys and tell who listens to them, each once. */
export function set(changes) {
  if (changes.motion && state.about?.motions) changes.motion = nearest(changes.motion);
  const changed = Object.keys(changes).filter((key) => state[key] !== changes[key]);
  if (!changed.length) return;
  Object.assign(state, changes);
  for (const { keys, tell } of listeners) if (keys.some((k) => changed.includes(k))) tell(state);
}

const AXES = [(m) => m.dx, (m) => m.dy, (m) => m.angle / 15, (m) => 8 * Math.log2(m.scale), (m) => 2 * m.elastic.amount];

/** A saved page holds a few motions: the nearest one, above all in what was just changed. */
function nearest(wanted) {
  const weights = AXES.map((of) => (of(wanted) === of(state.motion) ? 1 : 100));
  const far = (motion) => AXES.reduce((sum, of, i) => sum + weights[i] * Math.abs(of(motion) - of(wanted)), 0);
  return state.about.motions.reduce((best, motion) => (far(motion) < far(best) ? motion : best));
}

/** The models that are shown now. */
export const shown = () => (state.both ? [0, 1] : [state.model]);

/** A node of the graph by its id. */
export function nodeOf(model, id) {
  const graph = state.graphs[model];
  if (!graph || id === null) return null;
  graph.index ??= new Map(graph.nodes.map((node) => [node.id, node]));
  return graph.index.get(id) ?? null;
}

/** Whether the image stands as it is. */
export function atRest(motion = state.motion) {
  return (
    motion.dx === 0 && motion.dy === 0 && motion.angle === 0 && motion.scale === 1 &&
    motion.elastic.amount === 0
  );
}

/** Whether a model takes series (1-D) and not images. */
export function isSeries(model = state.model) {
  return state.about?.models[model]?.size.length === 1;
}
