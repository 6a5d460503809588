import {
  openConnections,
  type Connections,
  type HttpAnswer,
  type LostAnswer,
} from './connections.ts'
import { codeOf, isAllowed, type Step } from './contract.ts'
import type { History } from './history.ts'
import { now, pause } from './time.ts'

export interface Call {
  readonly step: Step
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Path under the host, or an absolute URL of the same host. */
  readonly path: string
  readonly token?: string
  readonly key?: string
  readonly body?: unknown
  /** The shopper whose connections are used; the first one's unless given. */
  readonly lane?: number
}

export interface Reply {
  readonly status: number
  /** Parsed JSON; null when there was none. */
  readonly body: unknown
  readonly code: string | null
  readonly location: string | null
  readonly retryAfterMs: number | null
  /** The time when the first byte was sent, `now()` ms. */
  readonly sentAt: number
  /** The time when the last byte was received, `now()` ms. */
  readonly answeredAt: number
  /** The number of tries: 1, unless `persist` had to repeat. */
  readonly attempts: number
}

export interface Client {
  readonly origin: string
  /** No request is sent after this, `now()` ms. */
  readonly deadlineAt: number
  readonly faults: 'unexpected' | 'expected'
  /**
   * Returns when to stop waiting for a state that must be reached `afterMs` from now, `now()` ms.
   */
  giveUpAt(afterMs: number): number
  /**
   * Sends one request. Returns null when the connection broke or the deadline passed: the outcome
   * is unknown.
   */
  once(call: Call): Promise<Reply | null>
  /**
   * Repeats a request with the same key until it gets a final answer: after 503 and 429 it waits as
   * Retry-After says, after a lost connection it tries again. Returns null without a final answer.
   */
  persist(call: Call): Promise<Reply | null>
  close(): Promise<void>
}

export interface ClientOptions {
  /** The origins of the API nodes, at least one. Shoppers are spread over them. */
  readonly origins: readonly string[]
  readonly deadlineAt: number
  readonly history: History
  /**
   * `unexpected` (default): `persist` gives up soon. `expected`: it gives up only at the deadline,
   * and repeats a request after 408.
   */
  readonly faults?: 'unexpected' | 'expected'
}

/** The server holds an add-to-cart open for 5 s, so it can answer 202 before this timeout. */
const requestTimeoutMs = 15_000
const lostMax = 20
const faultsMax = 3
const retryPauseMs = 250
const requestTimeout = 408
/** A `Retry-After` is honoured between these bounds: neither a busy loop nor an endless wait. */
const retryAfterMsMin = 50
const retryAfterMsMax = 30_000

/** Makes an HTTP client with connections per shopper and a deadline; it records every exchange. */
export function createClient(options: ClientOptions): Client {
  const { origins, deadlineAt, faults = 'unexpected' } = options
  const connections = openConnections(origins)
  const once = (call: Call) => send(connections, options, call)
  return {
    origin: origins[0]!,
    deadlineAt,
    faults,
    giveUpAt: (afterMs) =>
      faults === 'expected' ? deadlineAt : Math.min(now() + afterMs, deadlineAt),
    once,
    persist: (call) => persist(once, options, call),
    close: () => connections.close(),
  }
}

async function send(
  connections: Connections,
  options: ClientOptions,
  call: Call,
): Promise<Reply | null> {
  const { deadlineAt, history } = options
  const shopper = call.lane ?? 0
  const path = pathOf(connections.originOf(shopper), call.path)
  const timeoutMs = Math.min(requestTimeoutMs, Math.floor(deadlineAt - now()))
  if (timeoutMs <= 0) return null
  const answer =
    path === null
      ? lostBefore('LEADS_AWAY')
      : await connections.send(shopper, {
          path,
          method: call.method,
          headers: headersOf(call),
          body: call.body === undefined ? null : JSON.stringify(call.body),
          timeoutMs,
        })
  if (answer.kind === 'answered') return record(options, call, replyOf(answer))
  const { sentAt, answeredAt, reason } = answer
  history.exchanges.push({
    step: call.step,
    bot: call.lane ?? null,
    sentAt,
    answeredAt,
    status: 'lost',
    code: reason,
    retryAfter: 'missing',
  })
  return null
}

