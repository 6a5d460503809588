import type { IncomingMessage } from 'node:http'
import type { NewId } from '../../ids.ts'

declare module 'express-serve-static-core' {
  interface Request {
    /** The id of the request, from `readRequestId`. */
    id: string
  }
}

const requestIdPattern = /^[a-zA-Z0-9._-]{1,100}$/

/**
 * Returns the caller's `X-Request-Id` if it is valid, else a new id. Log lines and answers carry
 * it.
 */
export function readRequestId(request: IncomingMessage, newId: NewId): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && requestIdPattern.test(given) ? given : newId()
}

/** Tells whether the request has a body; `Content-Length: 0` is none. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
