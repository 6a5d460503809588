import { Pool } from 'undici'
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
  /** Who asks: each has connections of its own, as long as there are enough. 0 unless given. */
  readonly lane?: number
}

export interface Reply {
  readonly status: number
  /** Parsed JSON; null when there was none. */
  readonly body: unknown
  readonly code: string | null
  readonly location: string | null
  readonly retryAfterMs: number | null
  readonly sentAt: number
  readonly answeredAt: number
  /** 1, unless `persist` had to ask again. */
  readonly attempts: number
}

export interface Client {
  readonly origin: string
  /** After this no request is sent. `now()` ms. */
  readonly deadlineAt: number
  /** One request. Null: the connection broke or the deadline passed, the outcome is unknown. */
  once(call: Call): Promise<Reply | null>
  /**
   * Asks until there is an answer that means something: 503 and 429 are waited out as Retry-After
   * says, lost connections are tried again, always with the same key. Null: still none.
   */
  persist(call: Call): Promise<Reply | null>
  close(): Promise<void>
}

export interface ClientOptions {
  readonly origin: string
  /** Shoppers with connections of their own; more than that many take turns. */
  readonly lanesMax: number
  readonly deadlineAt: number
  readonly history: History
}

/** Longer than the server holds an add-to-cart open (5 s), so that it can say 202 first. */
const requestTimeoutMs = 15_000
const responseBytesMax = 16 * 1024 * 1024
const lostMax = 20
const faultsMax = 3
const retryPauseMs = 250
/** What a server asks for is honoured between these: never a busy loop, never a lost run. */
const retryAfterMsMin = 50
const retryAfterMsMax = 30_000

/** Enough for somebody who clicks three things at once. */
const socketsPerLane = 3

/** HTTP with a bounded number of connections and a deadline on everything; records each exchange. */
export function createClient(options: ClientOptions): Client {
  const { origin, deadlineAt } = options
  const lanes = createLanes(new URL(origin).origin, options.lanesMax)
  const once = (call: Call) => send(lanes.of(call.lane ?? 0), options, call)
  return {
    origin,
    deadlineAt,
    once,
    persist: (call) => persist(once, deadlineAt, call),
    close: () => lanes.close(),
  }
}

/**
 * One small pool per shopper. A single large one looks through all its connections for a free one
 * at every request, which costs more than the request when there are thousands.
 */
function createLanes(origin: string, lanesMax: number) {
  const pools = new Map<number, Pool>()
  const open = (): Pool =>
    new Pool(origin, {
      connections: socketsPerLane,
      pipelining: 1,
      maxResponseSize: responseBytesMax,
      connect: { timeout: requestTimeoutMs },
    })
  return {
    of(lane: number): Pool {
      const index = lane % lanesMax
      const pool = pools.get(index) ?? open()
      pools.set(index, pool)
      return pool
    },
    async close(): Promise<void> {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

async function send(pool: Pool, options: ClientOptions, call: Call): Promise<Reply | null> {
  const sentAt = now()
  const timeoutMs = Math.min(requestTimeoutMs, Math.floor(options.deadlineAt - sentAt))
  if (timeoutMs <= 0) return null
  try {
    const response = await pool.request({
      path: pathOf(options.origin, call.path),
      method: call.method,
      headers: headersOf(call),
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: AbortSignal.timeout(timeoutMs),
    })
    const body = parse(await response.body.text())
    const reply: Reply = {
      status: response.statusCode,
      body,
      code: response.statusCode >= 400 ? codeOf(body) : null,
      location: single(response.headers['location']),
      retryAfterMs: retryAfter(single(response.headers['retry-after'])),
      sentAt,
      answeredAt: now(),
      attempts: 1,
    }
    record(options.history, call, reply)
    return reply
  } catch (error) {
    options.history.exchanges.push({
      step: call.step,
      sentAt,
      answeredAt: now(),
      status: 'lost',
      code: reasonOf(error),
      retryAfter: 'missing',
    })
    return null
  }
}

/** `ECONNRESET` and the like. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

function record(history: History, call: Call, reply: Reply): void {
  history.exchanges.push({
    step: call.step,
    sentAt: reply.sentAt,
    answeredAt: reply.answeredAt,
    status: reply.status,
    code: reply.code,
    retryAfter: reply.retryAfterMs === null ? 'missing' : 'said',
  })
  if (!isAllowed(call.step, reply.status, reply.code)) {
    const what = `${call.method} ${call.path} answered ${reply.status} ${reply.code ?? ''}`.trim()
    history.unexpected.push({ step: call.step, what })
  }
}

async function persist(
  once: (call: Call) => Promise<Reply | null>,
  deadlineAt: number,
  call: Call,
): Promise<Reply | null> {
  let lost = 0
  let faults = 0
  for (let attempts = 1; now() < deadlineAt; attempts += 1) {
    const reply = await once(call)
    if (reply === null) {
      lost += 1
      if (lost > lostMax) return null
      await pause(Math.min(retryPauseMs, deadlineAt - now()))
    } else if (reply.status === 503 || reply.status === 429) {
      await pause(Math.min(reply.retryAfterMs ?? retryPauseMs, deadlineAt - now()))
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

/** Never leaves the host under test, whatever a `statusUrl` says. */
function pathOf(origin: string, path: string): string {
  const base = new URL(origin)
  const prefix = base.pathname.replace(/\/$/, '')
  const url = path.startsWith('/') ? new URL(`${prefix}${path}`, base) : new URL(path, base)
  if (url.origin !== base.origin) throw new Error(`${path} points away from ${origin}`)
  return `${url.pathname}${url.search}`
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
