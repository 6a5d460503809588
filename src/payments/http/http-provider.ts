/**
 * This file is the provider port over HTTP, as `npm run payment-simulator` speaks it. Every call
 * has a connection and a deadline of its own. A reply that does not answer the call counts as no
 * answer.
 */
import { request as requestHttp, type ClientRequest } from 'node:http'
import { request as requestHttps } from 'node:https'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { LedgerPage, PaymentLedger } from '../ledger.ts'
import {
  AlreadyCapturedError,
  ProviderUnavailableError,
  type Authorization,
  type PaymentProvider,
  type ProviderPayment,
} from '../provider.ts'

export interface HttpProviderOptions {
  /** The base URL, such as `http://127.0.0.1:4242`. */
  readonly url: string
  readonly clock: Clock
  /** A call may take this long, from connecting to the last byte. 5000 unless given. */
  readonly timeoutMs?: number
}

const minor = z.int().min(0)
const authorization = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['authorized', 'pending']) }),
  z.object({ kind: z.literal('declined'), code: z.string() }),
])
const authorizeAnswer = z.object({ paymentId: z.string(), authorization })
const doneAnswer = z.object({ paymentId: z.string() })
const findAnswer = z.object({
  paymentId: z.string(),
  status: z.enum(['pending', 'authorized', 'captured', 'declined', 'voided']),
  declineCode: z.string().nullable(),
  amountMinor: minor,
  currency: z.string(),
})
const ledgerAnswer = z.object({
  captured: z.array(
    z.object({
      paymentId: z.string(),
      invoiceId: z.string(),
      amountMinor: minor,
      currency: z.string(),
      capturedAt: z.int(),
    }),
  ),
  next: z.string().nullable(),
  voidsOfCaptured: z.int(),
})

export function createHttpProvider(options: HttpProviderOptions): PaymentProvider & PaymentLedger {
  const ask = createAsk(options)
  const pathOf = (paymentId: string): string => `/payments/${encodeURIComponent(paymentId)}`

  return {
    async authorize(order): Promise<Authorization> {
      const { paymentId, ...body } = order
      const answer = await ask({ method: 'POST', path: `${pathOf(paymentId)}/authorize`, body })
      refuse(answer, { 200: undefined })
      return about(paymentId, read(authorizeAnswer, answer)).authorization
    },
    async capture(paymentId) {
      const answer = await ask({ method: 'POST', path: `${pathOf(paymentId)}/capture` })
      refuse(answer, { 200: undefined })
      about(paymentId, read(doneAnswer, answer))
    },
    async void(paymentId) {
      const answer = await ask({ method: 'POST', path: `${pathOf(paymentId)}/void` })
      const captured = new AlreadyCapturedError(`payment ${paymentId} is captured`)
      refuse(answer, { 200: undefined, 409: captured })
      about(paymentId, read(doneAnswer, answer))
    },
    async find(paymentId): Promise<ProviderPayment | undefined> {
      const answer = await ask({ method: 'GET', path: pathOf(paymentId) })
      if (answer.status === 404) return undefined
      refuse(answer, { 200: undefined })
      return about(paymentId, read(findAnswer, answer))
    },
    async readLedger(afterPaymentId = ''): Promise<LedgerPage> {
      const path = `/ledger?after=${encodeURIComponent(afterPaymentId)}`
      const answer = await ask({ method: 'GET', path })
      refuse(answer, { 200: undefined })
      const { next, ...page } = read(ledgerAnswer, answer)
      return { ...page, next: next ?? undefined }
    },
  }
}

interface Question {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: unknown
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** A page of the ledger has some 2 MB. */
const answerBytesMax = 8 * 1024 * 1024

function createAsk({ url, clock, timeoutMs = 5_000 }: HttpProviderOptions) {
  const base = new URL(url)
  const open = base.protocol === 'https:' ? requestHttps : requestHttp

  return async function ask({ method, path, body }: Question): Promise<Answer> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    }
    const target = new URL(base.pathname.replace(/\/$/, '') + path, base)
    // No connection is used twice, so that a second answer to one call never answers the next.
    const request = open(target, { method, headers, agent: false })
    const cancel = clock.after(timeoutMs, () => {
      request.destroy(new Error(`no answer within ${timeoutMs} ms`))
    })
    try {
      const answer = receive(request)
      request.end(text)
      return await answer
    } catch (error) {
      throw unavailable(error instanceof Error ? error.message : String(error), error)
    } finally {
      cancel()
    }
  }
}

function receive(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > answerBytesMax) request.destroy(new Error('the answer is too large'))
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') })
      })
    })
  })
}

/**
 * Accepts the expected statuses. After any other the result of the call is unknown, so it counts as
 * no answer. Its text is not kept, because it may repeat the request with a card number.
 */
function refuse({ status }: Answer, expected: Readonly<Record<number, Error | undefined>>) {
  if (!(status in expected)) throw unavailable(`status ${status}`)
  if (expected[status] !== undefined) throw expected[status]
}

function read<T>(schema: z.ZodType<T>, { text }: Answer): T {
  const { success, data, error } = schema.safeParse(parseJson(text))
  if (success) return data
  throw unavailable('the answer cannot be understood', error)
}

/** Parses JSON; undefined for other text, because the parser's error would show a piece of it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function about<T extends { readonly paymentId: string }>(paymentId: string, answer: T): T {
  if (answer.paymentId === paymentId) return answer
  throw unavailable('the answer is about another payment')
}

function unavailable(why: string, cause?: unknown): ProviderUnavailableError {
  return new ProviderUnavailableError(`the payment provider: ${why}`, { cause })
}
