/**
 * The layout of one WebSocket frame (RFC 6455, section 5.2), and the content of a close frame (section 7.4). Frames are
 * never fragmented here; those of a client are masked.
 *
 * @module
 */

/** The opcodes of RFC 6455, section 5.2; every other opcode is reserved. */
export const OPCODE = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** The longest payload of a control frame, in bytes (section 5.5). */
export const CONTROL_LIMIT = 125;

/** Returns the size of a frame on the wire, in bytes. */
export function frameSize(payload: Uint8Array): number {
  return headerSize(payload.length) + payload.length;
}

function headerSize(length: number): number {
  return length < 126 ? 2 : length < 0x1_0000 ? 4 : 10;
}

/** Returns the header of an unmasked, unfragmented frame with `length` bytes of payload. */
export function writeHeader(opcode: number, length: number): Uint8Array {
  const header = new Uint8Array(headerSize(length));
  putHeader(header, 0, opcode, length);
  return header;
}

/**
 * Writes an unmasked, unfragmented frame into `target` at `offset`.
 *
 * @returns The offset after the frame.
 */
export function writeFrame(
  target: Uint8Array,
  offset: number,
  opcode: number,
  payload: Uint8Array,
): number {
  const start = putHeader(target, offset, opcode, payload.length);
  target.set(payload, start);
  return start + payload.length;
}

/**
 * Returns a frame as a client sends it, with a random mask (section 5.3).
 *
 * @example
 * ```ts
 * socket.write(maskedFrame(OPCODE.text, new TextEncoder().encode("{}")));
 * ```
 */
export function maskedFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const header = writeHeader(opcode, payload.length);
  header[1] = (header[1] ?? 0) | 0x80;
  const mask = crypto.getRandomValues(new Uint8Array(4));
  const frame = new Uint8Array(header.length + mask.length + payload.length);
  frame.set(header);
  frame.set(mask, header.length);
  const start = header.length + mask.length;
  for (const [index, byte] of payload.entries()) {
    frame[start + index] = byte ^ (mask[index % mask.length] ?? 0);
  }
  return frame;
}

function putHeader(target: Uint8Array, offset: number, opcode: number, length: number): number {
  const size = headerSize(length);
  const view = new DataView(target.buffer, target.byteOffset + offset, size);
  view.setUint8(0, 0x80 | opcode);
  if (size === 2) {
    view.setUint8(1, length);
  } else if (size === 4) {
    view.setUint8(1, 126);
    view.setUint16(2, length);
  } else {
    view.setUint8(1, 127);
    view.setBigUint64(2, BigInt(length));
  }
  return offset + size;
}

/**
 * Tells whether an endpoint may send this code in a close frame: section 7.4.1 and the codes that IANA has registered
 * since (1012, 1013, 1014). 1004 to 1006 and 1015 never go over the wire.
 */
export function isCloseCode(code: number): boolean {
  return code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006) ||
    code >= 3000 && code <= 4999;
}

const encoder = new TextEncoder();

/**
 * Returns the payload of a close frame.
 *
 * @throws {RangeError} If the code may not be sent, or the reason has more than 123 bytes.
 */
export function closePayload(code: number, reason: string): Uint8Array {
  const text = encoder.encode(reason);
  if (!isCloseCode(code)) throw new RangeError(`${code} is no code for a close frame`);
  if (text.length > CONTROL_LIMIT - 2) throw new RangeError("The reason is longer than 123 bytes");
  const payload = new Uint8Array(2 + text.length);
  new DataView(payload.buffer).setUint16(0, code);
  payload.set(text, 2);
  return payload;
}
