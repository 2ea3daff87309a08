// What comes from the server: the frames of steps, and the sentences of what it refuses.

/** What the server refused, with its own sentence. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
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
    image: cut(header.image),
    maps: header.maps.map(cut),
    cam: header.cam ? cut(header.cam) : null,
  };
}
