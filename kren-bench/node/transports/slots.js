// A ring of slots over shared memory in plain JavaScript: what one writes by hand.

const HEAD = 0;
const TAIL = 32;
const HEADER = 256;

/** Bytes for `slots` messages of `size` bytes. */
export function bytes(slots, size) {
  return HEADER + slots * size;
}

export class Writer {
  #words;
  #data;
  #slots;
  #size;
  #head = 0;
  #at = 0;

  constructor(buffer, offset, slots, size) {
    this.#words = new Int32Array(buffer, offset, HEADER / 4);
    this.#data = new Uint8Array(buffer, offset + HEADER, slots * size);
    this.#slots = slots;
    this.#size = size;
  }

  /** Waits for room, spinning or, given `wait`, as that does. */
  write(payload, wait) {
    for (;;) {
      const tail = Atomics.load(this.#words, TAIL);
      if (((this.#head - tail) | 0) < this.#slots) break;
      wait?.(this.#words, TAIL, tail);
    }
    this.#data.set(payload, this.#at);
    this.#at = this.#at + this.#size === this.#data.length ? 0 : this.#at + this.#size;
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#words, HEAD, this.#head);
  }

  wake() {
    Atomics.notify(this.#words, HEAD);
  }
}

export class Reader {
  #words;
  #data;
  #size;
  #tail = 0;
  #at = 0;

  constructor(buffer, offset, slots, size) {
    this.#words = new Int32Array(buffer, offset, HEADER / 4);
    this.#data = new Uint8Array(buffer, offset + HEADER, slots * size);
    this.#size = size;
  }

  /** Waits for a message, spinning or, given `wait`, as that does; gives a copy. */
  read(wait) {
    while (Atomics.load(this.#words, HEAD) === this.#tail) wait?.(this.#words, HEAD, this.#tail);
    const message = Buffer.from(this.#data.subarray(this.#at, this.#at + this.#size));
    this.#at = this.#at + this.#size === this.#data.length ? 0 : this.#at + this.#size;
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.#words, TAIL, this.#tail);
    return message;
  }

  wake() {
    Atomics.notify(this.#words, TAIL);
  }
}

/** As many slots as fit into `capacity`, within reason. */
export function slotsFor(capacity, size) {
  return Math.max(2, Math.min(4096, Math.floor(capacity / size)));
}
