import type { HttpAnswer } from './http-entry.ts'

/** One request of a shopper with its answer. */
export interface Told {
  readonly userId: number
  readonly action: Action
  /** The Idempotency-Key the shopper sent; undefined when the server made one. */
  readonly key: string | undefined
  /** The content of the request as one line: equal lines are equal requests. */
  readonly wish: string
  readonly wished: Wished
  /** The time of the request, simulated epoch ms. */
  readonly askedAt: number
  readonly answeredAt: number
  readonly answer: HttpAnswer
}

export type Action =
  'add' | 'ask' | 'look' | 'remove' | 'clear' | 'checkout' | 'pay' | 'cancel' | 'invoice'

export interface Wished {
  readonly productId?: number
  readonly quantity?: number
  readonly requestId?: string
  readonly reservationId?: string
  readonly invoiceId?: string
  readonly method?: string
}

export interface ReservationSeen {
  readonly id: string
  readonly productId: number
  readonly quantity: number
  readonly status: string
  readonly expiresAt: string
}

export interface InvoiceSeen {
  readonly id: string
  readonly status: string
  readonly totalMinor: number
  readonly dueAt: string
}

export interface PaymentSeen {
  readonly id: string
  readonly status: string
}

interface Body {
  readonly status?: unknown
  readonly code?: string
  readonly statusUrl?: string
  readonly reservation?: ReservationSeen
  readonly invoice?: InvoiceSeen
  readonly payment?: PaymentSeen | null
  readonly items?: readonly ReservationSeen[]
}

export const bodyOf = ({ body }: HttpAnswer): Body => body ?? {}

/** Returns the key in the answer: it is the request's own id when the shopper sent none. */
export const keyTold = ({ headers }: HttpAnswer): string | undefined => headers['idempotency-key']

/** Codes that promise that this request never takes stock. */
const refusals: readonly string[] = [
  'sold_out',
  'purchase_limit_reached',
  'sale_not_open',
  'product_not_in_sale',
  'too_late',
  'cart_full',
  'currency_mismatch',
]

export function isRefused({ answer }: Told): boolean {
  const { code } = bodyOf(answer)
  return code !== undefined && refusals.includes(code)
}

/** Groups answers by the thing they are about. */
export function groupTold(
  history: readonly Told[],
  nameOf: (told: Told) => string,
): ReadonlyMap<string, readonly Told[]> {
  const groups = new Map<string, Told[]>()
  for (const told of history) {
    const name = nameOf(told)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [told])
    else group.push(told)
  }
  return groups
}
