import type { HttpAnswer } from './http-entry.ts'

/** What a shopper asked, and what it was told. */
export interface Told {
  readonly userId: number
  readonly action: Action
  /** The shopper's own; undefined when the server made one. */
  readonly key: string | undefined
  /** What was wished for, as one line: the same line is the same wish. */
  readonly wish: string
  readonly wished: Wished
  /** Simulated epoch ms. */
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

/** The key the answer names: the request's own id when the shopper sent none. */
export const keyTold = ({ headers }: HttpAnswer): string | undefined => headers['idempotency-key']

/** Told for good that this very request takes nothing. */
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

/** What was told about one thing, together. */
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
