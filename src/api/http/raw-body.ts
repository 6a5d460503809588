import type { IncomingMessage } from 'node:http'

/** The bytes a body had before it was parsed: what a signature is about. */
const rawBodies = new WeakMap<IncomingMessage, Buffer>()

/** For the `verify` option of the body parser. */
export function keepRawBody(request: IncomingMessage, _response: unknown, body: Buffer): void {
  rawBodies.set(request, body)
}

/** Empty when there was no body. */
export function rawBodyOf(request: IncomingMessage): Buffer {
  return rawBodies.get(request) ?? Buffer.alloc(0)
}