function lostBefore(reason: string): LostAnswer {
  const at = now()
  return { kind: 'lost', reason, sentAt: at, answeredAt: at }
}

function replyOf({ status, headers, text, sentAt, answeredAt }: HttpAnswer): Reply {
  const body = parse(text)
  return {
    status,
    body,
    code: status >= 400 ? codeOf(body) : null,
    location: single(headers['location']),
    retryAfterMs: retryAfter(single(headers['retry-after'])),
    sentAt,
    answeredAt,
    attempts: 1,
  }
}

function record({ history, faults }: ClientOptions, call: Call, reply: Reply): Reply {
  history.exchanges.push({
    step: call.step,
    bot: call.lane ?? null,
    sentAt: reply.sentAt,
    answeredAt: reply.answeredAt,
    status: reply.status,
    code: reply.code,
    retryAfter: reply.retryAfterMs === null ? 'missing' : 'said',
  })
  const isExcused = faults === 'expected' && mayComeOfFaults(call.step, reply.status)
  if (!isExcused && !isAllowed(call.step, reply.status, reply.code)) {
    const what = `${call.method} ${call.path} answered ${reply.status} ${reply.code ?? ''}`.trim()
    history.unexpected.push({ step: call.step, what })
  }
  return reply
}

/**
 * Tells whether faults explain this answer: the server was stopped while reading, or a 202 died
 * with its node.
 */
const mayComeOfFaults = (step: Step, status: number): boolean =>
  status === requestTimeout || (step === 'add-to-cart status' && status === 404)

async function persist(
  once: (call: Call) => Promise<Reply | null>,
  { deadlineAt, faults: foreseen = 'unexpected' }: ClientOptions,
  call: Call,
): Promise<Reply | null> {
  const isForeseen = foreseen === 'expected'
  let lost = 0
  let faults = 0
  for (let attempts = 1; now() < deadlineAt; attempts += 1) {
    const reply = await once(call)
    if (reply === null) {
      lost += 1
      if (lost > lostMax && !isForeseen) return null
      await pause(Math.min(retryPauseMs, deadlineAt - now()))
    } else if (reply.status === 503 || reply.status === 429) {
      await pause(Math.min(reply.retryAfterMs ?? retryPauseMs, deadlineAt - now()))
    } else if (isForeseen && reply.status === requestTimeout) {
      await pause(Math.min(retryPauseMs, deadlineAt - now()))
    } else if (reply.status >= 500) {
      faults += 1
      if (faults > faultsMax) return null
      await pause(Math.min(retryPauseMs, deadlineAt - now()))
    } else {
      return { ...reply, attempts }
    }
  }
  return null
}

/** Returns the path of a URL; null when it leads to another host, as a `statusUrl` might. */
function pathOf(origin: string, path: string): string | null {
  const base = new URL(origin)
  const prefix = base.pathname.replace(/\/$/, '')
  if (path.startsWith('/') && prefix === '') return path
  const url = path.startsWith('/') ? new URL(`${prefix}${path}`, base) : new URL(path, base)
  return url.origin === base.origin ? `${url.pathname}${url.search}` : null
}

function headersOf(call: Call): Record<string, string> {
  return {
    accept: 'application/json',
    ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
    ...(call.key === undefined ? {} : { 'idempotency-key': call.key }),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

const single = (header: string | string[] | undefined): string | null =>
  (Array.isArray(header) ? header[0] : header) ?? null

/** Retry-After comes in seconds or as a date. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  if (Number.isNaN(ms)) return null
  return Math.min(Math.max(ms, retryAfterMsMin), retryAfterMsMax)
}
