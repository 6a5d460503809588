import type { IncomingMessage } from 'node:http'
import type { NewId } from '../../ids.ts'

declare module 'express-serve-static-core' {
  interface Request {
    /** See `readRequestId`. */
    id: string
  }
}

const requestIdPattern = /^[a-zA-Z0-9._-]{1,100}$/

/** The caller's `X-Request-Id` if it is sane, else a new one. It ties log lines and answers together. */
export function readRequestId(request: IncomingMessage, newId: NewId): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && requestIdPattern.test(given) ? given : newId()
}

/** Whether a body comes with the request; `Content-Length: 0` is none. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
