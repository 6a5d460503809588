import type { IncomingMessage } from 'node:http'

/** The bytes of bodies before parsing; a signature covers them. */
const rawBodies = new WeakMap<IncomingMessage, Buffer>()

/** Keeps the bytes of a body; it is the `verify` option of the body parser. */
export function keepRawBody(request: IncomingMessage, _response: unknown, body: Buffer): void {
  rawBodies.set(request, body)
}

/** Returns the bytes of the body; empty without a body. */
export function rawBodyOf(request: IncomingMessage): Buffer {
  return rawBodies.get(request) ?? Buffer.alloc(0)
}
