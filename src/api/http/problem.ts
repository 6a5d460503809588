/**
 * The one place that makes error answers. Every code a client can meet is a row here and in
 * docs/problems.md.
 */
interface ProblemKind {
  readonly status: number
  readonly title: string
  /** Seconds a client should wait before trying again. */
  readonly retryAfter?: number
}

const kinds = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  validation_failed: { status: 400, title: 'The request does not fit the documented shape' },
  webhook_signature_invalid: {
    status: 400,
    title: 'The webhook is not signed by the provider, or stale',
  },
  bad_request: { status: 400, title: 'The request cannot be understood' },
  unauthenticated: { status: 401, title: 'A valid bearer token is needed' },
  payment_declined: { status: 402, title: 'The payment was declined; nothing was charged' },
  forbidden: { status: 403, title: 'This token does not open this route' },
  not_found: { status: 404, title: 'There is nothing here' },
  product_not_in_sale: { status: 404, title: 'The flash sale does not offer this product' },
  method_not_allowed: { status: 405, title: 'This route does not take this method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  sold_out: { status: 409, title: 'Not enough units are left' },
  purchase_limit_reached: { status: 409, title: 'The purchase limit per shopper is reached' },
  sale_not_open: { status: 409, title: 'The flash sale is not open' },
  currency_mismatch: { status: 409, title: 'The cart already holds items in another currency' },
  cart_full: { status: 409, title: 'The cart cannot take another item' },
  cart_changed: { status: 409, title: 'The cart is not what was confirmed; nothing was done' },
  cart_empty: { status: 409, title: 'The cart has no live item' },
  invoice_expired: { status: 409, title: 'The invoice expired unpaid' },
  invoice_cancelled: { status: 409, title: 'The invoice was cancelled' },
  invoice_needs_attention: {
    status: 409,
    title: 'Money came after the invoice had ended; a person looks at it',
  },
  invoice_paid: { status: 409, title: 'The invoice is paid' },
  payment_in_progress: { status: 409, title: 'A payment of this invoice is under way' },
  flash_sale_over: { status: 409, title: 'The flash sale has ended or was cancelled' },
  flash_sale_running: { status: 409, title: 'The flash sale has begun: its prices stay' },
  price_above_list: {
    status: 409,
    title: 'The sale price is above the list price; allowAboveList takes it',
  },
  flash_sale_full: { status: 409, title: 'The flash sale cannot take another product' },
  product_already_in_sale: { status: 409, title: 'The flash sale has this product already' },
  product_in_another_sale: {
    status: 409,
    title: 'Another flash sale of that time has this product',
  },
  attention_closed: { status: 409, title: 'The payment was taken off the list with another note' },
  stock_out_of_bounds: { status: 409, title: 'Stock cannot go below what is held and sold' },
  email_taken: { status: 409, title: 'A user with this address exists' },
  body_too_large: { status: 413, title: 'The body is larger than 16 kB' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json in UTF-8' },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
  },
  rate_limited: { status: 429, title: 'Too many requests of yours', retryAfter: 1 },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  overloaded: { status: 503, title: 'Too many requests are waiting', retryAfter: 1 },
  too_late: { status: 503, title: 'The request could not be handled in time', retryAfter: 1 },
  broker_unavailable: {
    status: 503,
    title: 'The queue did not answer; retry with the same Idempotency-Key',
    retryAfter: 1,
  },
  provider_unavailable: {
    status: 503,
    title: 'The payment provider did not answer',
    retryAfter: 1,
  },
  identity_unavailable: {
    status: 503,
    title: 'Whether the token is good cannot be told now',
    retryAfter: 1,
  },
  database_unavailable: { status: 503, title: 'The database did not answer', retryAfter: 1 },
} satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof kinds
export const problemCodes = Object.keys(kinds) as ProblemCode[]
export const problemKind = (code: ProblemCode): ProblemKind => kinds[code]

/** The body of an error answer by RFC 9457. */
export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ProblemCode
  readonly detail?: string
}

/** The answer of a handler: JSON, or no body. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** An answer of `application/problem+json`. */
export function problem(code: ProblemCode, detail?: string): Reply {
  const { status, title, retryAfter } = problemKind(code)
  const type = `urn:holdfast:problem:${code}`
  const body: ProblemBody = { type, title, status, code, ...(detail !== undefined && { detail }) }
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
  if (retryAfter !== undefined) headers['retry-after'] = String(retryAfter)
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  return { status, headers, body }
}

/** Thrown by a handler to answer with a problem from any depth. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly reply: Reply

  constructor(code: ProblemCode, detail?: string) {
    super(detail ?? code)
    this.reply = problem(code, detail)
  }
}
