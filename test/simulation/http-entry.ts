import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NextFunction, Request, Response } from 'express'
import { toProblem } from '../../src/api/http/app.ts'
import { keepRawBody } from '../../src/api/http/raw-body.ts'
import { routeHandler, sendReply, type AnyRoute } from '../../src/api/http/route.ts'
import type { Roles } from '../../src/roles.ts'

/** An HTTP request without a socket. */
export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers: Readonly<Record<string, string>>
}

export interface HttpAnswer {
  /** The HTTP status; 0 when no answer came. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export type HttpEntry = (call: HttpCall) => Promise<HttpAnswer>

interface Matched {
  readonly route: AnyRoute
  readonly params: Readonly<Record<string, string>>
}

/**
 * Serves requests by the fast path and the route handlers of the real server, without sockets and
 * Express.
 */
export function openHttpEntry(roles: Roles, newId: () => string): HttpEntry {
  const routes = roles.routes.map((route) => ({ route, pattern: patternOf(route.path) }))

  function match(method: string, path: string): Matched | undefined {
    for (const { route, pattern } of routes) {
      const found = route.method === method.toLowerCase() ? pattern.exec(path) : null
      if (found !== null) return { route, params: { ...found.groups } }
    }
    return undefined
  }

  async function serve({ route, params }: Matched, call: HttpCall, response: FakeResponse) {
    const request = expressRequest(call, { params, newId })
    response.setHeader('x-request-id', request.id)
    try {
      const handle = routeHandler(route, roles.authentication)
      await handle(request, response as unknown as Response, noNext)
    } catch (error) {
      sendReply(response as unknown as Response, toProblem(error))
    }
  }

  return (call) =>
    new Promise((resolve, reject) => {
      const response = new FakeResponse(resolve)
      const request = plainRequest(call)
      if (roles.fastPath?.take(request, response as unknown as ServerResponse) === true) {
        request.emit('data', bytesOf(call))
        request.emit('end')
        return
      }
      const matched = match(call.method, call.path)
      if (matched === undefined) reject(new Error(`no route ${call.method} ${call.path}`))
      else void serve(matched, call, response)
    })
}

const noNext: NextFunction = () => undefined

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`)
}

const bytesOf = ({ body }: HttpCall): Buffer =>
  body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body))

function plainRequest({ method, path, headers }: HttpCall): IncomingMessage {
  const request = Object.assign(new EventEmitter(), { method, url: path, headers })
  return request as unknown as IncomingMessage
}

interface Context {
  readonly params: Readonly<Record<string, string>>
  readonly newId: () => string
}

function expressRequest(call: HttpCall, { params, newId }: Context): Request {
  const { headers, body } = call
  const known = {
    headers,
    params,
    body,
    query: {},
    ip: '127.0.0.1',
    id: newId(),
    get: (name: string) => headers[name.toLowerCase()],
  }
  const request = Object.assign(plainRequest(call), known) as unknown as Request
  keepRawBody(request, undefined, bytesOf(call))
  return request
}

/** The part of a response that the fast path and `sendReply` use. */
class FakeResponse {
  statusCode = 200
  #headers: Record<string, string> = {}
  readonly #done: (answer: HttpAnswer) => void

  constructor(done: (answer: HttpAnswer) => void) {
    this.#done = done
  }

  set(name: string, value: string): void {
    this.setHeader(name, value)
  }

  setHeader(name: string, value: string): void {
    this.#headers[name.toLowerCase()] = value
  }

  getHeader(name: string): string | undefined {
    return this.#headers[name.toLowerCase()]
  }

  hasHeader(name: string): boolean {
    return this.getHeader(name) !== undefined
  }

  writeHead(status: number, headers: Readonly<Record<string, unknown>>): void {
    this.statusCode = status
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, String(value))
  }

  end(text?: string): void {
    const body = text === undefined ? undefined : (JSON.parse(text) as unknown)
    this.#done({ status: this.statusCode, headers: this.#headers, body })
  }

  destroy(): void {
    this.#done({ status: 0, headers: {}, body: undefined })
  }
}
