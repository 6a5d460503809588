import { newUuid } from '../../src/ids.ts'

/** A fixed answer of `bare` and `express`, with as many bytes as a real one. */
export interface CannedAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: unknown
}

export type CannedKind = 'held' | 'sold_out'

const id = newUuid()

export function cannedKind(): CannedKind {
  return process.env['ANSWER'] === 'sold_out' ? 'sold_out' : 'held'
}

/** @throws when the request has no product: then the load generator is wrong. */
export function cannedAnswer(kind: CannedKind, wish: unknown): CannedAnswer {
  const productId = productOf(wish)
  if (kind === 'sold_out') return { status: 409, contentType: problemJson, body: soldOut }
  const price = { unitPriceMinor: 19_900, currency: 'EUR' }
  const expiresAt = new Date().toISOString()
  const reservation = { id, productId, quantity: 1, ...price, status: 'held', expiresAt }
  return { status: 201, contentType: 'application/json', body: { reservation } }
}

/** The answer to the shoppers who read the product before the sale opens. */
export const cannedStock = { productId: 1, allotment: 1, available: 1, held: 0, sold: 0 }

const problemJson = 'application/problem+json'
const soldOut = {
  type: 'urn:holdfast:problem:sold_out',
  title: 'Not enough units are left',
  status: 409,
  code: 'sold_out',
}

function productOf(wish: unknown): number {
  if (typeof wish === 'object' && wish !== null && 'productId' in wish) {
    if (typeof wish.productId === 'number') return wish.productId
  }
  throw new Error('a request without a product')
}
