import { until } from './until.ts'
import type { Answer, Call } from './http.ts'
import type { TestSale, TestShopper } from './sale.ts'

/** The result of one add-to-cart after all retries and the end of every 202. */
export interface Attempt {
  readonly shopper: TestShopper
  readonly key: string
  readonly first: Answer
  /** `held`, or the code of the refusal. */
  readonly outcome: string
  readonly reservationId: string | undefined
}

export interface BuyOptions {
  readonly quantity?: number
  readonly key?: string
}

/** Sends one add-to-cart and returns its first answer. */
export function addToCart(
  call: Call,
  sale: TestSale,
  shopper: TestShopper,
  { quantity = 1, key }: BuyOptions = {},
): Promise<Answer> {
  return call('POST', '/v1/cart/items', {
    token: shopper.token,
    body: { ...sale, quantity },
    headers: key === undefined ? {} : { 'idempotency-key': key },
  })
}

/** Hundreds of shoppers who poll more often would be a load test of their own. */
const pollEveryMs = 100

/**
 * Adds to cart until the outcome is final: it polls the status of a 202 and repeats after a 503.
 */
export async function buy(
  call: Call,
  sale: TestSale,
  shopper: TestShopper,
  { key = `buy-${shopper.id}`, quantity = 1 }: BuyOptions = {},
): Promise<Attempt> {
  const first = await addToCart(call, sale, shopper, { key, quantity })
  let last = first
  let outcome = outcomeOf(last)
  await until(
    async () => {
      if (outcome !== 'pending' && outcome !== 'retry') return true
      last =
        outcome === 'retry'
          ? await addToCart(call, sale, shopper, { key, quantity })
          : await call('GET', statusUrlOf(last), { token: shopper.token })
      outcome = outcomeOf(last)
      return false
    },
    60_000,
    `an outcome for shopper ${shopper.id}`,
    pollEveryMs,
  )
  return { shopper, key, first, outcome, reservationId: reservationIdOf(last) }
}

function outcomeOf({ status, body }: Answer): string {
  const { status: state, code } = body as unknown as { status?: unknown; code?: string }
  if (status === 201) return 'held'
  if (status === 202) return 'pending'
  if (status === 503) return 'retry'
  if (status === 200) return state === 'refused' ? (code ?? 'refused') : String(state)
  return code ?? `unexpected ${status}`
}

function statusUrlOf({ body }: Answer): string {
  const { statusUrl, requestId } = body as unknown as { statusUrl?: string; requestId?: string }
  return statusUrl ?? `/v1/cart/requests/${requestId ?? ''}`
}

function reservationIdOf({ body }: Answer): string | undefined {
  const { reservation } = body as unknown as { reservation?: { id: string } }
  return reservation?.id
}

/** Checks out and pays. Returns the id of the paid invoice. */
export async function payFor(call: Call, shopper: TestShopper): Promise<string> {
  const { token } = shopper
  const checkout = await call('POST', '/v1/checkout', { token })
  const { invoice } = checkout.body as unknown as { invoice?: { id: string } }
  if (invoice === undefined) throw new Error(`no invoice: ${checkout.text}`)
  const body = { paymentMethod: 'pm_ok' }
  const paid = await call('POST', `/v1/invoices/${invoice.id}/pay`, { token, body })
  if (paid.status !== 200) throw new Error(`not paid: ${paid.status} ${paid.text}`)
  return invoice.id
}

/** Counts the outcomes. */
export function tally(attempts: readonly Attempt[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { outcome } of attempts) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

/** Counts the answers by status, code of the refusal, and whether they are replays. */
export function tallyAnswers(answers: readonly Answer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { status, body, headers } of answers) {
    const { code } = body as unknown as { code?: string }
    const replayed = headers.has('idempotency-replayed') ? 'replayed' : undefined
    const answer = [status, code, replayed].filter((part) => part !== undefined).join(' ')
    counts[answer] = (counts[answer] ?? 0) + 1
  }
  return counts
}
