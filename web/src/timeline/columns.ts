/**
 * The binary columns of a play, as `GET /plays/SID/columns` streams them (docs/rpc.md, "The first view"), piece by
 * piece: however the bytes are cut, the same frames come out. Nothing is trusted: a length that cannot be is an error.
 */

const MAGIC = "HEROCOL1";
const FRAME_HEAD_BYTES = 8;
/** A frame has at most so many bytes: 2,000 rows with 64 KiB of tags each, and room to spare. */
const MAX_FRAME_BYTES = 512 * 1024 * 1024;

export type Bytes = Uint8Array<ArrayBuffer>;

export interface ColumnOf {
  readonly name: string;
  readonly type: string;
}

/** Texts of a column: text `i` is the bytes from `offsets[i]` to `offsets[i + 1]`, in UTF-8. */
export interface Texts {
  readonly offsets: Uint32Array;
  readonly bytes: Bytes;
}

export interface Block {
  readonly rows: number;
  readonly numbers: Readonly<Record<string, Float64Array | Uint32Array>>;
  readonly texts: Readonly<Record<string, Texts>>;
}

export interface Head {
  readonly schema: number;
  readonly play: Readonly<Record<string, unknown>>;
  readonly columns: readonly ColumnOf[];
}

export interface Done {
  readonly revision: number;
  readonly rows: number;
}

/** What a decoder tells, in the order of the frames. */
export interface Listener {
  head(head: Head): void;
  names(names: readonly string[]): void;
  block(block: Block): void;
  done(done: Done): void;
}

/** What came is not what the service sends. */
export class BadColumns extends Error {}

export class ColumnDecoder {
  #pending: Bytes = new Uint8Array(0);
  #hasMagic = false;
  #columns: readonly ColumnOf[] | null = null;
  #text = new TextDecoder();
  isDone = false;

  constructor(private readonly listener: Listener) {}

  /** Take the bytes that come next. */
  push(piece: Bytes): void {
    const bytes = this.#pending.length ? joined(this.#pending, piece) : piece;
    let at = 0;
    if (!this.#hasMagic) {
      if (bytes.length < MAGIC.length) return this.#keep(bytes, 0);
      if (this.#text.decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
        throw new BadColumns("the server sent no columns of a play; it may be of another release");
      }
      this.#hasMagic = true;
      at = MAGIC.length;
    }
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const size = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(4, true);
      if (size > MAX_FRAME_BYTES) throw new BadColumns(`a frame of ${size} bytes is larger than any can be`);
      const end = at + FRAME_HEAD_BYTES + size + padding(size);
      if (end > bytes.length) break;
      this.#frame(
        this.#text.decode(bytes.subarray(at, at + 4)),
        bytes.subarray(at + FRAME_HEAD_BYTES, at + 8 + size),
      );
      at = end;
    }
    this.#keep(bytes, at);
  }

  /** Say that no more bytes come; an error where the stream was broken off. */
  finish(): void {
    if (!this.isDone) throw new BadColumns("the columns of the play were broken off before their end");
  }

  #keep(bytes: Bytes, from: number): void {
    this.#pending = from === bytes.length ? new Uint8Array(0) : bytes.slice(from);
  }

  #frame(kind: string, payload: Bytes): void {
    if (kind === "head") {
      const head = this.#json(payload) as Head;
      this.#columns = head.columns;
      this.listener.head(head);
    } else if (kind === "name") {
      this.listener.names(this.#json(payload) as string[]);
    } else if (kind === "rows") {
      this.listener.block(readBlock(this.#columns, payload));
    } else if (kind === "done") {
      this.isDone = true;
      this.listener.done(this.#json(payload) as Done);
    }
    // Other frames are a later release's: what they say is not needed to draw a play.
  }

  #json(payload: Bytes): unknown {
    return JSON.parse(this.#text.decode(payload));
  }
}

function joined(first: Bytes, second: Bytes): Bytes {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function padding(size: number): number {
  return (8 - (size % 8)) % 8;
}

/** Reads numbers wherever they lie: a piece of a stream may begin at any byte, a typed array may not. */
class Reader {
  #at = 0;
  constructor(private readonly bytes: Bytes) {}

  take(size: number): Bytes {
    const end = this.#at + size;
    if (end > this.bytes.length) throw new BadColumns("a block of columns is shorter than it says");
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = Math.min(end + padding(size), this.bytes.length);
    return taken;
  }

  u32(count: number): Uint32Array {
    const taken = this.take(count * 4);
    if (taken.byteOffset % 4 === 0) return new Uint32Array(taken.buffer, taken.byteOffset, count);
    return new Uint32Array(taken.slice().buffer);
  }

  f64(count: number): Float64Array {
    const taken = this.take(count * 8);
    if (taken.byteOffset % 8 === 0) return new Float64Array(taken.buffer, taken.byteOffset, count);
    return new Float64Array(taken.slice().buffer);
  }

  /** As doubles: exact up to 2**53, and no store has written as often. */
  u64(count: number): Float64Array {
    const halves = this.u32(count * 2);
    const values = new Float64Array(count);
    for (let at = 0; at < count; at++) values[at] = halves[at * 2]! + halves[at * 2 + 1]! * 2 ** 32;
    return values;
  }

  texts(count: number): Texts {
    const offsets = this.u32(count + 1);
    for (let at = 0; at < count; at++) {
      if (offsets[at]! > offsets[at + 1]!) throw new BadColumns("the texts of a column run backwards");
    }
    return { offsets, bytes: this.take(offsets[count]!) };
  }
}

function readBlock(columns: readonly ColumnOf[] | null, payload: Bytes): Block {
  if (!columns) throw new BadColumns("rows came before the head that says what they are");
  const reader = new Reader(payload);
  const rows = reader.u64(1)[0]!;
  if (rows * 8 > payload.length) throw new BadColumns(`a block says it has ${rows} rows, and is too small`);
  const numbers: Record<string, Float64Array | Uint32Array> = {};
  const texts: Record<string, Texts> = {};
  for (const { name, type } of columns) {
    if (type === "f64") numbers[name] = reader.f64(rows);
    else if (type === "u64") numbers[name] = reader.u64(rows);
    else if (type === "u32" || type === "name") numbers[name] = reader.u32(rows);
    else if (type === "text") texts[name] = reader.texts(rows);
    else throw new BadColumns(`a column has the type ${type}, which this page does not know: reload it`);
  }
  return { rows, numbers, texts };
}
