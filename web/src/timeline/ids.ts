/**
 * Which row a span id stands for: a hash table over the bytes of the ids, without a string or an object per span.
 *
 * A Map of a million strings takes over a hundred megabytes; this takes the bytes, and twelve more for each.
 */

const EMPTY = -1;

/** FNV-1a with a last mix: short ids that differ in one digit fall far from each other. */
function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let at = from; at < to; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193);
  value ^= value >>> 15;
  value = Math.imul(value, 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}

export class IdTable {
  #bytes = new Uint8Array(1 << 14);
  #used = 0;
  #begins = new Uint32Array(1 << 10);
  #ends = new Uint32Array(1 << 10);
  #slots = new Int32Array(1 << 11).fill(EMPTY);
  #count = 0;
  #decoder = new TextDecoder();

  /** The row of an id that is the bytes `from` to `to`; -1 where there is none. */
  find(bytes: Uint8Array, from: number, to: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(bytes, from, to) & mask;
    for (;;) {
      const row = this.#slots[slot]!;
      if (row === EMPTY || this.#same(row, bytes, from, to)) return row;
      slot = (slot + 1) & mask;
    }
  }

  /** Say that an id, which is not there yet, is that of a row, which has none yet. */
  add(row: number, bytes: Uint8Array, from: number, to: number): void {
    const size = to - from;
    this.#makeRoom(row, size);
    this.#bytes.set(bytes.subarray(from, to), this.#used);
    this.#begins[row] = this.#used;
    this.#ends[row] = this.#used + size;
    this.#used += size;
    this.#count++;
    if (this.#count * 2 > this.#slots.length) this.#rehash(row + 1);
    else this.#place(row, hash(bytes, from, to));
  }

  /** The id of a row; "" where it has none. */
  text(row: number): string {
    if (row >= this.#ends.length) return "";
    return this.#decoder.decode(this.#bytes.subarray(this.#begins[row]!, this.#ends[row]!));
  }

  #same(row: number, bytes: Uint8Array, from: number, to: number): boolean {
    const begin = this.#begins[row]!;
    const size = to - from;
    if (this.#ends[row]! - begin !== size) return false;
    for (let at = 0; at < size; at++) if (this.#bytes[begin + at] !== bytes[from + at]) return false;
    return true;
  }

  #place(row: number, value: number): void {
    const mask = this.#slots.length - 1;
    let slot = value & mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#slots[slot] = row;
  }

  #makeRoom(row: number, size: number): void {
    if (this.#used + size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 1.5, this.#used + size) | 0);
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    if (row < this.#begins.length) return;
    const length = Math.max(this.#begins.length * 2, row + 1);
    const begins = new Uint32Array(length);
    begins.set(this.#begins);
    this.#begins = begins;
    const ends = new Uint32Array(length);
    ends.set(this.#ends);
    this.#ends = ends;
  }

  #rehash(rows: number): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2).fill(EMPTY);
    for (const row of old) if (row !== EMPTY) this.#place(row, this.#hashOf(row));
    const newest = rows - 1;
    this.#place(newest, this.#hashOf(newest));
  }

  #hashOf(row: number): number {
    return hash(this.#bytes, this.#begins[row]!, this.#ends[row]!);
  }
}
